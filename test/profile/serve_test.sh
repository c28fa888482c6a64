#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# serve_test.sh - the debug server of examples/debugging/served.c, asked by curl, over TCP and over a
# Unix socket, and by go tool pprof; what it records is read by covey trace.
set -uo pipefail

command -v curl >/dev/null || { echo "no curl"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-serve.XXXXXX")
pids=()
trap '[[ ${#pids[@]} == 0 ]] || kill -KILL "${pids[@]}" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
# shellcheck source=test/profile/served.sh
source "$COVEY_SOURCE_DIR/test/profile/served.sh"
failed=0

# has WHAT REGEX FILE
has() {
    if grep -qE -- "$2" "$3"; then
        echo "ok: $1"
    else
        echo "FAILED: $1: no $2 in"
        head -c 3000 "$3" | sed 's/^/# /'
        failed=1
    fi
}

# start NAME ARG... - a shop; sets addr.
start() {
    local out=$1.out
    shift
    start_served "$out" "$@"
    pids+=("$pid")
}

start tcp --port 0
url=http://${addr#tcp://}/debug/covey
curl -sS -D headers "$url/" >out
has "an index page" '<h1>covey</h1>' out
has "its type" '^Content-Type: text/html' headers
curl -sS -I "$url/tasks" >headers
has "HEAD" '^HTTP/1.1 200 OK' headers
curl -sS "$url/tasks" >out
has "the tree of tasks" '"clerk" .*started at .*served\.c:' out
curl -sS "$url/tasks?format=json" | python3 -m json.tool >out
has "JSON that a parser takes" '"name": "customer"' out
curl -sS "$url/tasks?format=places" | python3 -m json.tool >out
has "places as JSON" '"tasks": [0-9]' out
curl -sS "$url/metrics" >out
has "metrics" '^covey_tasks\{state="waiting"\} ' out
curl -sS "$url/profile?kind=mutex&seconds=1&format=folded" >out
has "a second of contention" 'covey_mutex_unlock [0-9]+$' out
curl -sS -X POST "$url/tasks" -o out -w '%{http_code}' >code
has "405" '^405$' code
curl -sS -H 'Host: evil.example' "$url/tasks" -o out -w '%{http_code}' >code
has "403 for another host's name" '^403$' code
# Meanwhile a client that takes its time: somebody waits for it, and for the next one.
curl -sS "$url/trace?seconds=1" -o seconds.trace &
recording=$!
while kill -0 "$recording" 2>/dev/null; do
    exec 3<>"/dev/tcp/127.0.0.1/${addr##*:}"
    sleep 0.2 # sleeps: the time it takes
    printf 'GET /debug/covey/ HTTP/1.0\r\n\r\n' >&3
    cat <&3 >/dev/null
    exec 3>&-
done
wait "$recording"
if [[ -x $COVEY_COMMAND ]]; then
    "$COVEY_COMMAND" trace --rows 100 seconds.trace >out 2>&1
    has "covey trace reads it" 'clerk' out
    has "it says where is accepted" '^  accept .* at tcp://127\.0\.0\.1:[0-9]+$' out
    has "and with whom is spoken" '^  read .* to tcp://127\.0\.0\.1:[0-9]+$' out
fi
# Fifty at once, more than are let in: those that are, are answered.
for _ in {1..50}; do
    curl -sS "$url/tasks?format=folded" >>many 2>/dev/null &
    pids+=($!)
done
for pid in "${pids[@]:1}"; do
    wait "$pid"
done
pids=("${pids[0]}")
has "many clients at once" 'place\(s\)' many
if command -v go >/dev/null; then
    export HOME=$folder PPROF_TMPDIR=$folder GOTOOLCHAIN=local
    go tool pprof -top "$url/profile?kind=block&seconds=1&rate=1" >out 2>&1
    has "go tool pprof fetches by URL" 'covey_chan_recv|covey_chan_send' out
fi

start abstract
curl -sS --abstract-unix-socket "${addr#unix://@}" http://localhost/debug/covey/tasks?format=folded >out
has "over a Unix socket" 'place\(s\)' out
# No file's mode guards an abstract socket.
if [[ $(id -u) == 0 ]] && command -v setpriv >/dev/null; then
    setpriv --reuid 65534 --clear-groups curl -sS --abstract-unix-socket "${addr#unix://@}" \
        http://localhost/debug/covey/tasks >out 2>&1
    has "another user is refused" "another user's" out
fi
exit "$failed"
