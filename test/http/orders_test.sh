#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# orders_test.sh - examples/orders as its users and its operators meet it.
set -euo pipefail
command -v curl >/dev/null && command -v python3 >/dev/null || exit 77
[[ -x $COVEY_BUILD_DIR/examples/orders/orders ]] || exit 77
export no_proxy=127.0.0.1
exec python3 -B "$(dirname "$0")/orders_test.py" "$COVEY_BUILD_DIR/examples/orders/orders"
