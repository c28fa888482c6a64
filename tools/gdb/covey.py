# SPDX-License-Identifier: MIT
"""Tasks in gdb, of live programs and of core files. In gdb:

    source /path/to/tools/gdb/covey.py
    info covey tasks         one line a task
    task N bt [full]         the stack of task N
    task all bt              the stacks of all tasks
    task N COMMAND           any command, in the frame in which task N waits

Needs debug information of covey and nothing else. It changes nothing in the program: the stack of a
parked task is shown by telling gdb, while the command runs, that the selected thread was called from
there. `task` hides gdb's command for Ada's tasks of the same name.
"""
import gdb
import gdb.unwinder

STATES = ('free', 'new', 'runnable', 'running', 'waiting')

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


def runtime():
    symbol = gdb.lookup_global_symbol('cvy_runtime_now')
    if symbol is None:
        raise gdb.GdbError('covey is not in this program, or without debug information')
    address = int(symbol.value().cast(gdb.lookup_type('unsigned long')))
    if address == 0:
        raise gdb.GdbError('no covey runtime is up')
    return gdb.Value(address).cast(gdb.lookup_type('struct cvy_runtime').pointer()).dereference()


def plain(value, name='unsigned long'):
    """An atomic's value, or a pointer's, as a number."""
    return int(value.cast(gdb.lookup_type(name)))


class Task:
    def __init__(self, record):
        self.record = record
        self.address = int(record.address)
        self.id = int(record['id'])
        self.state = plain(record['state']) & 0x7F
        self.is_running = plain(record['on_cpu']) != 0

    @property
    def name(self):
        name = self.record['name'].string(errors='replace')
        site = self.record['site']
        if not name and int(site) and int(site['name']):
            name = site['name'].string(errors='replace')
        return name or 'task'

    @property
    def started(self):
        site = self.record['site']
        return f"{site['file'].string()}:{int(site['line'])}" if int(site) else ''

    def notes(self):
        """What its wait is for: covey_wait_note, the innermost first."""
        scope, words = self.record['scopes'], ''
        kind = gdb.lookup_type('covey_wait_note')
        offset = next(f.bitpos // 8 for f in kind.fields() if f.name == 'own_')
        while int(scope):
            if str(scope['kind']) == 'CVY_SCOPE_NOTE':
                note = gdb.Value(int(scope) - offset).cast(kind.pointer()).dereference()
                words += f", awaiting {note['what'].string(errors='replace')}"
                if int(note['text']):
                    text = ' '.join(note['text'].string(errors='replace').split())
                    words += f' "{text[:95]}"'
            scope = scope['next']
        return words

    def has_stack(self):
        return not self.is_running and int(self.record['stack']) != 0 and int(self.record['sp']) != 0

    def line(self):
        words = 'running' if self.is_running else STATES[self.state]
        if self.state == 4 and not self.is_running:
            wait = plain(self.record['wait'])
            for field in gdb.lookup_type('enum cvy_reason').fields():
                if field.enumval == wait >> 8 & 0xFF:
                    kind = field.name.replace('CVY_WAIT_', '').lower().replace('_', ' ')
                    words += f" in {kind} {wait >> 16:#x}"
            words += self.notes()
        where = self.started
        return f'task {self.id} "{self.name}" {words}' + (f', started at {where}' if where else '')


def tasks():
    slab = runtime()['tasks']['slabs']
    pointer = gdb.lookup_type('struct cvy_slab').pointer()
    slab = gdb.Value(plain(slab)).cast(pointer)
    found = []
    while int(slab):
        for i in range(plain(slab['used'])):
            record = slab['tasks'][i]
            if plain(record['state']) != 0:
                found.append(Task(record))
        slab = slab['next']
    return sorted(found, key=lambda task: task.id)


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
        base = int(self.task.record['sp'])
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
    """The thread that runs it; None: unknown, as in some core files."""
    carrier = runtime()['threads']
    while int(carrier):
        if int(carrier['task']) == task.address:
            for thread in gdb.selected_inferior().threads():
                try:
                    if int.from_bytes(thread.handle(), 'little') == int(carrier['handle']):
                        return thread
                except (AttributeError, gdb.error, RuntimeError):
                    return None
        carrier = carrier['all_next']
    return None


def apply(task, command):
    print(task.line())
    is_backtrace = command.split()[:1] in (['bt'], ['backtrace'], ['where'])
    if task.has_stack():
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
    elif task.state == 1:
        print('  has not run yet')
    else:
        print('  runs; see "thread apply all bt"')


class InfoCovey(gdb.Command):
    """Of programs that use covey."""

    def __init__(self):
        super().__init__('info covey', gdb.COMMAND_STATUS, prefix=True)


class InfoCoveyTasks(gdb.Command):
    """One line a task: number, name, state, what it waits for, where it was started."""

    def __init__(self):
        super().__init__('info covey tasks', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for task in tasks():
            print(task.line())


class TaskCommand(gdb.Command):
    """task N COMMAND, task all COMMAND: runs a command, such as bt, on covey's tasks."""

    def __init__(self):
        super().__init__('task', gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, command = argument.strip().partition(' ')
        command = command.strip() or 'bt'
        if which != 'all' and not which.isdigit():
            raise gdb.GdbError('usage: task N|all COMMAND')
        chosen = [t for t in tasks() if which == 'all' or t.id == int(which)]
        if not chosen and which != 'all':
            raise gdb.GdbError(f'no task {which}')
        for task in chosen:
            apply(task, command)


InfoCovey()
InfoCoveyTasks()
TaskCommand()
