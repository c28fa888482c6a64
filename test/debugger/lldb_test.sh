#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# lldb_test.sh - tools/lldb/covey.py on a program that hangs, live and in a core file.
set -uo pipefail

[[ -z ${COVEY_SANITIZER:-} ]] || { echo "a sanitizer's programs are no good in lldb"; exit 77; }
lldb=$(command -v lldb || command -v lldb-14) || { echo "no lldb"; exit 77; }
# Debian's lldb looks for its own modules where they are not.
modules=$(find /usr/lib/llvm-*/lib/python3.*/dist-packages -maxdepth 0 2>/dev/null | tail -n 1)
export PYTHONPATH=$modules${PYTHONPATH:+:$PYTHONPATH}
"$lldb" --batch -o 'script print(6 * 7)' 2>&1 | grep -x 42 >/dev/null || { echo "lldb without Python"; exit 77; }
# shellcheck source=test/debugger/hang.sh
source "$COVEY_SOURCE_DIR/test/debugger/hang.sh"

# in_lldb ARG... - the threads and stacks, with lldb started by these.
in_lldb() {
    timeout 240 "$lldb" --batch --no-lldbinit "$@" \
        -o "settings set target.process.python-os-plugin-path $COVEY_SOURCE_DIR/tools/lldb/covey.py" \
        -o 'thread list' -o 'bt all' >"$folder/out" 2>&1
}

in_lldb -p "$pid"
if grep -qE 'Operation not permitted|attach failed' "$folder/out"; then
    echo "not allowed to attach"
    exit 77
fi
has "the list" "task $order \"place_order\" waiting in chan receive 0x[0-9a-f]+"
has "the stacks" 'place_order\(.* at hang\.c:48' 'reserve_stock\(.* at hang\.c:' 'covey_chan_recv\(.* at chan\.c:'

kill -ABRT "$pid"
wait "$pid" 2>/dev/null
pid=
core=$(find . -maxdepth 1 -name 'core*' | head -n 1)
if [[ -z $core ]]; then
    echo "live: ok; this machine writes no core files here"
    exit 0
fi
in_lldb "$program" -c "$core"
has "the core's list" "task $order \"place_order\" waiting in chan receive"
has "the core's stacks" 'place_order\(.* at hang\.c:48'
echo "live and core: ok"
