#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads Chrome's trace events as Perfetto's trace processor does, and fails where that would drop or
misplace something: perfetto.py FILE.json

Its rules (src/trace_processor/importers: json/, common/slice_tracker.cc, common/flow_tracker.cc):
events are taken by time, those of one time as they stand in the file. Microseconds become whole
nanoseconds, cut off by older versions and rounded by later ones. A run that begins before the one
below it ends, and ends after it, is dropped. An arrow belongs to the run that is on top of its row
when it comes, even if that has ended."""
import json
import math
import sys

ROUND = (math.trunc, round)


def check(held, *what):
    if not held:
        sys.exit(f'FAILED: {what}')


def begin_run(stack, start, end, event):
    """What has ended leaves the stack; the rest must be around the new one."""
    while stack and stack[-1][1] <= start:
        stack.pop()
    check(not stack or stack[-1][1] >= end, 'runs overlap', stack and stack[-1], event)
    stack.append((start, end, event))


def arrow_end(stacks, event, now, what):
    stack = stacks.get(event['tid'])
    check(stack, 'an arrow without a run', event)
    start, end, run = stack[-1]
    check(start <= now < max(end, start + 1), f'an arrow {what} another run', event, run)
    return run


def read(events, whole):
    at = lambda e, key='ts': int(whole(e[key] * 1000.0))
    stacks, arrows, arrived, open_regions = {}, {}, 0, {}
    for e in sorted((e for e in events if e['ph'] != 'M'), key=at):
        now, key = at(e), (e.get('cat'), e.get('id'), e['name'])
        if e['ph'] == 'X':
            begin_run(stacks.setdefault(e['tid'], []), now, now + at(e, 'dur'), e)
        elif e['ph'] == 's':
            check(key not in arrows, 'an arrow twice', e)
            arrows[key] = arrow_end(stacks, e, now, 'from')
        elif e['ph'] == 'f':
            check(key in arrows and e['bp'] == 'e', 'an arrow without a beginning', e)
            run = arrow_end(stacks, e, now, 'to')
            check(run['name'] == e['name'] and at(run) == now, 'an arrow to another task', e, run)
            arrived += 1
        elif e['ph'] == 'b':
            check(key not in open_regions, 'a region in itself', e)
            open_regions[key] = now
        elif e['ph'] == 'e':
            check(open_regions.pop(key) <= now, 'a region ends before it begins', e)
        else:
            check(e['ph'] == 'i' and e['s'] == 'p', 'what is this?', e)
    check(arrived == len(arrows) and not open_regions, 'ends are missing')
    return arrived


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        events = json.load(file)['traceEvents']
    named = {e['tid'] for e in events if e['name'] == 'thread_name'}
    check(0 not in named, 'row 0 is the idle thread of the kernel')
    check({e['tid'] for e in events if 'tid' in e} == named, 'rows without a name')
    check(len({e['pid'] for e in events}) == 1, 'several processes')
    arrived = [read(events, whole) for whole in ROUND]
    check(arrived[0] == arrived[1] > 0, 'no arrows')
    print(f'{sum(e["ph"] == "X" for e in events)} runs, {arrived[0]} arrows')


main()
