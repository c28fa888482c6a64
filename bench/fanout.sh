#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fanout.sh [JOBS] - bench/fanout on the engine within the process, then, with a tenth of the jobs, on
# a Redis server started for this: jobs of a distributed group a second, by four workers.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${COVEY_TEST_REDIS:-} ]]; then
    [[ -z ${COVEY_FANOUT_NESTED:-} ]] || { printf 'no Redis here\n' >&2 && exit 77; }
    COVEY_FANOUT_NESTED=1 exec bash "$here/../test/redis/with_redis.sh" 1 bash "$here/fanout.sh" "$@"
fi
jobs=${1:-200000}
fanout=${COVEY_BUILD_DIR:-$here/../build/release}/bench/fanout
printf 'within the process:\n'
for workers in 1 2; do
    COVEY_WORKERS=$workers "$fanout" "$jobs" 4 16
done
printf 'on Redis:\n'
for workers in 1 2; do
    COVEY_WORKERS=$workers "$fanout" $((jobs / 10)) 4 16 "$COVEY_TEST_REDIS"
done
