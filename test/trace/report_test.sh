#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# covey trace: the tables say what examples/trace_tour.c planted; damaged files are refused or told.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

COVEY_WORKERS=2 "$COVEY_BUILD_DIR/examples/trace_tour" >/dev/null
trace=trace_tour.w2.trace
failed=0

# holds WHAT PATTERN FILE
holds() {
    if grep -Eq "$2" "$3"; then
        echo "ok: $1"
    else
        echo "FAILED: $1: no \"$2\" in:"
        cat "$3"
        failed=1
    fi
}

# gives STATUS COMMAND... - output in ./out
gives() {
    local wanted=$1 got=0
    shift
    "$@" >out 2>&1 || got=$?
    if ((got != wanted)); then
        echo "FAILED: $*: status $got, not $wanted"
        cat out
        failed=1
    fi
}

gives 0 "$COVEY_COMMAND" trace --rows 40 --group serve --chrome chrome.json $trace
holds "when that was" '^Trace of process [0-9]+, from 20[0-9]{2}-[0-9-]+ [0-9:]+\.[0-9]{3}: ' out
holds "waits at the mutex, by task and place" '^  mutex .* work_out_price \(trace_tour\.c:[0-9]+\)' out
holds "waits of the parent for its group" '^  group wait .* serve \(trace_tour\.c' out
holds "latency percentiles" 'p50 .*p99 .*longest' out
holds "the long run is found" 'worker [01].* work_out_price' out
holds "a channel that was closed" '^Channels: 400 sends, .* 1 closed$' out
holds "regions" '^ +200 .* request \(trace_tour' out
holds "groups by place" '^ +200 +600 .* \(serve\)' out
holds "the critical path" '^CRITICAL PATH .* serve: 3 tasks' out
holds "its steps, by time" '^  running +[0-9.]+ [mun]s at [0-9.]+ ms  task [0-9]+ (work_out_price|look_up_stock|ask_for_shipping|serve)$' out
holds "who ran on it" '^  running .*(work_out_price|look_up_stock|ask_for_shipping)' out
if python3 "$COVEY_SOURCE_DIR/test/trace/perfetto.py" chrome.json >said 2>&1; then
    echo "ok: Chrome's JSON keeps Perfetto's rules: $(cat said)"
else
    echo "FAILED: Chrome's JSON"
    cat said
    failed=1
fi
if python3 - <<'END'; then
import json
events = json.load(open('chrome.json'))['traceEvents']
runs = [e for e in events if e['ph'] == 'X']
names = {e['name'] for e in runs}
assert {'serve', 'clerk', 'work_out_price'} <= names, names
assert sum(e['ph'] == 'b' for e in events) == 200
assert any(e['ph'] == 'i' and e['name'] == 'answered' for e in events)
assert {'mutex', 'group wait', 'ended'} <= {e['args']['then'] for e in runs}
END
    echo "ok: it has runs, regions, logs and why tasks left their workers"
else
    failed=1
fi

(ulimit -c 0; exec "$COVEY_BUILD_DIR/test/crash/trace_on_fatal") >said 2>&1 || true
holds "a fatal error says where the last events are" 'last events are in trace_on_fatal' said
gives 0 "$COVEY_COMMAND" trace trace_on_fatal.trace
holds "and they can be read" 'sleep .* work \(trace_on_fatal\.c:' out

gives 1 "$COVEY_COMMAND" trace --group nobody $trace
holds "an unknown group is said to be so" 'no group "nobody"' out
gives 2 "$COVEY_COMMAND" trace
gives 2 "$COVEY_COMMAND" trace --wrong $trace
gives 2 "$COVEY_COMMAND" trace --rows 0 $trace
gives 1 "$COVEY_COMMAND" trace missing.trace
holds "a missing file" 'missing.trace: No such file' out
echo "not a trace, whatever it is called" >other.trace
gives 1 "$COVEY_COMMAND" trace other.trace
holds "another file" 'not a trace' out
gives 1 "$COVEY_COMMAND" trace --html /nowhere/x.html $trace
holds "a page that cannot be written" '/nowhere/x.html: No such file' out

gives 1 "$COVEY_COMMAND" trace .
holds "a directory" '\.: Is a directory' out
gives 1 "$COVEY_COMMAND" trace --html /dev/full $trace
holds "a full disk" '/dev/full: No space left' out
gives 2 "$COVEY_COMMAND" trace --html ./$trace $trace
holds "a page in the place of its trace is refused" 'is the trace itself' out
gives 0 "$COVEY_COMMAND" trace - <$trace
holds "standard input, and no harm to the trace" '^Trace of process .* events$' out

size=$(stat -c %s $trace)
head -c $((size / 2)) $trace >half.trace
gives 0 "$COVEY_COMMAND" trace half.trace
holds "a file that was cut off is told, and read as far as it goes" 'its end is missing' out
for ((cut = 0; cut < 400; cut += 7)); do
    head -c $cut $trace >cut.trace
    status=0
    "$COVEY_COMMAND" trace cut.trace >out 2>&1 || status=$?
    if ((status > 1)); then
        echo "FAILED: cut after $cut bytes: status $status"
        failed=1
    fi
done

# The flight recorder from outside, and a snapshot at a fatal error.
COVEY_TRACE=$PWD/all.trace COVEY_WORKERS=2 "$COVEY_BUILD_DIR/examples/fan_out_fan_in" >/dev/null
gives 0 "$COVEY_COMMAND" trace all.trace
holds "COVEY_TRACE records a program that knows nothing of it" 'fan_out_fan_in.c' out
exit $failed
