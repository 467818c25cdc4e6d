"""Connections to where a name was checked to lead: resolved once, outside, and every address looked at.

One address that may not be reached refuses the whole name, so that nobody wins by mixing them. What is
connected to is an address that was checked, never the name again: a second answer of DNS is not asked for.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address

from pullyard.protocol.errors import RequestError
from pullyard.protocol.hosts import read_host, read_port
from pullyard.protocol.public_addresses import METADATA, Address, PrivatePlace, is_opened, is_public
from pullyard.worker.gateway.rules import Place

CONNECT_SECONDS = 10.0
RESOLVE_SECONDS = 10.0
RESOLVERS = 8
REMEMBERED_SECONDS = 60.0
REFUSED_SECONDS = 5.0
REMEMBERED_NAMES = 256
ANSWER_BYTES = 16 << 10

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_PROXY = re.compile(r"http://\[?(?P<host>[A-Za-z0-9.:-]+)\]?:(?P<port>[0-9]+)/?")


class Unreachable(Exception):
    """``status`` and the sentence are the proxy's answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_known(entries: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The owner's own names, as of ``/etc/hosts``. Raises RequestError."""
    known: dict[str, tuple[str, ...]] = {}
    for name, address in entries.items():
        host = read_host(name)
        try:
            known[host or ""] = (str(ip_address(address)),)
        except ValueError:
            host = None
        if host is None:
            raise RequestError(f"{name[:80]!r} in network_resolve needs a host's name and one address.")
    return known


class SystemNames:
    """The system's resolver, in threads of its own: slow answers hold up nothing else of the worker."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        def ask() -> list[str]:
            return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


@dataclass
class Dialer:
    """One of a worker. The proxy variables of the worker's own environment are not looked at."""

    private: Sequence[PrivatePlace] = ()
    known: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    upstream_proxy: Place | None = None
    """Then that proxy resolves the names, and its owner keeps it from private places."""
    resolve: Resolve = field(default_factory=SystemNames)
    _remembered: dict[Place, tuple[float, list[Address] | Unreachable]] = field(
        default_factory=dict[Place, tuple[float, list[Address] | Unreachable]]
    )
    _asked: dict[Place, asyncio.Future[list[Address]]] = field(
        default_factory=dict[Place, asyncio.Future[list[Address]]]
    )
    """Those that are looked up now: whoever asks for one again waits for the same answer."""

    async def connect(self, place: Place) -> socket.socket:
        """A connected socket that doesn't block; the caller closes it. Raises Unreachable."""
        if self.upstream_proxy is not None and place[0] not in self.known:
            return await self._connect_through(self.upstream_proxy, place)
        failed = "no address"
        for address in await self.addresses(place):
            try:
                return await _open(address, place[1])
            except (OSError, TimeoutError) as error:
                failed = getattr(error, "strerror", None) or "no answer in time"
        raise Unreachable(502, f"{place[0]} can't be reached from this worker: {failed}.")

    async def addresses(self, place: Place) -> list[Address]:
        """All of them checked. Raises Unreachable."""
        until, known = self._remembered.get(place, (0.0, []))
        if asyncio.get_running_loop().time() < until:
            if isinstance(known, Unreachable):
                raise Unreachable(known.status, str(known))
            return known
        asking = self._asked.get(place)
        if asking is None:
            asking = self._asked[place] = asyncio.ensure_future(self._learn(place))
            asking.add_done_callback(lambda _: self._asked.pop(place))
        return await asyncio.shield(asking)

    async def _learn(self, place: Place) -> list[Address]:
        try:
            found = await self._look_up(place)
            for address in found:
                self._check(place, address)
        except Unreachable as refusal:
            self._remember(place, REFUSED_SECONDS, refusal)
            raise
        self._remember(place, REMEMBERED_SECONDS, found)
        return found

    def _remember(self, place: Place, seconds: float, known: list[Address] | Unreachable) -> None:
        if len(self._remembered) >= REMEMBERED_NAMES:
            self._remembered.clear()
        self._remembered[place] = (asyncio.get_running_loop().time() + seconds, known)

    async def _look_up(self, place: Place) -> list[Address]:
        host, port = place
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                texts = self.known.get(host) or await self.resolve(host, port)
            found = [ip_address(text) for text in dict.fromkeys(texts)]
        except (OSError, UnicodeError, ValueError, TimeoutError):
            found = []
        if not found:
            raise Unreachable(502, f"{host} has no address: its name can't be resolved on this worker.")
        return found

    def _check(self, place: Place, address: Address) -> None:
        if address in METADATA:
            raise Unreachable(403, f"{place[0]} leads to a cloud's metadata, which no sandbox may reach.")
        if not is_public(address) and not is_opened(address, place[1], self.private):
            raise Unreachable(
                403,
                f"{place[0]} leads to a private address, which no sandbox may reach "
                "unless the worker's owner opens it by network_allow_private.",
            )

    async def _connect_through(self, proxy: Place, place: Place) -> socket.socket:
        name = f"{place[0]}:{place[1]}"
        try:
            found = await self.resolve(*proxy)
            connection = await _open(ip_address(found[0]), proxy[1])
        except (OSError, TimeoutError, IndexError):
            raise Unreachable(502, "This worker's upstream_proxy can't be reached.") from None
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(CONNECT_SECONDS):
                request = f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n"
                await loop.sock_sendall(connection, request.encode("ascii"))
                answer = await _read_head(connection)
            if answer.split(b" ", 2)[1:2] != [b"200"]:
                raise Unreachable(502, f"This worker's upstream_proxy refuses {name}.")
        except (OSError, TimeoutError) as error:
            connection.close()
            raise Unreachable(502, f"This worker's upstream_proxy did not answer for {name}.") from error
        except BaseException:
            connection.close()
            raise
        return connection


async def _read_head(connection: socket.socket) -> bytes:
    """Byte by byte at the end, so that nothing of what follows is taken."""
    loop, head = asyncio.get_running_loop(), b""
    while not head.endswith(b"\r\n\r\n"):
        piece = await loop.sock_recv(connection, 1)
        if not piece or len(head) > ANSWER_BYTES:
            raise ConnectionResetError("The proxy's answer is none.")
        head += piece
    return head


async def _open(address: Address, port: int) -> socket.socket:
    """Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(CONNECT_SECONDS):
            await loop.sock_connect(connection, (str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


def read_proxy(url: str) -> Place:
    """``http://proxy.example.org:3128``, or an address in place of the name. Raises RequestError."""
    match = _PROXY.fullmatch(url)
    port = read_port(match["port"]) if match else None
    if match is None or port is None:
        raise RequestError("upstream_proxy is written as http://host:port, without an account.")
    return match["host"], port
