# SPDX-License-Identifier: MIT
"""Tasks in lldb, of live programs and of core files, as threads: lldb's own commands then do all that
they do with threads. In lldb, once it has the program, stopped, or the core file:

    settings set target.process.python-os-plugin-path /path/to/tools/lldb/covey.py
    thread list              behind the threads the tasks that are parked: number, name, what for
    bt all                   the stacks of all of them
    thread select N          N: lldb's index; then bt, frame variable, up, down ...
    command script import /path/to/tools/lldb/covey.py
    covey-tasks [tree]       one line a task, also of those that are no threads; as covey_dump()

A task is a thread of lldb's with its number plus 1,000,000,000 as the thread's id. Needs debug
information of covey and nothing else; it changes nothing in the program. What runs on a thread is
that thread. tools/gdb/covey.py does the same for gdb.
"""
import os
import struct
import sys
import time

import lldb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'debugger'))
from covey_memory import Missing  # noqa: E402
from covey_tasks import Tasks  # noqa: E402

TID = 1_000_000_000
TASKS_MAX = 2000  # more of them make lldb slow

# Where cvy_switch() saves what (src/os/switch_*.S): name, number in DWARF, what lldb calls it, offset
# from the saved stack pointer; None: the stack pointer, which is `size` more. Others are unknown.
LAYOUTS = {
    'x86_64': (64, (
        ('rbx', 3, None, 40), ('rbp', 6, 'fp', 48), ('rsp', 7, 'sp', None), ('r12', 12, None, 32),
        ('r13', 13, None, 24), ('r14', 14, None, 16), ('r15', 15, None, 8), ('rip', 16, 'pc', 56),
    )),
    'aarch64': (176, tuple(
        (f'x{n}', n, None, 8 * (n - 19)) for n in range(19, 29)) + (
        ('fp', 29, 'fp', 80), ('lr', 30, 'ra', 88), ('sp', 31, 'sp', None), ('pc', 32, 'pc', 88),
    )),
}


class Program:
    """What covey_memory.py asks of a debugger."""

    def __init__(self, process):
        self.process, self.target = process, process.GetTarget()

    def read(self, address, size):
        """Of the program's file, where a core file has not got it."""
        file_place = self.target.ResolveLoadAddress(address)
        for source, place in ((self.process, address), (self.target, file_place)):
            error = lldb.SBError()
            data = source.ReadMemory(place, size, error) if address and size else b''
            if data is not None and len(data) == size and error.Success():
                return data
        raise Missing(f'no memory at {address:#x}')

    def has(self, type_, member):
        fields = [type_.GetFieldAtIndex(n).GetName() for n in range(type_.GetNumberOfFields())]
        return bool(fields) and (not member or member in fields)

    def type(self, name, member):
        found = self.target.FindTypes(name)
        for i in range(found.GetSize()):
            type_ = found.GetTypeAtIndex(i).GetCanonicalType()
            if self.has(type_, member):
                return type_
        raise Missing(f'no struct {name} in the debug information')

    def size(self, type_):
        return type_.GetByteSize()

    def members(self, type_):
        inner = type_.GetCanonicalType()
        for i in range(inner.GetNumberOfFields()):
            field = inner.GetFieldAtIndex(i)
            kind = field.GetType()
            yield field.GetName() or None, field.GetOffsetInBytes(), kind.GetByteSize(), kind

    def variable(self, name, member):
        found = self.target.FindGlobalVariables(name, 64)
        for i in range(found.GetSize()):
            value = found.GetValueAtIndex(i)
            type_ = value.GetType().GetCanonicalType()
            while type_.IsArrayType() or type_.IsPointerType():
                type_ = (type_.GetArrayElementType() if type_.IsArrayType() else
                         type_.GetPointeeType()).GetCanonicalType()
            address = value.GetLoadAddress()
            if address != lldb.LLDB_INVALID_ADDRESS and (not member or self.has(type_, member)):
                return address
        for context in () if member else self.target.FindSymbols(name):
            return context.GetSymbol().GetStartAddress().GetLoadAddress(self.target)
        raise Missing(f'{name} is not in this program, or it has no debug information of covey')

    def function(self, address):
        return self.target.ResolveLoadAddress(address).GetFunction().GetName()

    def clock(self):
        is_here = (self.process.GetPluginName() != 'elf-core' and
                   os.path.exists(f'/proc/{self.process.GetProcessID()}'))
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) if is_here else None


def print_tasks(debugger, command, result, _):
    """covey-tasks [tree]: one line a task, all of them, or the tree that covey_dump() prints."""
    try:
        tasks = Tasks(Program(debugger.GetSelectedTarget().GetProcess()))
        lines = tasks.tree() if command.strip() == 'tree' else (t.line() for t in tasks.sorted())
        for line in lines:
            result.AppendMessage(line)
    except Missing as missing:
        result.SetError(str(missing))


def __lldb_init_module(debugger, _):
    debugger.HandleCommand(f'command script add -f {__name__}.print_tasks covey-tasks')


class OperatingSystemPlugIn:
    """What lldb asks for threads."""

    def __init__(self, process):
        self.process = process
        self.target = process.GetTarget()
        machine = self.target.GetTriple().split('-')[0]
        self.size, self.registers = LAYOUTS.get(machine, (0, ()))
        self.tops = {}  # a task's thread id: its saved stack pointer

    def tasks(self):
        """Those that are parked; none while there are none, or lldb does not know of them yet."""
        try:
            parked = [task for task in Tasks(Program(self.process)) if task.has_stack]
        except Missing:
            return []
        return parked[:TASKS_MAX]

    # ---- what lldb calls ----

    def get_thread_info(self):
        self.tops = {}
        threads = []
        for task in self.tasks() if self.registers else ():
            self.tops[TID + task.id] = task.sp
            threads.append({'tid': TID + task.id, 'name': task.line(), 'state': 'stopped',
                            'stop_reason': 'none'})
        return threads

    def get_register_info(self):
        registers = []
        for i, (name, dwarf, generic, _) in enumerate(self.registers):
            info = {'name': name, 'bitsize': 64, 'offset': 8 * i, 'encoding': 'uint', 'format': 'hex',
                    'set': 0, 'gcc': dwarf, 'dwarf': dwarf}
            if generic:
                info['generic'] = generic
            registers.append(info)
        return {'sets': ['GPR'], 'registers': registers}

    def get_register_data(self, tid):
        top = self.tops.get(tid)
        if top is None:
            return None
        error = lldb.SBError()
        values = [top + self.size if offset is None else
                  self.process.ReadPointerFromMemory(top + offset, error)
                  for _, _, _, offset in self.registers]
        return struct.pack(f'{len(values)}Q', *values)
