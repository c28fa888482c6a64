#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gdb_test.sh - tools/gdb/covey.py on a program that hangs, live and in a core file.
set -uo pipefail

script=$COVEY_SOURCE_DIR/tools/gdb/covey.py
[[ -z ${COVEY_SANITIZER:-} ]] || { echo "a sanitizer's programs are no good in gdb"; exit 77; }
command -v gdb >/dev/null || { echo "no gdb"; exit 77; }
gdb -batch -nx -ex 'python import gdb.unwinder' >/dev/null 2>&1 || { echo "gdb without Python"; exit 77; }
# shellcheck source=test/debugger/hang.sh
source "$COVEY_SOURCE_DIR/test/debugger/hang.sh"

# in_gdb ARG... - the script's commands, with gdb started by these.
in_gdb() {
    timeout 240 gdb -batch -nx "$@" -ex "source $script" -ex 'info tasks' -ex 'task all bt' \
        -ex 'echo == locals\n' -ex "task $order bt full" -ex "task $order info frame" \
        >"$folder/out" 2>&1
}

in_gdb -p "$pid"
if grep -q 'ptrace: Operation not permitted' "$folder/out"; then
    echo "not allowed to attach"
    exit 77
fi
has "the list" "^task $order \"place_order\" waiting in chan receive 0x[0-9a-f]+ \\(unbuffered\\) for .* s, not cancellable, started at .*hang\.c:[0-9]+"
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
has "the core's list" "^task $order \"place_order\" waiting in chan receive"
has "the core's stack" 'in covey_chan_recv \(\) at .*chan\.c:' 'in place_order \(\) at .*hang\.c:48'
echo "live and core: ok"
