# SPDX-License-Identifier: MIT
"""Tasks in lldb, of live programs and of core files, as threads: lldb's own commands then do all that
they do with threads. In lldb, once it has the program, stopped, or the core file:

    settings set target.process.python-os-plugin-path /path/to/tools/lldb/covey.py
    thread list              behind the threads the tasks that are parked: number, name, what for
    bt all                   the stacks of all of them
    thread select N          N: lldb's index; then bt, frame variable, up, down ...

A task is a thread of lldb's with its number plus 1,000,000,000 as the thread's id. Needs debug
information of covey and nothing else; it changes nothing in the program. What runs on a thread is
that thread. tools/gdb/covey.py does the same for gdb.
"""
import struct

import lldb

TID = 1_000_000_000
TASKS_MAX = 2000  # more of them make lldb slow
STATES = ('free', 'new', 'runnable', 'running', 'waiting')

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


class OperatingSystemPlugIn:
    """What lldb asks for threads."""

    def __init__(self, process):
        self.process = process
        self.target = process.GetTarget()
        machine = self.target.GetTriple().split('-')[0]
        self.size, self.registers = LAYOUTS.get(machine, (0, ()))
        self.tops = {}  # a task's thread id: its saved stack pointer

    # ---- reading ----

    def number(self, value):
        """An atomic's value, or a pointer's."""
        error = lldb.SBError()
        return self.process.ReadUnsignedFromMemory(value.GetLoadAddress(), value.GetByteSize(), error)

    def at(self, address, kind):
        found = self.target.FindFirstType(kind)
        return self.target.CreateValueFromAddress(kind, lldb.SBAddress(address, self.target), found)

    def string(self, address):
        """Of the program's file, where a core file has not got it."""
        error = lldb.SBError()
        place = self.target.ResolveLoadAddress(address)
        text = self.target.ReadMemory(place, 64, error) if address else b''
        return text.split(b'\0')[0].decode(errors='replace') if error.Success() and text else ''

    def tasks(self):
        now = self.target.FindFirstGlobalVariable('cvy_runtime_now')
        runtime = self.number(now) if now.IsValid() else 0
        if not runtime:
            return
        slabs = self.at(runtime, 'cvy_runtime').GetValueForExpressionPath('.tasks.slabs')
        address, left = self.number(slabs), TASKS_MAX
        while address:
            slab = self.at(address, 'cvy_slab')
            records = slab.GetChildMemberWithName('tasks')
            for i in range(self.number(slab.GetChildMemberWithName('used'))):
                record = records.GetChildAtIndex(i, lldb.eNoDynamicValues, True)
                if self.is_parked(record) and left > 0:
                    left -= 1
                    yield record
            address = self.number(slab.GetChildMemberWithName('next'))

    def field(self, record, name):
        return self.number(record.GetChildMemberWithName(name))

    def is_parked(self, record):
        return (self.field(record, 'state') != 0 and not self.field(record, 'on_cpu') and
                self.field(record, 'stack') and self.field(record, 'sp'))

    def title(self, record):
        name = self.string(record.GetChildMemberWithName('name').GetLoadAddress())
        site = self.field(record, 'site')
        if site and not name:
            name = self.string(self.field(self.at(site, 'covey_site'), 'name'))
        words = STATES[self.field(record, 'state') & 0x7F]
        if words == 'waiting':
            wait = self.field(record, 'wait')
            for member in self.target.FindFirstType('cvy_reason').GetEnumMembers():
                if member.GetValueAsUnsigned() == wait >> 8 & 0xFF:
                    words += ' in ' + member.GetName().replace('CVY_WAIT_', '').lower()
            words += f" {wait >> 16:#x}"
        return f"task {self.field(record, 'id')} \"{name or 'task'}\" {words}"

    # ---- what lldb calls ----

    def get_thread_info(self):
        self.tops = {}
        threads = []
        for record in self.tasks() if self.registers else ():
            tid = TID + self.field(record, 'id')
            self.tops[tid] = self.field(record, 'sp')
            threads.append({'tid': tid, 'name': self.title(record), 'state': 'stopped',
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
