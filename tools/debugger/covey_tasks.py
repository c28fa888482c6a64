# SPDX-License-Identifier: MIT
"""covey's tasks as covey_dump() shows them, read from a stopped program or a core file; for
gdb/covey.py and lldb/covey.py. A slab of records is read at once: 100,000 tasks take seconds."""
import re

from covey_memory import Memory, Missing
from covey_waits import SEC, Waits

STATES = ('free', 'new', 'runnable', 'running', 'waiting')
NEW, RUNNABLE, WAITING = 1, 2, 4
OPEN, OPEN_CTX, HELD = 1, 2, 1 << 31  # claims, src/sched/wait.h
SCOPE_GROUP, SCOPE_NOTE = 0, 2
OWNS_SCOPES = 8
NOTES_SHOWN = 3
DEPTH_MAX = 32
OWNER_BITS = 0x0FFFFFFF  # of a number, cvy_owner_of()
NEVER = (1 << 63) - 1
DEADLINE = -62  # COVEY_EDEADLINE
ENDS = {-125: 'canceled', DEADLINE: 'deadline exceeded', -12: 'out of memory'}  # of contexts
SEEN_BUCKETS = 4096  # src/sched/ignored.c
# Waits whose words say it all: no address.
PLAIN = {'select', 'read', 'write', 'accept', 'sleep', 'hang-up', 'dial', 'name lookup'}


class Task:
    """A record in use."""

    def __init__(self, all_, record):
        number = record.number
        self.all, self.record, self.address = all_, record, record.address
        self.id, self.sp, self.stack = number('id'), number('sp'), number('stack')
        state, self.claim = number('state') & 0x7F, number('claim') & ~HELD
        self.is_running = number('on_cpu') != 0
        self.is_parked = self.claim in (OPEN, OPEN_CTX) and not self.is_running and self.stack != 0
        # On its way from one state to another.
        self.state = WAITING if self.is_parked else RUNNABLE if state == WAITING else state
        self.scope = number('owner') if number('on_end') == all_.member_end else 0

    @property
    def has_stack(self):
        """Which nobody runs on."""
        return not self.is_running and self.stack != 0 and self.sp != 0

    @property
    def name(self):
        name = self.record.text('name') or self.all.site(self.record.number('site'))[0] or 'task'
        return ''.join(f'\\x{ord(c):02x}' if c < ' ' or c == '\x7f' else c for c in name)

    def carrier(self):
        """The pthread_t of the thread that runs it; 0: none is known."""
        at = self.all.runtime.number('threads') if self.is_running else 0
        while at:
            thread = self.all.memory.record('cvy_thread', at)
            if thread.number('task') == self.address:
                return thread.number('handle')
            at = thread.number('all_next')
        return 0

    def scopes(self):
        """(address, kind) of what it has opened, the last first."""
        at = self.record.number('scopes') if self.record.number('owns') & OWNS_SCOPES else 0
        seen = set()
        while at and at not in seen:
            seen.add(at)
            scope = self.all.memory.record('cvy_scope', at)
            yield at, scope.number('kind')
            at = scope.number('next')

    def line(self):
        """As in a dump. What cannot be read is left out: memory may be damaged."""
        parts = [f'task {self.id} "{self.name}" {STATES[self.state % len(STATES)]}']
        for words in (self.wait, self.notes, self.context, self.started):
            try:
                parts.append(words())
            except Missing as missing:
                parts.append(f' <{missing}>')
        return ''.join(parts)

    def wait(self):
        if not self.is_parked:
            return ''
        word = self.record.number('wait')
        reason, address = self.all.reason(word >> 8 & 0xFF), word >> 16
        detail = self.all.waits.words(reason, address)
        if reason == 'blocking call':
            function = self.all.memory.program.function(address)
            words = f' of {function}' if function else ''
        elif reason in PLAIN:
            words = f' ({detail})'
        else:
            if self.all.has_ended(detail):
                detail += ', which has ended'
            words = f' {address:#x}' + (f' ({detail})' if detail else '')
        return f' in {reason}{words}{self.lasting(self.record.number("wait_since"))}'

    def lasting(self, since):
        return f' for {(self.all.now - since) / SEC:.3f} s' if 0 < since < self.all.now else ''

    def notes(self):
        """covey_wait_note, the innermost first."""
        words, memory = [], self.all.memory
        for at, kind in self.scopes() if self.is_parked else ():
            if kind == SCOPE_NOTE and len(words) < NOTES_SHOWN:
                note = memory.container('covey_wait_note', 'own_', at)
                which = self.all.waits.note_words(note)
                holders = self.all.waits.holders_of(note.number('object'))
                since = memory.record('cvy_note', at).number('since')
                verb = 'at work on' if note.number('is_work') else 'awaiting'
                words.append(f", {verb} {note.string('what')}" + (f' "{which}"' if which else '') +
                             (f' (held by task {holders})' if holders else '') + self.lasting(since))
        return ''.join(words)

    def context(self):
        ignored = self.all.ignored.get(self.id)
        words = ''
        if ignored:
            words = f", has gone on for {(self.all.now - ignored) / SEC:.3f} s after its context's end"
        if not self.is_parked:
            return words
        can_cancel = self.claim == OPEN_CTX
        words += self.all.end_of(self.record.number('registered') if can_cancel else
                                 self.all.cancel_of(self.record.number('ctx')))
        return words + ('' if can_cancel else ', not cancellable')

    def started(self):
        return self.all.place(', started at', self.record.number('site'))


