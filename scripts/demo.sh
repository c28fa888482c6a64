#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demo.sh [BUILD_DIR] [URL]... - shows what covey does, on a small server of its own or on real URLs.
# BUILD_DIR: where covey and examples/origin are built (default $COVEY_BUILD_DIR, else
# build/release). `./dev demo` builds and runs it. Fails if anything was not as it says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${COVEY_BUILD_DIR:-build/release}
if [[ -d ${1:-} ]]; then
    build=$1
    shift
fi
covey=$build/covey
for program in "$covey" "$build/examples/origin"; do
    if [[ ! -x $program ]]; then
        printf 'demo: %s is not built: run ./dev demo\n' "$program" >&2
        exit 1
    fi
done
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
shown() {
    printf '$ covey'
    printf ' %s' "$@"
    printf '\n'
}

if (($# > 0)); then
    say "$# URLs, at once, bodies counted and dropped"
    exec "$covey" fetch --discard --stats "$@"
fi

folder=$(mktemp -d)
origin=
failures=0
declare -A status_of ms_of # by the name of a run
clean_up() {
    [[ -z $origin ]] || kill "$origin" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT

# expect WHAT CONDITION... - one line of what a newcomer should have seen; the condition is one of the
# functions below with its arguments.
expect() {
    local what=$1
    shift
    if "$@"; then
        printf '  ok      %s\n' "$what"
    else
        printf '  FAILED  %s\n' "$what"
        failures=$((failures + 1))
    fi
}
# ended NAME STATUS MS_AT_MOST TEXT - that run ended so, in time, and said that.
ended() { ((status_of[$1] == $2 && ms_of[$1] <= $3)) && said "$1" "$4"; }
said() { grep -q -- "$2" "$folder/$1"; }
has_files() { (($(find "$folder/$1" -type f 2>/dev/null | wc -l) == $2)); }

# fetch NAME ARGUMENT... - runs it. What it says goes to the terminal and to a file; on a terminal
# script(1) stands in between, so that progress is shown.
fetch() {
    local name=$1 start status=0
    shift
    start=$(date +%s%N)
    if [[ -t 1 ]] && command -v script >/dev/null; then
        script -qec "$(printf '%q ' "$covey" fetch "$@")" "$folder/$name" || status=$?
    else
        "$covey" fetch "$@" >"$folder/$name" 2>&1 || status=$?
        cat "$folder/$name"
    fi
    status_of[$name]=$status
    ms_of[$name]=$((($(date +%s%N) - start) / 1000000))
}

"$build/examples/origin" >"$folder/origin" &
origin=$!
for _ in {1..100}; do
    [[ ! -s $folder/origin ]] || break
    sleep 0.05
done
base=$(head -n 1 "$folder/origin")
printf 'A server written with covey (examples/origin.c) listens on %s\n' "$base"

# ---- 1: many transfers ---------------------------------------------------------------------------

say "400 transfers of mixed delay and size, 32 at once, on all cores"
for i in {1..400}; do
    case $((i % 4)) in
    0) printf '%s/delay/%d?%d\n' "$base" $((i % 7 * 60)) "$i" ;;
    1) printf '%s/bytes/%d?%d\n' "$base" $((i * 997)) "$i" ;;
    2) printf '%s/slow/20480/%d?%d\n' "$base" $((i % 5 * 5)) "$i" ;;
    3) printf '%s/bytes/1024?%d\n' "$base" "$i" ;;
    esac
done >"$folder/urls"
shown fetch -i urls -j 32 -o pages --output-template "'{n}'" --stats
fetch first -i "$folder/urls" -j 32 -o "$folder/pages" --output-template '{n}' --stats

# ---- 2: the first failure cancels the rest -------------------------------------------------------

say "200 transfers that would take a minute each, and one that fails: --fail-fast"
{
    for i in {1..200}; do printf '%s/delay/60000?%d\n' "$base" "$i"; done
    printf '%s/status/503\n' "$base"
} >"$folder/slow"
shown fetch -i slow -j 300 -o slow-pages --fail-fast --stats
fetch second -i "$folder/slow" -j 300 -o "$folder/slow-pages" --fail-fast --stats

# ---- 3: an interrupt -----------------------------------------------------------------------------

say "200 transfers under way, and Ctrl-C"
shown fetch -i slow-200 -j 300 -o slow-pages --stats
head -n 200 "$folder/slow" >"$folder/slow-200"
"$covey" fetch -i "$folder/slow-200" -j 300 -o "$folder/slow-pages" --stats >"$folder/third" 2>&1 &
child=$!
sleep 0.5
start=$(date +%s%N)
kill -INT "$child"
status_of[third]=0
wait "$child" || status_of[third]=$?
ms_of[third]=$((($(date +%s%N) - start) / 1000000))
cat "$folder/third"

# ---- what should have been seen ------------------------------------------------------------------

kill -TERM "$origin"
status_of[origin]=0
wait "$origin" || status_of[origin]=$?
ms_of[origin]=0
origin=
tail -n 1 "$folder/origin"

say "What you should have seen"
expect "all 400 were fetched; status 0" ended first 0 60000 "400 transfers: 400 fetched"
expect "each file is there, whole, under its own name" has_files pages 400
expect "one failure cancelled the other 200, after ${ms_of[second]} ms in all; status 1" \
    ended second 1 5000 "1 failed, 200 cancelled"
expect "Ctrl-C ended 200 transfers within ${ms_of[third]} ms; status 130" \
    ended third 130 2000 "200 cancelled"
expect "no file was left by what did not finish" has_files slow-pages 0
for run in first second third; do
    expect "the $run run left no task, no thread, no descriptor" \
        said "$run" "left behind: 0 tasks, 0 threads, 0 descriptors"
done
expect "the server ended on its signal, and every connection and task with it" \
    ended origin 0 0 "; 0 open"
((failures == 0))
