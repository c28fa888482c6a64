#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# redis.sh [COMMANDS [TASKS]] - bench/redis, hiredis alone and redis-benchmark, one after the other
# against the same server, started for this: SET and GET over one connection, as many under way at
# once as there are tasks.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${COVEY_TEST_REDIS:-} ]]; then
    [[ -z ${COVEY_REDIS_NESTED:-} ]] || { printf 'no Redis here\n' >&2 && exit 77; }
    COVEY_REDIS_NESTED=1 exec bash "$here/../test/redis/with_redis.sh" 1 bash "$here/redis.sh" "$@"
fi
commands=${1:-500000}
tasks=${2:-64}
socket=${COVEY_TEST_REDIS#unix://}
build=${COVEY_BUILD_DIR:-$here/../build/release}
mkdir -p "$build/peers"
gcc -O2 -Wall -Wextra "$here/peers/c/hiredis.c" -o "$build/peers/hiredis" -lhiredis
for workers in 1 2; do
    COVEY_WORKERS=$workers "$build/bench/redis" "$commands" "$tasks" "$COVEY_TEST_REDIS"
done
"$build/peers/hiredis" "$socket" "$commands" "$tasks"
TIMEFORMAT='redis-benchmark %U s user, %S s system'
time redis-benchmark -s "$socket" -c 1 -P "$tasks" -n $((commands / 2)) -t set,get -d 8 --csv |
    awk -F'","' 'NR > 1 { gsub(/"/, ""); print "redis-benchmark", $0 }'
