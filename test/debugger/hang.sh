# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# hang.sh - for tests of debuggers: examples/debugging/hang, left hanging in a folder of its own. Sets
# folder, program, pid, and order: the number of the task that hangs.

program=$COVEY_BUILD_DIR/examples/debugging/hang
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-debugger.XXXXXX")
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

cd "$folder" || exit 1
ulimit -c unlimited
COVEY_WORKERS=2 COVEY_DUMP_SIGNAL=USR2 "$program" --stay 1 >/dev/null 2>"$folder/dump" &
pid=$!
# Not before it listens: until then the signal would end it.
while kill -0 "$pid" 2>/dev/null; do
    caught=$(sed -n 's/^SigCgt:\s*/0x/p' "/proc/$pid/status")
    ((caught >> ($(kill -l USR2) - 1) & 1)) && break
    sleep 0.05 # sleeps: nothing tells of a handler but /proc
done
# Dumps say when it hangs, and which task it is: in two of them, as others wait for a moment.
order=
for _ in $(seq 1500); do
    kill -USR2 "$pid" 2>/dev/null || break
    sleep 0.1 # sleeps: nothing tells of a dump's end but its text
    order=$(sed -n 's/.*task \([0-9]*\) "place_order" waiting in chan receive.*/\1/p' "$folder/dump" | tail -n 1)
    [[ -z $order || $(grep -c "task $order \"place_order\" waiting in chan receive" "$folder/dump") -lt 2 ]] || break
done
[[ -n $order ]] || { cp "$folder/dump" "$folder/out"; fail "the order that hangs is not in the dump"; }
