#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# with_postgres.sh COMMAND... - runs COMMAND with a PostgreSQL server of its own: a Unix socket in a
# temporary folder, named to it by COVEY_TEST_POSTGRES, and with openssl the same port of 127.0.0.1,
# with TLS: COVEY_TEST_POSTGRES_CERT is the server's certificate. Without PostgreSQL COMMAND runs without that,
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
tls=()
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
        -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
    (($(id -u) != 0)) || chown postgres: "$folder/key.pem"
    tls=(-c listen_addresses=127.0.0.1 -c ssl=on
        -c ssl_cert_file="$folder/cert.pem" -c ssl_key_file="$folder/key.pem")
    export COVEY_TEST_POSTGRES_CERT=$folder/cert.pem
fi
start() {
    "${as[@]}" --pdeathsig QUIT "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= \
        "${tls[@]}" -p "$port" -c fsync=off -c max_connections=60 -c shared_buffers=16MB \
        >>"$folder/server.log" 2>&1 &
    server=$!
}
is_up() { "$bin/pg_isready" -q -h "$folder" -p "$port" -U covey; }
for ((attempt = 0; attempt < 5; attempt++)); do # the port may be another's
    port=$((10000 + RANDOM % 20000))
    start
    for ((try = 0; try < 600; try++)); do
        is_up && break 2
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
done
is_up || {
    cat "$folder/server.log" >&2
    exit 1
}
# What runs in the background would ignore these two.
env --default-signal=INT,QUIT COVEY_TEST_POSTGRES="postgresql://covey@/postgres?host=$folder&port=$port" "$@" &
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
