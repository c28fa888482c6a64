# SPDX-License-Identifier: MIT
"""What tasks wait for, in words: what the functions named *_describe of src/ make of it for dumps, made
of it here, since nothing can be called in a core file. test/debugger/waits_test.sh compares the two."""
import ipaddress
import socket

from covey_memory import Missing

HOLDERS_ROOM, READERS_SHOWN = 4096, 4  # src/sync/holders.c
BOUND = {'listener_free': 'covey_listener', 'udp_free': 'covey_udp'}  # on_free of src/io/
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
        self.by_reason = {
            'chan send': self.chan, 'chan receive': self.chan, 'select': self.select,
            'mutex': self.mutex, 'rwmutex read': self.rwmutex, 'rwmutex write': self.rwmutex,
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
        return ', '.join(str(n) for n in self.holders.get(address, [])[:READERS_SHOWN])

    # ---- primitives ----

    def chan(self, address):
        chan = self.memory.record('covey_chan', address)
        if not chan.number('capacity'):
            return 'unbuffered'
        return f"{chan.number('len')} of {chan.number('capacity')} buffered"

    def select(self, address):
        select = self.memory.record('select:shuffled', address)
        cases = self.memory.array('covey_case', select.number('cases'), min(select.number('n'), 1024))
        return ', '.join(self.case(case) for case in cases)[:127]

    def case(self, case):
        name = self.memory.record('covey_waitable', case.number('kind')).string('name')
        number = case.number('number', signed=True)
        if name == 'after':
            return f'{name} {number / SEC:.6g} s'
        if case.number('object'):
            return f"{name} {case.number('object'):#x}"
        return f'{name} fd {number & 0xFFFFFFFF}' if name in ('readable', 'writable') else f'{name} {number}'

    def mutex(self, address):
        owner = self.number(address, 4) >> 3
        return f'held by task {owner}' if owner else ''

    def rwmutex(self, address):
        state = self.number(address, 4)
        if state & 1 and self.is_diagnosed and state >> 3:
            return f'held by task {state >> 3}'
        readers = self.holders_of(address)
        return f'read by task {readers}' if readers else ''

    def waitgroup(self, address):
        return f'{self.number(address) >> 32} to go'

    def group(self, address):
        group = self.memory.record('covey_group', address)
        limit = group.number('limit', signed=True)
        return f"{group.number('state') // 4} alive" + (f', limit {limit}' if limit >= 0 else '')

    def sleep(self, address):
        return f'due in {(self.number(address) - self.now) / SEC:.3f} s'

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
