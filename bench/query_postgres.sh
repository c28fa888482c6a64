#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# query_postgres.sh [QUERIES] - bench/query over 8 connections, Go's database/sql with lib/pq over 8 (where
# both are installed: golang-github-lib-pq-dev), then pgbench with 8 clients, each with the same
# statement, prepared, against the same PostgreSQL server, started for this. query_cpu is the
# client's own. The first two have 64 tasks, whose times include the wait for a connection.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${COVEY_TEST_POSTGRES:-} ]]; then
    [[ -z ${COVEY_QUERY_NESTED:-} ]] || { printf 'no PostgreSQL here\n' >&2 && exit 77; }
    COVEY_QUERY_NESTED=1 exec bash "$here/../test/sql/with_postgres.sh" bash "$here/query_postgres.sh" "$@"
fi
queries=${1:-100000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

printf 'covey:\n'
"${COVEY_BUILD_DIR:-$here/../build/release}/bench/query" "$queries" 64 8 "$COVEY_TEST_POSTGRES"

packages=/usr/share/gocode # where Debian puts the sources of Go's libraries
go=$(cd "$here" && python3 -c 'from sides import go_tool; print(go_tool())')
if [[ -d $packages/src/github.com/lib/pq ]] && command -v "$go" >/dev/null; then
    (cd "$here/peers/go_sql" && GO111MODULE=off GOPATH=$packages "$go" build -o "$folder/go_sql" .)
    printf '%s:\n' "$("$go" env GOVERSION)"
    "$folder/go_sql" "$queries" 64 8 "$COVEY_TEST_POSTGRES&sslmode=disable"
else
    printf 'go: not installed, or without golang-github-lib-pq-dev\n'
fi

printf '%s\n' '\set id random(1, 1000)' 'SELECT total FROM bench_orders WHERE id=:id;' >"$folder/script"
pgbench=$(find /usr/lib/postgresql -name pgbench | sort -V | tail -n 1)
ask() { "$pgbench" -n -M prepared -c 8 -j 2 -f "$folder/script" "$@" "$COVEY_TEST_POSTGRES" 2>/dev/null; }
printf 'pgbench:\n'
TIMEFORMAT='query_cpu %U s user, %S s system, for all'
{ time ask -t $((queries / 8)) | grep -E 'tps|latency'; } 2>&1
ask -t $((queries / 8)) -l --log-prefix="$folder/log" >"$folder/out" # once more: the log costs it time
cut -d ' ' -f 3 "$folder"/log* | sort -n | awk '{ t[NR] = $1 }
    END { printf "query_p50 %d us\nquery_p99 %d us\n", t[int(NR / 2)], t[int(NR * 0.99)] }'
