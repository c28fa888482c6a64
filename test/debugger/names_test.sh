#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# names_test.sh - the stacks of a user's programs: C++ names as the source has them, and modules and
# offsets that addr2line takes, of programs that are relocatable and of ones that are not, static ones
# too; and debug information in a file of its own.
set -uo pipefail

[[ -z ${COVEY_SANITIZER:-} ]] || { echo "a sanitizer's programs need its runtime"; exit 77; }
for command in gcc g++ addr2line; do
    command -v "$command" >/dev/null || { echo "no $command"; exit 77; }
done
for library in libcovey.so libcovey.a; do
    [[ -f $COVEY_BUILD_DIR/$library ]] || { echo "built without $library"; exit 77; }
done
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-names.XXXXXX")
trap 'rm -rf "$folder"' EXIT

fail() {
    printf 'FAILED: %s\n' "$1"
    sed 's/^/# /' "$folder/out"
    exit 1
}

build() {
    "$@" -g -I"$COVEY_SOURCE_DIR/include" -L"$COVEY_BUILD_DIR" -lcovey \
        >"$folder/out" 2>&1 || fail "it does not build: $*"
}
# Not by an rpath, with which glibc's static PIEs crash.
export LD_LIBRARY_PATH=$COVEY_BUILD_DIR

# The functions at the offsets in a dump of PROGRAM, whose lines are in the file FULL.
functions_of() {
    sed -n "s/^ *at .*(${1##*/}+\(0x[0-9a-f]*\))\$/\1/p" "$folder/out" | xargs addr2line -fe "$2"
}

cat >"$folder/shop.c" <<'END'
#include <covey.h>

static __attribute__((noinline)) int look_around(void)
{
    covey_dump(stderr);
    return 0;
}

static int first(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return look_around() + 1;
}

int main(void)
{
    return covey_run(first, NULL) != 1;
}
END
export COVEY_NO_LIBDW=1
for place in pie no-pie static static-pie; do
    # A static one does without by itself.
    [[ $place != static* ]] || unset COVEY_NO_LIBDW
    build gcc -"$place" "$folder/shop.c" -o "$folder/$place"
    cp "$folder/$place" "$folder/$place.full"
    strip "$folder/$place"
    "$folder/$place" >"$folder/out" 2>&1 || fail "it fails, $place"
    functions_of "$folder/$place" "$folder/$place.full" >"$folder/functions"
    for function in look_around first; do
        grep -qx "$function" "$folder/functions" || fail "no $function at the offsets, $place"
    done
done

ldconfig -p >"$folder/libraries"
if ! grep -q 'libdw\.so\.1' "$folder/libraries"; then
    echo "no libdw: C++ names were not looked at"
    exit 0
fi
unset DEBUGINFOD_URLS
build gcc "$folder/shop.c" -o "$folder/apart"
objcopy --only-keep-debug "$folder/apart" "$folder/apart.debug"
strip "$folder/apart"
objcopy --add-gnu-debuglink="$folder/apart.debug" "$folder/apart"
"$folder/apart" >"$folder/out" 2>&1 || fail "it fails, debug information apart"
grep -qF 'at look_around (shop.c:' "$folder/out" || fail "its names are not found apart"

cat >"$folder/till.cc" <<'END'
#include <covey.h>

namespace shop {
template <class Coin> __attribute__((noinline)) int count(Coin coin)
{
    covey_dump_as(stdout, COVEY_DUMP_TREE);
    covey_profile_write("task", COVEY_PROFILE_FOLDED, stdout);
    return coin != 0;
}
}

static int first(covey_ctx *, void *)
{
    return shop::count<long>(7) + 1;
}

int main()
{
    return covey_run(first, nullptr) != 2;
}
END
build g++ "$folder/till.cc" -o "$folder/till"
"$folder/till" >"$folder/out" 2>&1 || fail "it fails, C++"
grep -qF 'at int shop::count<long>(long) (till.cc:' "$folder/out" || fail "the tree has no C++ name"
grep -qF ';int shop::count<long>(long);' "$folder/out" || fail "the profile has no C++ name"
! grep -q '_Z' "$folder/out" || fail "a name is still mangled"
