#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pprof_test.sh - go tool pprof reads each profile of examples/debugging/profile.c and names what was
# planted there; without Go, decode.py checks their structure alone.
set -uo pipefail

folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-pprof.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0
source=$COVEY_SOURCE_DIR/examples/debugging/profile.c
has_names=
[[ ! -e /usr/lib/$(uname -m)-linux-gnu/libdw.so.1 ]] || has_names=1

# has WHAT REGEX - the last output has a match.
has() {
    if grep -qE -- "$2" out; then
        echo "ok: $1"
    else
        echo "FAILED: $1: no $2 in"
        sed 's/^/# /' out
        failed=1
    fi
}

# line_of TEXT - the number of the line of the program that has it.
line_of() { grep -nF -- "$1" "$source" | head -n 1 | cut -d: -f1; }

"$COVEY_BUILD_DIR/examples/debugging/profile" --files 1 >out || { cat out; exit 1; }
python3 "$COVEY_SOURCE_DIR/test/profile/decode.py" ./*.pprof >out ||
    { echo "FAILED: decode.py"; cat out; exit 1; }
has "1,000 parked tasks are one sample" '^task: tasks=1000 .*wait=chan receive'
has "a sample has its task and where that was started" 'task=visit started=.*profile\.c:'
[[ -n $has_names ]] || exit "$failed"
has "who holds the lock, with line" \
    "^mutex: .*work_out_price:$(line_of 'covey_mutex_unlock(&prices)') "
has "who waits for it, with line" \
    "^block: .*work_out_price:$(line_of 'covey_mutex_lock(&prices)') .*wait=mutex"
command -v go >/dev/null || { echo "no go"; exit "$failed"; }
export HOME=$folder PPROF_TMPDIR=$folder GOFLAGS=-mod=mod GOTOOLCHAIN=local

for kind in task block mutex cpu; do
    for report in -top -traces; do
        go tool pprof $report $kind.pprof >out 2>&1 || { echo "FAILED: pprof $report $kind"; cat out; failed=1; }
        cp out "$kind$report"
    done
done
cp task-top out && has "pprof -top: tasks" '^ *100[01] .* covey_chan_recv|visit'
cp block-traces out && has "pprof -traces: the wait has its cause" 'wait: *mutex'
cp mutex-top out && has "pprof -top: contention at the unlock" 'covey_mutex_unlock'
cp mutex-traces out && has "pprof -traces: by whom" 'work_out_price'
if [[ -z ${COVEY_SANITIZER:-} ]]; then
    go tool pprof -top -nodecount 3 cpu.pprof >out 2>&1
    has "pprof -top: what costs" 'draw_receipt'
    go tool pprof -top -tagfocus task=receipts cpu.pprof >out 2>&1
    has "pprof by task" 'draw_receipt'
    go tool pprof -list draw_receipt -source_path "$COVEY_SOURCE_DIR" cpu.pprof >out 2>&1
    has "pprof -list: the line" 'sink \+='
fi
exit "$failed"
