# SPDX-License-Identifier: MIT
"""operations.py - the operations that bench/guard and bench/atomics count under callgrind.

Each workload runs with one worker and two counts; the difference divided by the operations between
them is one operation, so that start and end of the runtime do not count. The benchmark's own loop
is in the figure."""

import os
import re
import subprocess

RUN_SECONDS = 120

# name: (program, arguments for n, operations for n: the warm-up's tenth included, n)
OPERATIONS = {
    "spawn and join": ("spawn", lambda n: (n, 9), lambda n: 10 * n, 1000),
    "switch": ("switch", lambda n: (n,), lambda n: 2 * n + 2 * (n // 10), 20000),
    "round trip, unbuffered": ("pingpong", lambda n: (n,), lambda n: n + n // 10, 10000),
    "round trip, under a context": ("pingpong", lambda n: (n, "group"), lambda n: n + n // 10, 10000),
    "send and receive, buffered": (
        "queue", lambda n: (1, 1, 100, n), lambda n: n + n // 10, 50000),
    "select over 4": ("select", lambda n: (n,), lambda n: n + n // 10, 10000),
    "lock and unlock": ("mutex", lambda n: (8, n), lambda n: 8 * (n + n // 10), 20000),
    "group of 10": ("group", lambda n: (n,), lambda n: n + n // 10, 10000),
}


def callgrind(program, words, profile="/dev/null", *flags):
    """The instructions that callgrind counted for one run."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", *flags,
               program, *map(str, words)]
    done = subprocess.run(command, env=dict(os.environ, COVEY_WORKERS="1"), capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=RUN_SECONDS)
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"status {done.returncode}: {done.stderr.strip()[-600:]}")
    return int(found.group(1))


def find_program(build_dir, name):
    program = build_dir / "bench" / name
    if not program.exists():
        raise RuntimeError(f"{program} is not built: run ./dev bench")
    return program
