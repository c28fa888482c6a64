#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
exec python3 -B "${0%.sh}.py" "$@"
