# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# served.sh - sourced by the tests of examples/debugging/served.c.

# start_served OUT ARG... - the program, which writes to OUT; sets pid, and addr as it tells it.
start_served() {
    local out=$1
    shift
    : >"$out"
    "$COVEY_BUILD_DIR/examples/debugging/served" --ms 600000 "$@" >"$out" 2>&1 &
    pid=$!
    while ! grep -q listening "$out"; do
        kill -0 "$pid" || { cat "$out"; exit 1; }
        sleep 0.05 # sleeps: until the program says where it listens
    done
    addr=$(sed -n 's/.*listening on //p' "$out")
}
