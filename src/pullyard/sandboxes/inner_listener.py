"""A listening socket inside a sandbox's network, made from outside before its command runs.

A small helper process enters the sandbox's network namespace, opens the port there and hands the socket back.
The command waits meanwhile, so it finds the port open. On the host nothing listens.
"""

import asyncio
import socket
import sys
from pathlib import Path

from pullyard.sandboxes.children import Child, Streams, readable
from pullyard.sandboxes.protocol import SandboxUnavailable

HELPER = Path(__file__).with_name("enter_network.py")


class InnerListener:
    def __init__(self, port: int) -> None:
        self.port = port
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(0)
        # It gets ready while the sandbox does.
        words = [sys.executable, "-I", "-S", str(HELPER), str(port)]
        self.helper = Child(words, Streams(stdin=theirs.fileno()))
        theirs.close()

    async def open(self, process_id: int) -> int:
        """The socket, in the network of this process."""
        await asyncio.get_running_loop().sock_sendall(self.ours, str(process_id).encode())
        await readable(self.ours.fileno())
        _, descriptors, _, _ = socket.recv_fds(self.ours, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not descriptors:
            raise SandboxUnavailable(f"Port {self.port} can't be opened in the sandbox's network.")
        return descriptors[0]

    async def close(self) -> None:
        self.ours.close()
        self.helper.kill()
        await self.helper.wait()
