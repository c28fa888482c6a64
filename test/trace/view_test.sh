#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The page of `covey trace --html`, in Chromium; skipped where there is none.
set -euo pipefail
exec python3 "$COVEY_SOURCE_DIR/test/trace/view_test.py"
