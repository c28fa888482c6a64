#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gdb_test.sh - tools/gdb/covey.py on a program that hangs, live and in a core file.
set -uo pipefail

script=$COVEY_SOURCE_DIR/tools/gdb/covey.py
program=$COVEY_BUILD_DIR/examples/debugging/hang
[[ -z ${COVEY_SANITIZER:-} ]] || { echo "a sanitizer's programs are no good in gdb"; exit 77; }
command -v gdb >/dev/null || { echo "no gdb"; exit 77; }
gdb -batch -nx -ex 'python import gdb.unwinder' >/dev/null 2>&1 || { echo "gdb without Python"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-gdb.XXXXXX")
pid=
trap '[[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"' EXIT

fail() {
    printf 'FAILED: %s\n' "$1"
    sed 's/^/# /' "$folder/out"
    exit 1
}

# has WHAT REGEX... - the output has a match of each.
has() {
    local what=$1 pattern
    shift
    for pattern; do
        grep -qE -- "$pattern" "$folder/out" || fail "$what has no $pattern"
    done
}

# in_gdb ARG... - the script's commands, with gdb started by these.
in_gdb() {
    timeout 60 gdb -batch -nx "$@" -ex "source $script" -ex 'info covey tasks' -ex 'task all bt' \
        -ex 'echo == locals\n' -ex "task $order bt full" -ex "task $order info frame" \
        >"$folder/out" 2>&1
}

cd "$folder" || exit 1
ulimit -c unlimited
COVEY_WORKERS=2 COVEY_DUMP_SIGNAL=USR2 "$program" --stay 1 >/dev/null 2>"$folder/dump" &
pid=$!
# Not before it listens: until then the signal would end it.
for _ in $(seq 200); do
    caught=$(sed -n 's/^SigCgt:\s*/0x/p' "/proc/$pid/status")
    ((caught >> ($(kill -l USR2) - 1) & 1)) && break
    sleep 0.05 # sleeps: nothing tells of a handler but /proc
done
# The dump says when it hangs, and which task it is.
order=
for _ in $(seq 200); do
    kill -USR2 "$pid" 2>/dev/null
    sleep 0.1 # sleeps: nothing tells of a dump's end but its text
    order=$(sed -n 's/.*task \([0-9]*\) "place_order" waiting in chan receive.*/\1/p' "$folder/dump" | tail -n 1)
    [[ -z $order ]] || break
done
[[ -n $order ]] || { cp "$folder/dump" "$folder/out"; fail "the order that hangs is not in the dump"; }

in_gdb -p "$pid"
if grep -q 'ptrace: Operation not permitted' "$folder/out"; then
    echo "not allowed to attach"
    exit 77
fi
has "the list" "^task $order \"place_order\" waiting in recv 0x[0-9a-f]+, started at .*hang\.c:[0-9]+"
has "the stack" 'in covey_chan_recv \(\) at .*chan\.c:' 'in place_order \(\) at .*hang\.c:48' \
    'in reserve_stock \(\) at .*hang\.c:'
! grep -qE 'corrupt stack|Traceback' "$folder/out" || fail "a stack has no clean end"
sed -n '/^== locals/,$p' "$folder/out" >"$folder/locals"
grep -q 'c = 0x' "$folder/locals" || grep -q 'order = {items = 30' "$folder/locals" ||
    fail "there are no locals"

kill -ABRT "$pid"
wait "$pid" 2>/dev/null
pid=
core=$(find . -maxdepth 1 -name 'core*' | head -n 1)
if [[ -z $core ]]; then
    echo "live: ok; this machine writes no core files here"
    exit 0
fi
in_gdb "$program" "$core"
has "the core's list" "^task $order \"place_order\" waiting in recv"
has "the core's stack" 'in covey_chan_recv \(\) at .*chan\.c:' 'in place_order \(\) at .*hang\.c:48'
echo "live and core: ok"
