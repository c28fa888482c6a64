#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh PROGRAM EXPECT - the program must die, and say on standard error what EXPECT asks for.
#
# EXPECT: each line is an extended regular expression that must match somewhere; a line "! regex"
# must not match; "# ..." is a comment; "skip: asan tsan" skips it under those sanitizers.
set -uo pipefail
program=$1
expect=$2
limit=$((60 * ${COVEY_TEST_TIMEOUT:-1}))
output=$(mktemp "${TMPDIR:-/tmp}/covey-crash.XXXXXX")
trap 'rm -f "$output"' EXIT

if [[ -n ${COVEY_SANITIZER:-} ]] && grep -q "^skip:.*\b$COVEY_SANITIZER\b" "$expect"; then
    echo "skipped under $COVEY_SANITIZER"
    exit 77
fi

(
    ulimit -c 0
    exec timeout --signal=KILL "$limit" "$program" </dev/null 2>"$output"
)
status=$?
fail() {
    printf '%s: %s\n' "$program" "$1"
    sed 's/^/# /' "$output"
    exit 1
}
((status != 0)) || fail "it ended as if all were well"
((status != 137)) || fail "no end after $limit s"

while IFS= read -r line; do
    case $line in
    '' | '#'* | skip:*) ;;
    '! '*) ! grep -qE -- "${line#! }" "$output" || fail "it must not say: ${line#! }" ;;
    *) grep -qE -- "$line" "$output" || fail "it does not say: $line" ;;
    esac
done <"$expect"
echo "died with status $status, as it must"
