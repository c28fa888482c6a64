# SPDX-License-Identifier: MIT
"""ports.py - ports for servers that cannot tell theirs, or that come late or again."""
import socket

_held = []


def held_port():
    """A port of 127.0.0.1 where nobody listens. The kernel gives it to nobody else while this runs;
    a server that sets SO_REUSEADDR may have it, also more than once."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    _held.append(s)
    return s.getsockname()[1]
