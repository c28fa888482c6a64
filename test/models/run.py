#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the models of this folder with Spin.

usage: run.py [-j JOBS] [MODEL...]

Each NAME.pml must hold: no assertion fails, no invalid end state, and, where its head says
"spin: progress", no cycle without progress. Each line "BROKEN_x: ..." of its head names a variant
that Spin must refute: a model that cannot fail shows nothing. Prints a table of the states searched;
exits 77 where spin is not installed.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPTH = 2_000_000


def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def search(model, broken, check):
    """One search; (errors, states, why it failed)."""
    with tempfile.TemporaryDirectory() as folder:
        define = [f'-D{broken}'] if broken else []
        spin = run(['spin', '-a', *define, str(model)], folder)
        if not os.path.exists(f'{folder}/pan.c'):
            return None, 0, spin.stdout + spin.stderr
        kind = ['-DNP'] if check == 'progress' else ['-DSAFETY']
        compiler = run(['cc', '-O0' if broken else '-O1', '-w', '-DCOLLAPSE',
                        '-DMEMLIM=2048', *kind, '-o', 'pan', 'pan.c'], folder)
        if compiler.returncode:
            return None, 0, compiler.stderr
        flags = ['-l', '-f'] if check == 'progress' else []
        # What is refuted is so soon, mostly: with little memory, which takes time to get.
        out = run(['./pan', '-m100000', '-w18', '-n', *flags], folder).stdout if broken else ''
        if not broken or 'errors: 0' in out or 'depth too small' in out:
            out = run(['./pan', f'-m{DEPTH}', '-n', *flags], folder).stdout
        errors = re.search(r'errors: (\d+)', out)
        states = re.search(r'(\d+) states, stored', out)
        if not errors or not states or 'depth too small' in out or 'not completed' in out and errors[1] == '0':
            return None, 0, out
        why = re.search(r'pan:\d+: (.*?) \(at depth', out)
        return int(errors.group(1)), int(states.group(1)), why.group(1) if why else ''


def searches(model):
    """(model, variant or '', kind) for all that a model's head asks for."""
    head = model.read_text().split('*/')[0]
    checks = ['safety'] + (['progress'] if re.search(r'^ \* spin: progress$', head, re.M) else [])
    for check in checks:
        yield model, '', check
    for broken, check in re.findall(r'^ \* (BROKEN_\w+)(?: \((progress)\))?:', head, re.M):
        yield model, broken, check or 'safety'


def report(task):
    model, broken, check = task
    start = time.monotonic()
    errors, states, why = search(model, broken, check)
    took = time.monotonic() - start
    if errors is None:
        verdict, ok = 'not searched: ' + why.strip()[-400:], False
    elif broken:
        verdict, ok = (f'refuted: {why}', True) if errors else ('NOT REFUTED', False)
    else:
        verdict, ok = (f'FAILS: {why}', False) if errors else ('holds', True)
    name = model.stem + (f' {broken}' if broken else '')
    print(f'{name:<32} {check:<9} {states:>9} states {took:5.1f} s  {verdict}', flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('-j', type=int, default=os.cpu_count())
    parser.add_argument('models', nargs='*')
    args = parser.parse_args()
    if not shutil.which('spin'):
        print('spin is not installed')
        return 77
    models = sorted(HERE.glob('*.pml'))
    if args.models:
        models = [m for m in models if m.stem in args.models]
    tasks = [t for m in models for t in searches(m)]
    start = time.monotonic()
    with ThreadPoolExecutor(args.j) as pool:
        passed = sum(pool.map(report, tasks))
    print(f'{passed} passed, {len(tasks) - passed} failed in {time.monotonic() - start:.0f} s')
    return 0 if passed == len(tasks) > 0 else 1


if __name__ == '__main__':
    sys.exit(main())
