#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# switch_test.sh - at each instruction of a switch gdb finds a whole stack, of one task or the other.
set -uo pipefail

[[ -z ${COVEY_SANITIZER:-} ]] || { echo "a sanitizer's programs are no good in gdb"; exit 77; }
[[ $(uname -m) == x86_64 ]] || { echo "names registers of x86-64"; exit 77; }
command -v gdb >/dev/null || { echo "no gdb"; exit 77; }
gdb -batch -nx -ex 'python import gdb.unwinder' >/dev/null 2>&1 || { echo "gdb without Python"; exit 77; }

seen=$(COVEY_WORKERS=1 timeout 240 gdb -batch -nx -x "$COVEY_SOURCE_DIR/test/debugger/switch.py" \
    "$COVEY_BUILD_DIR/examples/debugging/hang" 2>&1)
echo "$seen"
if grep -qE 'Operation not permitted|Could not trace' <<<"$seen"; then
    exit 77
fi
grep -qE '^[1-9][0-9]{2,} instructions, 0 bad stacks$' <<<"$seen"
