#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare.py DUMP SEEN - whether what a debugger shows of the tasks is what covey_dump() said of them:
each line on a task or a group, without the stacks. Spans of time may differ."""
import re
import sys


def lines_of(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        lines = [line.rstrip() for line in file if re.match(r'\s*(covey:|task \d|group 0x)', line)]
    # The client's own task wakes now and then, and may be anywhere.
    lines = [re.sub(r'-?\d+\.\d{3} s', 'T s', line) for line in lines if '"http driver"' not in line]
    # Who waits since a moment ago is not said to for how long.
    return [line.replace(' for T s', '') for line in lines]


def main():
    dump, seen = (lines_of(path) for path in sys.argv[1:3])
    missing = [line for line in dump if line not in seen]
    more = [line for line in seen if line not in dump]
    for word, lines in (('dump only', missing), ('debugger only', more)):
        for line in lines:
            print(f'{word}: {line}')
    if not dump or missing or more:
        sys.exit(f'{len(dump)} lines in the dump, {len(seen)} in the debugger')


main()
