#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# with_redis.sh N COMMAND... - runs COMMAND with N Redis servers of its own, empty, on Unix sockets in
# a temporary folder: COVEY_TEST_REDIS names them to it, URLs with commas between. Without Redis
# COMMAND runs without that. The servers end with this script, however that ends.
set -euo pipefail

count=$1
shift
command -v redis-server >/dev/null || exec "$@"

folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-redis.XXXXXX")
servers=()
trap '((${#servers[@]} == 0)) || { kill -KILL "${servers[@]}"; wait; } 2>/dev/null || true; rm -rf "$folder"' EXIT
trap 'exit 143' TERM INT

urls=
for ((i = 0; i < count; i++)); do
    mkdir "$folder/$i"
    setpriv --pdeathsig KILL redis-server --port 0 --unixsocket "$folder/$i/s" --dir "$folder/$i" \
        --save '' --daemonize no >"$folder/$i/log" 2>&1 &
    servers+=($!)
    urls+=${urls:+,}unix://$folder/$i/s
done
for ((i = 0; i < count; i++)); do
    for ((try = 0; try < 600; try++)); do
        [[ -S $folder/$i/s ]] && redis-cli -s "$folder/$i/s" ping >/dev/null 2>&1 && break
        kill -0 "${servers[i]}" 2>/dev/null || break
        sleep 0.05
    done
    redis-cli -s "$folder/$i/s" ping >/dev/null || {
        cat "$folder/$i/log" >&2
        exit 1
    }
done
status=0
COVEY_TEST_REDIS=$urls "$@" || status=$?
exit $status
