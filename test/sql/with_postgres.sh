#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# with_postgres.sh COMMAND... - runs COMMAND with a PostgreSQL server of its own: a Unix socket in a
# temporary folder, named to it by COVEY_TEST_POSTGRES. Without PostgreSQL COMMAND runs without that,
# and its tests that need one are skipped. The server ends with this script, however that ends; if a
# test stops it, it is started again.
set -euo pipefail

bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[[ -n $bin && -x $bin/postgres && -x $bin/initdb ]] || exec "$@"

folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-postgres.XXXXXX")
server=
command=
# shellcheck disable=SC2317 # called by the trap
leave() {
    [[ -z $command ]] || kill -TERM "$command"
    [[ -z $server ]] || { kill -INT "$server" && wait "$server"; } || true
    rm -rf "$folder"
}
trap leave EXIT
trap 'exit 143' TERM INT

# The server refuses to be root.
as=(setpriv)
if (($(id -u) == 0)); then
    chown postgres: "$folder"
    as=(setpriv --reuid postgres --regid postgres --init-groups)
fi
cd / # a folder that both may be in
"${as[@]}" "$bin/initdb" -D "$folder/data" -U covey -A trust -E UTF8 --locale=C --no-sync \
    >"$folder/initdb.log" 2>&1 || {
    cat "$folder/initdb.log" >&2
    exit 1
}
start() {
    "${as[@]}" --pdeathsig QUIT "$bin/postgres" -D "$folder/data" -k "$folder" \
        -c listen_addresses= -c fsync=off -c max_connections=60 -c shared_buffers=16MB \
        >>"$folder/server.log" 2>&1 &
    server=$!
}
start
for ((try = 0; try < 600; try++)); do
    "$bin/pg_isready" -q -h "$folder" -U covey && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
"$bin/pg_isready" -q -h "$folder" -U covey || {
    cat "$folder/server.log" >&2
    exit 1
}
# What runs in the background would ignore these two.
env --default-signal=INT,QUIT COVEY_TEST_POSTGRES="postgresql://covey@/postgres?host=$folder" "$@" &
command=$!
status=0
while true; do
    wait -n -p ended "$server" "$command" || status=$?
    [[ $ended != "$command" ]] || break
    start
    status=0
done
command=
exit "$status"
