// SPDX-License-Identifier: MIT
module covey.dev/bench

go 1.19
