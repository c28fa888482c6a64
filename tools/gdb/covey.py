# SPDX-License-Identifier: MIT
"""Tasks in gdb, of live programs and of core files. In gdb:

    source /path/to/tools/gdb/covey.py
    info tasks               one line a task, as a dump has it; or: info covey tasks
    info covey tree          the same under the groups they run in and the tasks that opened those
    task N bt [full]         the stack of task N
    task all bt              the stacks of all tasks
    task N COMMAND           any command, in the frame in which task N waits

Needs debug information of covey and nothing else. It changes nothing in the program: the stack of a
parked task is shown by telling gdb, while the command runs, that the selected thread was called from
there. `task` and `info tasks` hide gdb's commands for Ada's tasks of the same names.
"""
import os
import sys
import time

import gdb
import gdb.unwinder

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'debugger'))
from covey_memory import Missing  # noqa: E402
from covey_tasks import NEW, Tasks  # noqa: E402

# Where cvy_switch() saves what: name of the register, offset from the saved stack pointer. Then the
# registers that the saved frame returns to, and its size. See src/os/switch_*.S.
LAYOUTS = {
    'i386:x86-64': {
        'saved': {'r15': 8, 'r14': 16, 'r13': 24, 'r12': 32, 'rbx': 40, 'rbp': 48, 'rip': 56},
        'sp': 'rsp', 'pc': 'rip', 'size': 64,
    },
    'aarch64': {
        'saved': dict([(f'x{n}', 8 * (n - 19)) for n in range(19, 30)] + [('pc', 88), ('x30', 88)]),
        'sp': 'sp', 'pc': 'pc', 'size': 176,
    },
}


class Program:
    """What covey_memory.py asks of a debugger."""

    def read(self, address, size):
        try:
            return gdb.selected_inferior().read_memory(address, size)
        except (gdb.MemoryError, OverflowError):
            raise Missing(f'no memory at {address:#x}') from None

    def types(self, name):
        """The first is the one that gdb itself would take."""
        for full in (f'struct {name}', name):
            try:
                yield gdb.lookup_type(full).strip_typedefs()
            except gdb.error:
                pass
        for symbol in gdb.lookup_static_symbols(name, gdb.SYMBOL_STRUCT_DOMAIN):
            yield symbol.type

    def has(self, type_, member):
        return type_.code == gdb.TYPE_CODE_STRUCT and any(f.name == member for f in type_.fields())

    def type(self, name, member):
        for found in self.types(name):
            if found.code == gdb.TYPE_CODE_STRUCT and found.fields() and (
                    not member or self.has(found, member)):
                return found
        raise Missing(f'no struct {name} in the debug information')

    def size(self, type_):
        return type_.sizeof

    def members(self, type_):
        inner = type_.strip_typedefs().unqualified()
        if inner.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            return
        for field in inner.fields():
            yield field.name or None, field.bitpos // 8, field.type.sizeof, field.type

    def variable(self, name, member):
        found = gdb.lookup_static_symbols(name) if member else [gdb.lookup_global_symbol(name)]
        for symbol in filter(None, found):
            type_ = symbol.type.strip_typedefs()
            while type_.code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_PTR):
                type_ = type_.target().strip_typedefs()
            address = symbol.value().address  # None: a mention of it, as link-time optimisation leaves
            if address is not None and (not member or self.has(type_, member)):
                return int(address)
        raise Missing(f'{name} is not in this program, or it has no debug information of covey')

    def function(self, address):
        block, name = gdb.block_for_pc(address), None
        while block and not block.is_static:
            name = block.function.name if block.function else name  # around what was put in its place
            block = block.superblock
        return name

    def clock(self):
        kind = getattr(gdb.selected_inferior(), 'connection', None)
        is_here = kind is not None and kind.type == 'native'
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) if is_here else None


def all_tasks():
    try:
        return Tasks(Program())
    except Missing as missing:
        raise gdb.GdbError(str(missing)) from None


