# SPDX-License-Identifier: MIT
"""What tasks wait for, in words: what the functions named *_describe of src/ make of it for dumps, made
of it here, since nothing can be called in a core file. test/debugger/waits_test.sh compares the two."""
import ipaddress
import socket

from covey_memory import Missing

HOLDERS_ROOM, READERS_SHOWN = 4096, 4  # src/sync/holders.c
BOUND = {'listener_free': 'covey_listener', 'udp_free': 'covey_udp'}  # on_free of src/io/
DETAIL_ROOM, MORE_ROOM = 128, len(', and 1024 more') + 1  # of a select's cases, src/chan/select.c
LOCKED, OWNER_SHIFT = 1, 3  # src/sync/mutex.c
SEC = 1e9


def one_line(text):
    return ' '.join(''.join(' ' if c <= ' ' or c == '\x7f' else c for c in text).split())


def address_words(data):
    """Of a sockaddr's bytes; '' of one that is not set."""
    family, port = int.from_bytes(data[:2], 'little'), int.from_bytes(data[2:4], 'big')
    if family == socket.AF_INET:
        return f'tcp://{ipaddress.IPv4Address(bytes(data[4:8]))}:{port}'
    if family == socket.AF_INET6:
        address, zone = ipaddress.IPv6Address(bytes(data[8:24])), int.from_bytes(data[24:28], 'little')
        if address.ipv4_mapped:
            return f'tcp://{address.ipv4_mapped}:{port}'
        return f"tcp://[{address}{f'%{zone}' if zone else ''}]:{port}"
    if family == socket.AF_UNIX:
        path = bytes(data[2:])
        name = b'@' + path[1:] if path[:1] == b'\0' else path
        return 'unix://' + name.split(b'\0')[0].decode(errors='replace')
    return ''


