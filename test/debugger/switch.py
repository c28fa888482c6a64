# SPDX-License-Identifier: MIT
"""In gdb, of a program that is about to run: stops before each instruction of some calls of cvy_switch().
Its stack must end where tasks and threads begin, and at nothing else; and the caller's registers must be
the same as long as the stack is the same caller's."""
import gdb

CALLS = 6
ENDS = ('cvy_switch_start', 'clone3', 'clone', '__clone3', '_start', 'main')
REGISTERS = ('rbx', 'rbp', 'r12', 'r13', 'r14', 'r15')


def names():
    frame, found = gdb.newest_frame(), []
    while frame is not None and len(found) < 100:
        found.append(frame.name() or '??')
        frame = frame.older()
    return found


def fault(known):
    """What is wrong here, or ''. known: registers of callers that were seen, by their stack pointer."""
    stack = names()
    if len(stack) < 2 or '??' in stack or stack[-1] not in ENDS:
        return ' '.join(stack)
    caller = gdb.newest_frame().older()
    values = [int(caller.read_register(name)) for name in REGISTERS]
    before = known.setdefault(int(caller.read_register('rsp')), values)
    return ' '.join(n for n, a, b in zip(REGISTERS, values, before) if a != b)


def main():
    gdb.execute('set pagination off')
    gdb.execute('break *cvy_switch', to_string=True)
    gdb.execute('run', to_string=True)
    gdb.execute('set scheduler-locking on')
    seen = bad = 0
    for _ in range(CALLS):
        known = {}
        while gdb.newest_frame().name() == 'cvy_switch':
            words = fault(known)
            seen += 1
            if words:
                bad += 1
                print(gdb.execute('x/i $pc', to_string=True).strip(), '->', words)
            gdb.execute('stepi', to_string=True)
        gdb.execute('continue', to_string=True)
    print(f'{seen} instructions, {bad} bad stacks')


main()