class Parked(gdb.unwinder.Unwinder):
    """While it has a task: the selected thread's innermost frame was called from where it waits."""

    def __init__(self):
        super().__init__('covey-parked-task')
        self.task = None
        self.top = None

    def __call__(self, pending):
        if self.task is None:
            return None
        layout = LAYOUTS.get(pending.architecture().name())
        if layout is None or int(pending.read_register(layout['sp'])) != self.top:
            return None
        base = self.task.sp
        word = gdb.lookup_type('unsigned long')
        info = pending.create_unwind_info(Here(base, pending.read_register(layout['pc'])))
        for register, offset in layout['saved'].items():
            value = gdb.Value(base + offset).cast(word.pointer()).dereference()
            kind = pending.read_register(register).type
            info.add_saved_register(register, value.cast(kind))
        kind = pending.read_register(layout['sp']).type
        info.add_saved_register(layout['sp'], gdb.Value(base + layout['size']).cast(kind))
        return info


class Here:
    """A frame's identity: below the task's frames, or gdb takes the stack for corrupt."""

    def __init__(self, sp, pc):
        self.sp = gdb.Value(sp)
        self.pc = pc


PARKED = Parked()
gdb.unwinder.register_unwinder(None, PARKED, replace=True)


class Inside:
    """with Inside(task): the frames above the innermost are the task's."""

    def __init__(self, task):
        self.task = task

    def __enter__(self):
        self.selected = gdb.selected_frame()
        newest = gdb.newest_frame()
        layout = LAYOUTS.get(newest.architecture().name())
        if layout is None:
            raise gdb.GdbError(f'no layout for {newest.architecture().name()}')
        PARKED.top = int(newest.read_register(layout['sp']))
        PARKED.task = self.task
        gdb.invalidate_cached_frames()
        return gdb.newest_frame().older()

    def __exit__(self, *_):
        PARKED.task = None
        gdb.invalidate_cached_frames()
        gdb.newest_frame().select()


def print_frames(frame, is_full):
    level = 0
    while frame is not None and frame.is_valid():
        name = frame.name() or '??'
        place = frame.find_sal()
        where = f' at {place.symtab.filename}:{place.line}' if place.symtab else ''
        print(f'  #{level:<2} {frame.pc():#x} in {name} (){where}')
        if is_full:
            frame.select()
            print(gdb.execute('info locals', to_string=True), end='')
        frame = frame.older()
        level += 1


def thread_of(task):
    """The thread that runs it; None: unknown."""
    handle = task.carrier()
    for thread in gdb.selected_inferior().threads() if handle else ():
        try:
            if int.from_bytes(thread.handle(), 'little') == handle:
                return thread
        except (AttributeError, gdb.error, RuntimeError):
            return None
    return None


def apply(task, command):
    print(task.line())
    is_backtrace = command.split()[:1] in (['bt'], ['backtrace'], ['where'])
    if task.has_stack:
        with Inside(task) as frame:
            if is_backtrace:
                print_frames(frame, 'full' in command.split())
            else:
                frame.select()
                gdb.execute(command)
        return
    thread = thread_of(task) if task.is_running else None
    if thread is not None:
        before = gdb.selected_thread()
        thread.switch()
        gdb.execute(command)
        before.switch()
    elif task.state == NEW:
        print('  has not run yet')
    else:
        print('  runs; see "thread apply all bt"')


class InfoCovey(gdb.Command):
    """Of programs that use covey."""

    def __init__(self):
        super().__init__('info covey', gdb.COMMAND_STATUS, prefix=True)


class InfoTasks(gdb.Command):
    """One line a task: number, name, state, what it waits for, for how long, until when, and where
    it was started. "info covey tasks" is the same."""

    def invoke(self, argument, from_tty):
        for task in all_tasks().sorted():
            print(task.line())


class InfoTree(gdb.Command):
    """The tasks under the groups they run in, and those under their openers, as covey_dump() has them."""

    def __init__(self):
        super().__init__('info covey tree', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for line in all_tasks().tree():
            print(line)


class TaskCommand(gdb.Command):
    """task N COMMAND, task all COMMAND: runs a command, such as bt, on covey's tasks."""

    def __init__(self):
        super().__init__('task', gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, command = argument.strip().partition(' ')
        command = command.strip() or 'bt'
        if which != 'all' and not which.isdigit():
            raise gdb.GdbError('usage: task N|all COMMAND')
        chosen = [t for t in all_tasks().sorted() if which == 'all' or t.id == int(which)]
        if not chosen and which != 'all':
            raise gdb.GdbError(f'no task {which}')
        for task in chosen:
            apply(task, command)


InfoCovey()
InfoTasks('info covey tasks', gdb.COMMAND_STATUS)
InfoTasks('info tasks', gdb.COMMAND_STATUS)
InfoTree()
TaskCommand()
