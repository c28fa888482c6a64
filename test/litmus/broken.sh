#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# broken.sh PROGRAM TEST - a litmus program linked with a copy of one file in which an edge is taken
# away: ThreadSanitizer must report a race in TEST. Several tries, since threads may miss each other.
set -u
export COVEY_WORKERS=2
for _ in {1..20}; do
    if "$1" "$2" 2>&1 | grep -q 'WARNING: ThreadSanitizer: data race'; then
        echo "the missing edge was seen"
        exit 0
    fi
done
echo "$2: no race was reported"
exit 1
