#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers.sh - every public header compiles alone, in C and in C++, without a warning; also after any
# other order than that of covey.h, since each includes what it needs. Nor do they cause warnings in
# what uses them. And contract.c compiles: each function has the signature that programs rely on.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
include=$here/../../include
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

# A variable that a select is to fill is not read before; what is sent may be const.
use='#include <covey.h>
int next(covey_chan *in, covey_chan *out);
int next(covey_chan *in, covey_chan *out)
{
    static const int one = 1;
    int value;
    bool ok;
    int which = covey_select(NULL, COVEY_RECV(in, &value), COVEY_RECV_OK(in, &value, &ok),
                             COVEY_SEND(out, &one), COVEY_AFTER(COVEY_MS));
    return which == 0 ? value : which == 1 ? ok : 0;
}'
for level in -O0 -O1 -O2 -O3; do
    for language in c c++; do
        if gcc -x $language $level -Wall -Wextra -Wshadow -Werror -I"$include" -c -o /dev/null - <<<"$use"; then
            passed=$((passed + 1))
        else
            printf '# a select with gcc -x %s %s\n' "$language" "$level" >&2
            failed=$((failed + 1))
        fi
    done
done

# agree COMPILER LANGUAGE STANDARD - contract.c, with the warnings that careful users turn on.
agree() {
    local flags=(-fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror -I"$include")
    [[ $1 != clang* ]] || flags+=(-Wno-gnu-statement-expression)
    if "$1" -x "$2" -std="$3" "${flags[@]}" "$here/contract.c"; then
        passed=$((passed + 1))
    else
        printf '# contract.c with %s -std=%s\n' "$1" "$3" >&2
        failed=$((failed + 1))
    fi
}

agree gcc c c11
agree gcc c c17
agree g++ c++ c++17
if command -v clang >/dev/null; then
    agree clang c c17
    agree clang++ c++ c++17
fi

printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
((failed == 0 && passed > 0))
