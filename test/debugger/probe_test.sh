#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# probe_test.sh - the USDT probes: each event of the list but two is one, with three arguments and a
# semaphore, and those that a tracer arms fire, with what docs/trace-format.md says, those too that follow
# others. The tracer is gdb, which sets
# semaphores as perf and bpftrace do.
set -uo pipefail

program=$COVEY_BUILD_DIR/examples/debugging/served
[[ -z ${COVEY_SANITIZER:-} ]] || { echo "a sanitizer's programs are no good in gdb"; exit 77; }
command -v readelf >/dev/null || { echo "no readelf"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-probe.XXXXXX")
trap 'rm -rf "$folder"' EXIT

fail() {
    printf 'FAILED: %s\n' "$1"
    sed 's/^/# /' "$folder/$2"
    exit 1
}

# The library, if the program is linked with one.
file=$(ldd "$program" | awk '$1 ~ /^libcovey\.so/ { print $3 }')
readelf -n "${file:-$program}" >"$folder/notes" 2>/dev/null
grep -q 'Provider: covey' "$folder/notes" || { echo "built without <sys/sdt.h>"; exit 77; }

# One line a probe: its name, its semaphore, how many arguments.
awk '/Provider:/ { is_ours = $2 == "covey" } is_ours && /Name:/ { name = $2 }
     is_ours && /Semaphore:/ { semaphore = $NF }
     is_ours && /Arguments:/ { print name, semaphore, NF - 1 }' "$folder/notes" |
    sort -u >"$folder/probes"
sed -n 's/^ *X([0-9]*, \([a-z_]*\), [12]).*/\1/p' "$COVEY_SOURCE_DIR/include/covey/trace_format.h" |
    grep -vxE 'clock|text' | sort >"$folder/events"
[[ $(wc -l <"$folder/events") -ge 29 ]] || fail "the list of events was not understood" events
cut -d' ' -f1 "$folder/probes" | sort -u | diff "$folder/events" - >"$folder/out" ||
    fail "the probes are not the events" out
! grep -qE ' 0x0+ ' "$folder/probes" || fail "a probe has no semaphore" probes
! grep -qvE ' 3$' "$folder/probes" || fail "a probe has not three arguments" probes
echo "$(wc -l <"$folder/events") probes, as listed"

command -v gdb >/dev/null || { echo "no gdb"; exit 0; }
cat >"$folder/commands" <<'END'
break main
run
delete
break -probe-stap covey:park
continue
printf "argc %d, reason %d, object 0x%lx\n", $_probe_argc, $_probe_arg1, $_probe_arg2
backtrace 12
kill
END
timeout 240 gdb -batch -nx -x "$folder/commands" --args "$program" --ms 600000 >"$folder/out" 2>&1
if grep -qE 'ptrace: Operation not permitted|Could not trace|Couldn.t get registers' "$folder/out"; then
    echo "not allowed to trace"
    exit 0
fi
grep -qE '^argc 3, reason [1-9][0-9]?, object 0x[0-9a-f]{5,}$' "$folder/out" ||
    fail "an armed probe does not fire with its arguments" out
echo "an armed probe fires"

# One after the other, in a program that never stops to start tasks in groups and to log.
for probe in group_open site group new log value; do
    printf 'delete\nbreak -probe-stap covey:%s\ncontinue\n' "$probe"
    # shellcheck disable=SC2016
    printf 'printf "%s: id %%lu, object 0x%%lx\\n", $_probe_arg0, $_probe_arg2\n' "$probe"
done >"$folder/probes_in_turn"
{
    printf 'break main\nrun\n'
    cat "$folder/probes_in_turn"
    printf 'kill\n'
} >"$folder/commands"
tour=$COVEY_BUILD_DIR/examples/trace_tour
(cd "$folder" && timeout 60 gdb -batch -nx -x commands --args "$tour" --requests 100000000) \
    >"$folder/out" 2>&1
for line in 'group_open: id [1-9][0-9]*, object 0x[0-9a-f]{5,}' 'site: id 0, object 0x[0-9a-f]{5,}' \
    'group: id 0, object 0x[0-9a-f]{5,}' 'new: id [1-9][0-9]*, object 0x[0-9a-f]{5,}' \
    'log: id [1-9][0-9]*, object 0x[0-9a-f]{5,}' 'value: id [0-9]+, object 0x0'; do
    grep -qE "^$line$" "$folder/out" || fail "no probe ${line%%:*}" out
done
echo "probes of events that follow others fire"
