#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# metrics_test.sh - what examples/debugging/served.c gives a scraper, in the eyes of Prometheus' own
# checker: promtool check metrics knows the format and the conventions for names.
set -uo pipefail

for tool in promtool curl; do
    command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-metrics.XXXXXX")
pid=
trap '[[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
# shellcheck source=test/profile/served.sh
source "$COVEY_SOURCE_DIR/test/profile/served.sh"

start_served served.out --port 0
curl -sSD head "http://${addr#tcp://}/debug/covey/metrics" >scraped || exit 1
grep -qi '^content-type: text/plain; version=0.0.4' head || { echo "FAILED: the type"; cat head; exit 1; }
promtool check metrics <scraped || { echo "FAILED: promtool"; exit 1; }
echo "ok: $(grep -c '^# TYPE' scraped) metrics"