class Tasks:
    """Of a program as it is now."""

    def __init__(self, program):
        self.memory = memory = Memory(program)
        address = memory.variable('cvy_runtime_now')
        if not address:
            raise Missing('no covey runtime is up')
        self.runtime = memory.record('cvy_runtime', address)
        self.now = self.clock()
        self.waits = Waits(memory, self.now)
        self.member_end = program.variable('cvy_group_member_end', None)
        self.sites, self.reasons, self.cancels = {}, {}, {}
        self.alive = None  # by_owner(), once it is asked for
        self.waits.number_of = lambda owner: self.by_owner().get(owner, owner)
        self.ignored = self.read_ignored()

    def clock(self):
        """A core file has none: the last time that a worker has looked."""
        virtual = self.memory.variable('cvy_clock_virtual')
        if virtual or self.memory.program.clock():
            return virtual or self.memory.program.clock()
        workers = self.memory.array('cvy_worker', self.runtime.number('workers'),
                                    self.runtime.number('worker_count'))
        return max([self.runtime.number('polled_at')] + [w.number('checked_at') for w in workers])

    def __iter__(self):
        slab = self.runtime.number('tasks.slabs')
        while slab:
            record = self.memory.record('cvy_slab', slab)
            for one in self.memory.array('cvy_task', record.number('tasks'), record.number('used')):
                if one.number('state') & 0x7F:
                    yield Task(self, one)
            slab = record.number('next')

    def sorted(self):
        return sorted(self, key=lambda task: task.id)

    def summary(self, count):
        return f"covey: {count} task(s) on {self.runtime.number('worker_count')} worker(s)"

    # ---- what many tasks have in common ----

    def site(self, address):
        """(name, file, line)"""
        if address not in self.sites:
            site = self.memory.record('covey_site', address) if address else None
            self.sites[address] = (site.string('name'), site.string('file'),
                                   site.number('line')) if site else ('', '', 0)
        return self.sites[address]

    def place(self, before, address):
        _, file, line = self.site(address)
        return '' if not address else f'{before} {file}:{line}' if line else f'{before} {file}'

    def reason(self, number):
        """view.c's words."""
        if number not in self.reasons:
            at = self.memory.program.variable('reasons', 'describe') + 16 * number
            self.reasons[number] = self.memory.string(self.memory.number(at))
        return self.reasons[number]

    def cancel_of(self, ctx):
        return self.memory.number(ctx) if ctx else 0

    def end_of(self, cancel):
        """Of a context, in words."""
        if cancel and cancel not in self.cancels:
            record = self.memory.record('cvy_cancel', cancel)
            done, deadline = record.number('done', True), record.number('deadline')
            self.cancels[cancel] = (
                f', its context is done ({ENDS.get(done, done)}{self.set_at(record, done)})' if done else
                '' if deadline == NEVER else
                f', deadline in {(deadline - self.now) / SEC:.3f} s' +
                self.place(' set at', record.number('site')))
        return self.cancels[cancel] if cancel else ''

    def set_at(self, cancel, done):
        return self.place(', set at', cancel.number('site')) if done == DEADLINE else ''

    def by_owner(self):
        """The tasks' numbers by the part of them that a lock's word has."""
        if self.alive is None:
            self.alive = {task.id & OWNER_BITS: task.id for task in self}
        return self.alive

    def has_ended(self, detail):
        """Whether what is told of a lock's owner is of a task that is gone."""
        found = re.fullmatch(r'held by task (\d+)', detail) if self.waits.is_diagnosed else None
        return bool(found) and int(found[1]) & OWNER_BITS not in self.by_owner()

    def read_ignored(self):
        """Since when tasks go on after their context's end, by number; ignored.c."""
        table = self.memory.variable('current', 8, 'seen')
        if not table:
            return {}
        at = self.memory.record('table:seen', table).at('seen')
        return {seen.number('id'): seen.number('since')
                for seen in self.memory.array('seen:is_told', at, SEEN_BUCKETS) if seen.number('id')}

    # ---- the tree ----

    def tree(self):
        """The lines of a dump: tasks under the groups they run in, those under their openers."""
        tasks = self.sorted()
        openers = {task.address: task.id for task in tasks}
        below = {}
        for task in tasks:
            opener = openers.get(self.memory.record('cvy_scope', task.scope).number('opener')
                                 if task.scope else 0, 0)
            below.setdefault(opener, []).append(task)
        yield self.summary(len(tasks))
        yield from self.under(below, 0, 1)
        for task in [task for rest in below.values() for task in rest]:
            yield '  ' + task.line()

    def under(self, below, opener, depth):
        group = 0
        for task in sorted(below.pop(opener, ()), key=lambda t: (t.scope, t.id)):
            if task.scope not in (0, group):
                site = self.memory.record('cvy_scope', task.scope).number('site')
                yield '  ' * depth + f"group {task.scope:#x}{self.place(', opened at', site)}"
            group = task.scope
            own = depth + (1 if group else 0)
            yield '  ' * own + task.line()
            if own < DEPTH_MAX:
                yield from self.under(below, task.id, own + 1)
