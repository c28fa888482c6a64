#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that what docs/debugging.md shows of the programs in examples/debugging is what they print.

Every block behind a line <!-- output of NAME --> is held against a run of examples/debugging/NAME:
each of its lines comes, in that order, but for the tasks of one report. Addresses, times, counts and tasks' numbers may differ, and
paths are shortened; a frame may be a few lines off, since a signal comes when it comes, and one of
covey's own anywhere in its function. "..." stands for lines that are left out.
"""
import os
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(os.environ['COVEY_SOURCE_DIR'])
programs = pathlib.Path(os.environ['COVEY_BUILD_DIR']) / 'examples/debugging'
block = re.compile(r'<!-- output of (\w+) -->\n+```\n(.*?)```', re.DOTALL)
frame = re.compile(r'(\s*at (\w+) \(\w+\.[ch]:)(\d+)\)')
LINES_OFF = 3
TRIES = 4
varying = (
    (re.compile(r'\S*/(\w+\.c:\d+)'), r'\1'),
    (re.compile(r'0x[0-9a-f]+'), '0x'),
    (re.compile(r'\b\d+\.\d+ s\b'), 'N s'),
    (re.compile(r'\btask \d+(, \d+)*'), 'task N'),
    (re.compile(r'\] \d+$'), '] N'),  # a folded profile's value
    (re.compile(r'\(\d+ bytes\)'), '(N bytes)'),
)


def plain(line):
    for pattern, replacement in varying:
        line = pattern.sub(replacement, line)
    return line.rstrip()


def is_same(shown, printed):
    if shown == printed:
        return True
    a, b = frame.fullmatch(shown), frame.fullmatch(printed)
    return bool(a and b and a[1] == b[1] and
                (a[2].startswith('covey_') or abs(int(a[3]) - int(b[3])) <= LINES_OFF))


def missing(shown, printed):
    """The first line that is shown and was not printed behind those before it."""
    at = report = 0
    taken = set()
    for line in map(plain, shown.splitlines()):
        if line.strip() == '...':
            continue
        if line.startswith('  task '):
            at = report  # in which order they come depends on who came first
        while at < len(printed) and (at in taken or not is_same(line, printed[at])):
            at += 1
        if at == len(printed):
            return line
        taken.add(at)
        at += 1
        if not line.startswith(' '):
            report = at
    return None


def run_all(names):
    """What each prints; all at once: they mostly wait."""
    environment = os.environ | {'COVEY_WORKERS': '2'}
    running = {
        name: subprocess.Popen([programs / name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, env=environment)
        for name in names
    }
    return {name: process.communicate()[0] for name, process in running.items()}


def main():
    if os.environ.get('COVEY_SANITIZER'):
        print("a sanitizer's stacks are others")
        return 77
    if subprocess.run(['ldconfig', '-p'], capture_output=True, text=True).stdout.find('libdw.so.1') < 0:
        print('no libdw: stacks have no lines')
        return 77
    shown = block.findall((root / 'docs/debugging.md').read_text())
    shown = [(name, text) for name, text in shown if (programs / name).exists()]  # one needs libcovey-sql
    assert len(shown) >= 6, 'docs/debugging.md shows the outputs'
    left = dict(shown)
    # Several times: on a machine that has much else to do a thread is not asked for its stack in time.
    for _ in range(TRIES):
        outputs = run_all(left)
        lacks = {name: missing(text, [plain(line) for line in outputs[name].splitlines()])
                 for name, text in left.items()}
        left = {name: text for name, text in left.items() if lacks[name] is not None}
    for name in dict(shown):
        print(f'{"FAILED" if name in left else "ok"}: {name}')
    for name in left:
        print(f'{name} does not print (behind the lines before it): {lacks[name]}\nbut:\n{outputs[name]}')
    return 1 if left else 0


if __name__ == '__main__':
    sys.exit(main())
