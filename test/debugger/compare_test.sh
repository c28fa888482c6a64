#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# compare_test.sh - what gdb and lldb say of tasks that wait for all there is, live and in a core file, is
# what a dump of the same moment says: waits_test and notes_test.
set -uo pipefail

tools=$COVEY_SOURCE_DIR/tools
[[ -z ${COVEY_SANITIZER:-} ]] || { echo "a sanitizer's programs are no good in a debugger"; exit 77; }
command -v gdb >/dev/null || { echo "no gdb"; exit 77; }
gdb -batch -nx -ex 'python import gdb.unwinder' >/dev/null 2>&1 || { echo "gdb without Python"; exit 77; }
lldb=$(command -v lldb || command -v lldb-14)
modules=$(find /usr/lib/llvm-*/lib/python3.*/dist-packages -maxdepth 0 2>/dev/null | tail -n 1)
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-debugger.XXXXXX")
pid=
trap '[[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
ulimit -c unlimited

# compare WHAT - what is in seen with the dump, in the form of $form
compare() {
    python3 "$COVEY_SOURCE_DIR/test/debugger/compare.py" dump seen ${form:+"$form"} || {
        sed 's/^/# /' seen
        echo "FAILED: $1"
        exit 1
    }
    echo "$1: ok"
}

in_gdb() {
    timeout 240 gdb -batch -nx "$@" -ex "source $tools/gdb/covey.py" -ex 'info covey tree' >seen 2>&1
}

in_lldb() {
    PYTHONPATH=$modules timeout 240 "$lldb" --batch --no-lldbinit "$@" \
        -o "command script import $tools/lldb/covey.py" -o 'covey-tasks tree' >seen 2>&1
}

for name in waits notes; do
    program=$COVEY_BUILD_DIR/test/debugger/${name}_test
    [[ -x $program ]] || continue
    form=
    [[ $name == waits ]] || form=flat
    rm -f dump core*
    COVEY_TEST_NOFORK=1 COVEY_WAITS_DUMP=dump "$program" >out 2>&1 &
    pid=$!
    # The dump has its name once it is whole.
    until [[ -e dump ]]; do
        kill -0 "$pid" 2>/dev/null || { cat out; echo "FAILED: $name"; exit 1; }
        sleep 0.05 # sleeps: nothing tells of a file but its name
    done
    in_gdb -p "$pid"
    if grep -q 'ptrace: Operation not permitted' seen; then
        echo "not allowed to attach"
        exit 77
    fi
    compare "$name, gdb, live"
    kill -ABRT "$pid"
    wait "$pid" 2>/dev/null
    pid=
    core=$(find . -maxdepth 1 -name 'core*' | head -n 1)
    [[ $core ]] || { echo "$name: this machine writes no core files here"; continue; }
    in_gdb "$program" "$core"
    compare "$name, gdb, core"
    if [[ $lldb ]] && in_lldb "$program" -c "$core" && ! grep -q 'without Python' seen; then
        compare "$name, lldb, core"
    fi
done
