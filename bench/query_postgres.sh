#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# query_postgres.sh [QUERIES] - bench/query over 8 connections, then pgbench with 8 clients and the same
# statement, prepared, each against the same PostgreSQL server, started for this.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${COVEY_TEST_POSTGRES:-} ]]; then
    [[ -z ${COVEY_QUERY_NESTED:-} ]] || { printf 'no PostgreSQL here\n' >&2 && exit 77; }
    COVEY_QUERY_NESTED=1 exec bash "$here/../test/sql/with_postgres.sh" bash "$here/query_postgres.sh" "$@"
fi
queries=${1:-100000}
"${COVEY_BUILD_DIR:-$here/../build/release}/bench/query" "$queries" 64 8 "$COVEY_TEST_POSTGRES"
script=$(mktemp)
trap 'rm -f "$script"' EXIT
printf '%s\n' '\set id random(1, 1000)' 'SELECT total FROM bench_orders WHERE id=:id;' >"$script"
TIMEFORMAT='pgbench: %U s user, %S s system'
pgbench=$(find /usr/lib/postgresql -name pgbench | sort -V | tail -n 1)
time "$pgbench" -n -M prepared -c 8 -j 2 -t $((queries / 8)) -f "$script" "$COVEY_TEST_POSTGRES" 2>/dev/null |
    grep -E 'tps|latency'
