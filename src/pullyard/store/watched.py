"""A Postgres that is gone without a word is given up soon.

A machine that lost its power, or its way to us, closes no connection. The system would go on sending to it
for a quarter of an hour, and every request that has its connection would wait for so long.
"""

import socket
from typing import Any

import asyncpg

SILENT_SECONDS = 15
PROBE_SECONDS = 5


class WatchedConnection(asyncpg.Connection):
    """Broken once the other side has acknowledged nothing for ``SILENT_SECONDS``.

    A statement may take any time: the system of a server that works on it still answers.
    """

    def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        peer = transport.get_extra_info("socket")
        if peer.family != socket.AF_UNIX:
            watch(peer)


def watch(peer: socket.socket) -> None:
    """``peer`` is of TCP, or a loop's own stand-in for one."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": PROBE_SECONDS,
        "TCP_KEEPINTVL": PROBE_SECONDS,
        "TCP_KEEPCNT": max(1, SILENT_SECONDS // PROBE_SECONDS),
        "TCP_USER_TIMEOUT": SILENT_SECONDS * 1000,
    }
    for name, value in options.items():
        # Not every system has all of them.
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