class Waits:
    """now: the program's clock."""

    def __init__(self, memory, now):
        self.memory, self.now = memory, now
        self.is_diagnosed = memory.variable('cvy_diagnosis_is_on', 1) != 0
        self.holders = self.read_holders() if self.is_diagnosed else {}
        self.number_of = lambda owner: owner  # of a task, by what a lock's word has of it
        self.names = self.read_names()
        self.by_reason = {
            'chan send': self.chan, 'chan receive': self.chan, 'select': self.select,
            'mutex': self.mutex, 'semaphore': self.semaphore, 'rwmutex read': self.rwmutex, 'rwmutex write': self.rwmutex,
            'waitgroup': self.waitgroup, 'group wait': self.group, 'group limit': self.group,
            'sleep': self.sleep, 'read': self.descriptor, 'write': self.descriptor,
            'accept': self.descriptor, 'hang-up': self.descriptor, 'dial': self.dial,
            'name lookup': self.lookup,
        }
        self.by_note = {
            'HTTP transfer': self.transfer, 'Redis command': self.command,
            'database connection': self.permit,
        }

    def words(self, reason, address):
        """Of what a task waits for; '' if there is nothing to say, or it cannot be read."""
        describe = self.by_reason.get(reason)
        try:
            return describe(address) if describe and address else ''
        except Missing:
            return ''

    def note_words(self, note):
        """Which of its kind a covey_wait_note is about."""
        describe, text = note.number('describe'), note.number('text')
        known = self.by_note.get(note.string('what')) if describe else None
        try:
            if known:
                return one_line(known(note.address)[:95])
        except Missing:
            pass
        if describe and not text:
            return f'<{self.memory.program.function(describe) or hex(describe)}() knows>'
        return self.cut(text)

    def cut(self, address):
        """As src/sched/note.c does."""
        data = self.memory.cut(address, 96)
        text = one_line(data[:95].decode(errors='replace'))
        return text[:-3] + '...' if len(data) == 96 and len(text) > 3 else text

    def number(self, address, size=8):
        return self.memory.number(address, size)

    # ---- who has what ----

    def read_holders(self):
        """Numbers of tasks by object, as holders.c has them."""
        holders = {}
        at = self.memory.program.variable('records', 'owner')
        for record in self.memory.array('record:owner', at, HOLDERS_ROOM):
            if record.number('object') and record.number('owner'):
                holders.setdefault(record.number('object'), []).append(record.number('owner'))
        return holders

    def holders_of(self, address):
        return ', '.join(str(self.number_of(n)) for n in self.holders.get(address, [])[:READERS_SHOWN])

    # ---- primitives ----

    def read_names(self):
        """Of channels, by address: src/chan/named.c."""
        names = {}
        try:
            at = self.memory.variable('first', 8, 'chan')
            while at:
                named = self.memory.record('named:chan', at)
                text = ''.join('?' if c < ' ' or c == '\x7f' else c for c in named.text('name'))
                names[named.number('chan')] = f'"{text}"'
                at = named.number('next')
        except Missing:
            pass  # a program without channels
        return names

    def chan(self, address):
        chan = self.memory.record('covey_chan', address)
        name = f'{self.names[address]}, ' if address in self.names else ''
        if not chan.number('capacity'):
            return f'{name}unbuffered'
        return f"{name}{chan.number('len')} of {chan.number('capacity')} buffered"

    def select(self, address):
        select = self.memory.record('select:shuffled', address)
        count = select.number('n')
        cases = self.memory.array('covey_case', select.number('cases'), min(count, 1024))
        words = ''
        for i, case in enumerate(cases):
            more = (', ' if i else '') + self.case(case)
            if len(words) + len(more) + (1 if i + 1 == count else MORE_ROOM) > DETAIL_ROOM:
                return f'{words}, and {count - i} more'
            words += more
        return words or 'no case'

    def case(self, case):
        name = self.memory.record('covey_waitable', case.number('kind')).string('name')
        number, address = case.number('number', signed=True), case.number('object')
        if name == 'after':
            return f'{name} {number / SEC:.6g} s'
        if name in ('readable', 'writable'):
            return f'{name} fd {number & 0xFFFFFFFF}'
        if not address:
            return f'{name} NULL'
        known = self.names.get(address) if name in ('receive', 'send') else None
        return f'{name} {address:#x}' + (f' {known}' if known else '')

    def mutex(self, address):
        state = self.number(address, 4)
        if state >> OWNER_SHIFT:
            return f'held by task {self.number_of(state >> OWNER_SHIFT)}'
        return 'held by a plain thread' if state & LOCKED and self.is_diagnosed else ''

    def semaphore(self, address):
        sem = self.memory.record('covey_sem', address)
        holders = self.holders_of(address)
        return (f"{sem.number('available', True)} of {sem.number('total', True)} free"
                + (f', held by task {holders}' if holders else ''))

    def rwmutex(self, address):
        state = self.number(address, 4)
        if state & 1 and self.is_diagnosed and state >> 3:
            return f'held by task {self.number_of(state >> 3)}'
        readers = self.holders_of(address)
        return f'read by task {readers}' if readers else ''

    def waitgroup(self, address):
        return f'{self.number(address) >> 32} to go'

    def group(self, address):
        group = self.memory.record('covey_group', address)
        limit = group.number('limit', signed=True)
        alive = group.number('started') - group.number('ended') // 4
        return f'{alive} alive' + (f', limit {limit}' if limit >= 0 else '')

    def sleep(self, address):
        left = (self.number(address) - self.now) / SEC
        return f'due in {left:.3f} s' if left >= 0 else f'overdue by {-left:.3f} s'

    # ---- descriptors ----

    def descriptor(self, address):
        fd = self.number(address, 4)
        peer = self.peer(address)
        return f'fd {fd} {peer}' if peer else f'fd {fd}'

    def peer(self, address):
        """What covey itself knows of it: a core file has no descriptors."""
        try:
            record = self.memory.container('cvy_fd', 'fd', address)
            kind = self.memory.program.function(record.number('on_free'))
            if kind == 'conn_free':
                words = address_words(self.memory.record('covey_conn', record.address).bytes('peer'))
                return f'to {words}' if words else ''
            if kind in BOUND:
                return f"at {self.memory.record(BOUND[kind], record.address).string('addr')}"
        except Missing:
            pass
        return ''

    def dial(self, address):
        race = self.memory.record('race:winner', address)
        tried, count = race.number('next'), race.number('count')
        if not tried:
            return ''
        at, size = race.at('addrs'), self.memory.place('race:winner', 'addrs')[1] // 8
        words = address_words(self.memory.read(at + (tried - 1) * size, 128))
        return f'to {words}' + (f', {tried} of {count}' if count > 1 else '')

    def lookup(self, address):
        return self.memory.record('lookup:host', address).string('host')

    # ---- notes that describe themselves by a function ----

    def transfer(self, address):
        """src/http/request.c"""
        call = self.memory.record('call:has_told_head', address)
        request = self.memory.record('covey_http_request', call.number('req'))
        method, url = request.number('method'), request.string('url')
        word = self.memory.string(method) if method else 'POST' if request.number('body') else 'GET'
        return f'{word} {self.public(url)}'

    def public(self, url):
        """src/http/location.c: without the password."""
        head, mark, rest = url.partition('://')
        place = rest.split('/')[0].split('?')[0].split('#')[0]
        user, at, _ = place.rpartition('@')
        if not mark or not at or ':' not in user:
            return url
        return f"{head}://{user.split(':')[0]}:***{rest[len(user):]}"

    def command(self, address):
        """src/redis/describe.c"""
        note = self.memory.record('request_note', address)
        request = self.memory.record('cvy_redis_request', note.number('request'))
        data = bytes(self.memory.read(request.at('bytes'), min(request.number('len'), 65536)))
        words, at = [], data.find(b'$')
        while at >= 0 and data[at:at + 1] == b'$' and len(words) < 2:
            digits, _, rest = data[at + 1:].partition(b'\r\n')
            words.append(rest[:int(digits)].decode(errors='replace'))
            at += 1 + len(digits) + 2 + int(digits) + 2
        name = words[0] if words else ''
        if request.number('replies') > 1:
            return f"{name} and {request.number('replies') - 1} more"
        if len(words) < 2 or not words[1] or name.upper() in ('AUTH', 'HELLO'):
            return name
        return f'{name} {words[1]}'

    def permit(self, address):
        """src/sql/pool.c"""
        note = self.memory.record('permit_note', address)
        pool = self.memory.record('cvy_sql_pool', note.number('pool'))
        name = pool.number('config.options.name')
        backend = self.memory.record('cvy_sql_backend', pool.number('backend'))
        name = self.memory.string(name) if name else backend.string('name')
        return f"{name}: all {pool.number('config.options.max_open')} are in use"
