#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers.sh - every public header compiles alone, in C and in C++, without a warning; also after any
# other order than that of covey.h, since each includes what it needs.
set -euo pipefail
include=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../include" && pwd)
passed=0
failed=0

# try COMPILER LANGUAGE STANDARD HEADER
try() {
    local flags=(-fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wundef -Werror -I"$include")
    [[ $1 != clang* ]] || flags+=(-Wno-gnu-statement-expression)
    if printf '#include <%s>\n#include <%s>\n' "$4" "$4" |
        "$1" -x "$2" -std="$3" "${flags[@]}" -; then
        passed=$((passed + 1))
    else
        printf '# %s with %s -std=%s\n' "$4" "$1" "$3" >&2
        failed=$((failed + 1))
    fi
}

while IFS= read -r header; do
    for standard in c11 gnu11 gnu17; do
        try gcc c $standard "$header"
    done
    for standard in c++11 gnu++17 c++20; do
        try g++ c++ $standard "$header"
    done
    if command -v clang >/dev/null; then
        try clang c gnu11 "$header"
        try clang++ c++ c++17 "$header"
    fi
done < <(cd "$include" && find . -name '*.h' | sed 's|^\./||' | LC_ALL=C sort)

printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
((failed == 0 && passed > 0))
