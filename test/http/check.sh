# shellcheck shell=bash disable=SC2154,SC2034
# SPDX-License-Identifier: MIT
# check.sh - for the tests of real clients: check NAME COMMAND... counts in passed and failed, and shows what a
# command that failed has said. Needs $work, a folder.
check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok - %s\n' "$name"
    else
        failed=$((failed + 1))
        printf 'not ok - %s\n' "$name"
        sed 's/^/# /' "$work/log"
    fi
}
