# SPDX-License-Identifier: MIT
"""A stopped program's structs, laid out as its debug information says; for covey_tasks.py.

The debugger's side is a `program` (gdb/covey.py, lldb/covey.py):
    read(address, size)     bytes; Missing: they are not there
    type(name, member)      the struct of that name, of several the one with that member; Missing
    size(type)              in bytes
    members(type)           (name or None, offset, size, type) of each
    variable(name, member)  the address of a variable; Missing. member: of several static ones the one
                            which is, points to, or is an array of a struct with it
    function(address)       the name of the function that begins there, or None
    clock()                 the program's clock in ns while it lives; None of a core file
"""
STRING_MAX = 4096


class Missing(Exception):
    """What is not in the program, in its memory, or in its debug information."""


class Record:
    """A struct in the program's memory, which is read at the first look."""
    __slots__ = ('memory', 'kind', 'address', 'data')

    def __init__(self, memory, kind, address, data=None):
        self.memory, self.kind, self.address, self.data = memory, kind, address, data

    def bytes(self, path):
        offset, size = self.memory.place(self.kind, path)
        if self.data is None:
            self.data = self.memory.read(self.address, self.memory.size(self.kind))
        return self.data[offset:offset + size]

    def number(self, path, signed=False):
        return int.from_bytes(self.bytes(path), 'little', signed=signed)

    def text(self, path):
        """Of an array of characters."""
        return bytes(self.bytes(path)).split(b'\0')[0].decode(errors='replace')

    def string(self, path):
        """Of a pointer to characters."""
        return self.memory.string(self.number(path))

    def at(self, path):
        return self.address + self.memory.place(self.kind, path)[0]


class Memory:
    """kind is a struct's name, or "name:member" where another may have the name."""

    def __init__(self, program):
        self.program = program
        self.types, self.places, self.strings = {}, {}, {}

    def read(self, address, size):
        return self.program.read(address, size)

    def number(self, address, size=8):
        return int.from_bytes(self.read(address, size), 'little')

    def variable(self, name, size=8, member=None):
        return self.number(self.program.variable(name, member), size)

    def type(self, kind):
        if kind not in self.types:
            name, _, member = kind.partition(':')
            self.types[kind] = self.program.type(name, member)
        return self.types[kind]

    def size(self, kind):
        return self.program.size(self.type(kind))

    def find(self, type_, name):
        """Also inside of what has no name."""
        for member, offset, size, inner in self.program.members(type_):
            if member == name:
                return offset, size, inner
            found = None if member else self.find(inner, name)
            if found:
                return offset + found[0], found[1], found[2]
        return None

    def place(self, kind, path):
        """Offset and size of "member" or "member.inner"."""
        if (kind, path) not in self.places:
            at, size, type_ = 0, 0, self.type(kind)
            for name in path.split('.'):
                found = self.find(type_, name)
                if not found:
                    raise Missing(f'struct {kind} has no {path}: these are of another version')
                at, size, type_ = at + found[0], found[1], found[2]
            self.places[kind, path] = at, size
        return self.places[kind, path]

    def record(self, kind, address, data=None):
        return Record(self, kind, address, data)

    def container(self, kind, path, address):
        """The struct whose member is there."""
        return Record(self, kind, address - self.place(kind, path)[0])

    def array(self, kind, address, count):
        """Structs side by side, in one read."""
        size = self.size(kind)
        data = memoryview(self.read(address, size * count)) if count else b''
        return [Record(self, kind, address + i * size, data[i * size:(i + 1) * size])
                for i in range(count)]

    def cut(self, address, limit):
        """The bytes up to a zero, at most limit. What follows them may not be there to be read."""
        found, piece = b'', 256
        while address and len(found) < limit and b'\0' not in found:
            try:
                found += bytes(self.read(address + len(found), min(limit - len(found), piece)))
            except Missing:
                if piece == 1:
                    raise
                piece //= 4
        return found.split(b'\0')[0]

    def string(self, address):
        if address not in self.strings:
            self.strings[address] = self.cut(address, STRING_MAX).decode(errors='replace')
        return self.strings[address]
