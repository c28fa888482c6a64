#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh - installs covey, moves the installed tree, and builds and runs a user's programs against it:
# pkg-config and find_package, C and C++, static and shared. Twice: what COVEY_BUILD_DIR holds, and a
# plain `cmake -S . -B build && cmake --build build --target install` with make and Debian's libdir.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/covey-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# check NAME COMMAND... - one result. `set -e` does not reach into COMMAND: functions chain by &&.
check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok %d - %s\n' $((passed + failed)) "$name"
    else
        failed=$((failed + 1))
        printf 'not ok %d - %s\n' $((passed + failed)) "$name"
        sed 's/^/# /' "$work/log"
    fi
}

# linked_as KIND PROGRAM - whether it needs libcovey.so exactly if it should.
linked_as() {
    local is_shared=no
    ! readelf -d "$2" | grep -q 'NEEDED.*\[libcovey[-a-z]*\.so' || is_shared=yes
    case $1 in
    *static) [[ $is_shared == no ]] ;;
    *) [[ $is_shared == yes ]] ;;
    esac
}

# What the static library of a part needs beside libcovey.a; the foreign ones stay shared: libcurl's
# own static form needs a dozen more.
foreign_libs() {
    local packages
    case $1 in
    http) # what it was built with is in its .pc
        printf '%s %s' "$(pkg-config --libs libcurl)" \
            "$(sed -n 's/^Libs.private: //p' "$PKG_CONFIG_PATH/covey-http.pc")"
        ;;
    tls) pkg-config --libs openssl ;;
    redis) pkg-config --libs hiredis ;;
    sql) # which databases it was built with is in its .pc
        read -ra packages <<<"$(pkg-config --print-requires-private covey-sql | tr '\n' ' ')"
        pkg-config --libs "${packages[@]}"
        ;;
    esac
}

# compile_and_run shared|static|PART|PART-static COMPILER SOURCE PREFIX LIBDIR
compile_and_run() {
    local kind=$1 compiler=$2 source=$3 libdir=$5 program=$work/program cflags libs
    export PKG_CONFIG_PATH=$libdir/pkgconfig
    local package=covey part=${kind%-static}
    [[ $kind == shared || $kind == static ]] || package=covey-$part
    read -ra cflags <<<"$(pkg-config --cflags "$package")"
    case $kind in
    static) read -ra libs <<<"-static $(pkg-config --static --libs covey)" ;;
    *-static) read -ra libs <<<"$libdir/lib$package.a $libdir/libcovey.a $(foreign_libs "$part") -pthread" ;;
    *) read -ra libs <<<"$(pkg-config --libs "$package")" ;;
    esac
    rm -f "$program"
    "$compiler" -Wall -Wextra -Werror -O2 "${cflags[@]}" "$here/$source" -o "$program" "${libs[@]}" &&
        linked_as "$kind" "$program" && LD_LIBRARY_PATH=$libdir "$program"
}

# consume NAME PREFIX LIBDIR - all the programs against one installed tree.
consume() {
    local name=$1 prefix=$2 libdir=$3 parts=() part kind
    for part in http tls sql redis; do
        [[ ! -e $libdir/pkgconfig/covey-$part.pc ]] || parts+=("$part")
    done
    check "$name: nothing names the first prefix" no_file_names "$work/first" "$prefix"
    for kind in shared static; do
        check "$name: pkg-config, C, $kind" compile_and_run $kind gcc consumer.c "$prefix" "$libdir"
        check "$name: pkg-config, C++, $kind" compile_and_run $kind g++ consumer.cc "$prefix" "$libdir"
    done
    for part in "${parts[@]}"; do
        for kind in "$part" "$part-static"; do
            check "$name: pkg-config, C, $kind" compile_and_run "$kind" gcc "${part}_consumer.c" "$prefix" "$libdir"
            check "$name: pkg-config, C++, $kind" compile_and_run "$kind" g++ "${part}_consumer.cc" "$prefix" "$libdir"
        done
    done
    if [[ -e $prefix/bin/covey ]]; then
        check "$name: the covey command" "$prefix/bin/covey" --version
        check "$name: man pages of the command" has_pages "$prefix" 1 covey covey-fetch
    fi
    check "$name: man pages of the library" has_pages "$prefix" 3 covey_run covey_group_go covey_select
    check "$name: find_package" find_package_consumer "$prefix" "$(IFS=';' && printf '%s' "${parts[*]}")"
    check "$name: exports only covey_*" exports_only_covey "$libdir"
    check "$name: libcovey needs only libc and libgcc" needs_only_libc "$libdir"
}

no_file_names() {
    ! grep -rlF --include='*.pc' --include='*.cmake' "$1" "$2"
}

# has_pages PREFIX SECTION NAME... - installed where man looks: a page, or a reference to one.
has_pages() {
    local pages=$1/share/man/man$2 section=$2 name
    shift 2
    for name; do
        grep -q -e '^\.SH NAME' -e '^\.so man' "$pages/$name.$section" || return 1
    done
}

find_package_consumer() {
    rm -rf "$work/consumer"
    cmake -S "$here" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$1" -DPARTS="$2" \
        -DCMAKE_BUILD_TYPE=Release &&
        cmake --build "$work/consumer" -j 2 &&
        (cd "$work/consumer" && ctest --output-on-failure --no-tests=error)
}

exports_only_covey() {
    local file
    for file in "$1"/libcovey*.so; do
        if nm -D --defined-only "$file" | awk '$2 != "A" { print $3 }' | grep -v '^covey_'; then
            return 1
        fi
        readelf -d "$file" | grep -q "SONAME.*\[$(basename "$file")\.0\]" || return 1
    done
}

# The core alone, as the README says.
needs_only_libc() {
    ! readelf -d "$1/libcovey.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -v -E '^(libc|libgcc_s|ld-linux-[a-z0-9_-]*)\.so\.[0-9]+$'
}

install_from_build() {
    cmake --install "$COVEY_BUILD_DIR" --prefix "$work/first"
}

# Without -O2, which other builds try: it takes three times as long, and hides a call of libm.
install_plainly() {
    cmake -S "$source_dir" -B "$work/build" -G 'Unix Makefiles' -DCMAKE_INSTALL_PREFIX="$work/first" \
        -DCMAKE_C_FLAGS_RELWITHDEBINFO=-g \
        -DCMAKE_INSTALL_LIBDIR="lib/$(gcc -print-multiarch)" -DCOVEY_EXAMPLES=OFF &&
        cmake --build "$work/build" -j 2 --target install
}

if [[ -n ${COVEY_BUILD_DIR:-} ]]; then
    check "install from $COVEY_BUILD_DIR" install_from_build
    mv "$work/first" "$work/moved-build"
    libdir=$(dirname "$(find "$work/moved-build" -name libcovey.a)")
    consume "build" "$work/moved-build" "$libdir"
fi
check "plain install with make" install_plainly
mv "$work/first" "$work/moved"
consume "plain" "$work/moved" "$work/moved/lib/$(gcc -print-multiarch)"

printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
((failed == 0))
