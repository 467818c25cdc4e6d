"""Where a repository's host leads to: looked at before git connects, and git is held to what was looked at.

Whoever names repositories may be far away, and the network around a worker is none of their business. A name
is resolved once, here, and every address is judged; git and ssh are told the address with the name, so that
a second answer of DNS is not asked for. Behind a proxy, names that only the proxy knows are left to it.
"""

import asyncio
import os
import shlex
import socket
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from pullyard.git.addresses import Address, Transport
from pullyard.git.errors import RepositoryUnreachable
from pullyard.protocol.errors import RequestError
from pullyard.protocol.public_addresses import METADATA, PrivatePlace, is_opened, is_public
from pullyard.protocol.public_addresses import Address as InternetAddress

LOOK_UP_SECONDS = 10.0
SETTING = "git_allow_private"
_USUAL_PORTS = {Transport.HTTP: 80, Transport.HTTPS: 443, Transport.SSH: 22}
_CODE = "private-repository"
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    # Those that this machine has a way to come first, and ssh is told the first one alone.
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class Reach:
    """What the worker's owner lets repositories be reached at, besides the internet's public addresses."""

    private: Sequence[PrivatePlace] = ()
    named: frozenset[str] = frozenset()
    """Hosts that the owner named, with a port where one is given: these may be anywhere but at metadata."""
    resolve: Resolve = resolve_by_system


@dataclass(frozen=True)
class Way:
    """How git is held to the addresses that were judged."""

    config: Mapping[str, str] = field(default_factory=dict[str, str])
    ssh_options: Sequence[str] = ()


@dataclass(frozen=True)
class _End:
    """What is connected to; ssh's own configuration may say something else than the address does."""

    host: str
    port: int
    proxied: bool
    key_name: str | None = None
    """What ssh looks the host's key up by, where it is told that."""


async def find_way(address: Address, reach: Reach, ssh_command: str) -> Way:
    """Raises RequestError where the owner does not allow it, RepositoryUnreachable where nothing is found."""
    if address.transport is Transport.FILE:
        return Way()
    if address.transport is Transport.SSH:
        end = await _ask_ssh(address, ssh_command)
    else:
        end = _web_end(address, proxied=any(os.environ.get(name) for name in _PROXIES))
    found = await _judged(address, end, reach)
    if not found:
        return Way()
    if address.transport is Transport.SSH:
        return Way(ssh_options=_ssh_options(end, found[0]))
    listed = ",".join(f"[{one}]" if one.version == 6 else str(one) for one in found)
    return Way(config={"http.curloptResolve": f"{end.host}:{end.port}:{listed}"})


async def find_addresses(address: Address, reach: Reach, *, proxied: bool) -> list[str]:
    """Where an HTTP(S) address leads, judged as for git; empty where it is the proxy's to know.

    Raises as ``find_way`` does.
    """
    return [str(one) for one in await _judged(address, _web_end(address, proxied=proxied), reach)]


def _web_end(address: Address, *, proxied: bool) -> _End:
    return _End(address.hostname, address.port or _USUAL_PORTS[address.transport], proxied)


async def _judged(address: Address, end: _End, reach: Reach) -> list[InternetAddress]:
    found = await _look_up(address, end, reach.resolve)
    for one in found:
        _judge(address, end.port, one, reach)
    return found


async def _look_up(address: Address, end: _End, resolve: Resolve) -> list[InternetAddress]:
    """Empty where it is the proxy's to know."""
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            texts = await resolve(end.host, end.port)
        found = [ip_address(text) for text in dict.fromkeys(texts)]
    except (OSError, UnicodeError, ValueError, TimeoutError):
        found = []
    if not found and not end.proxied:
        raise RepositoryUnreachable(
            f"{address.url} can't be reached (its host's name can't be resolved): check the network and try "
            "again.",
            retryable=True,
        )
    return found


def _judge(address: Address, port: int, found: InternetAddress, reach: Reach) -> None:
    if found in METADATA:
        raise RequestError(f"{address.url} leads to a cloud's metadata: no repository is there.", code=_CODE)
    named = address.host in reach.named
    if not (named or is_public(found) or is_opened(found, port, reach.private)):
        # The address itself is the worker's to know.
        raise RequestError(
            f"{address.url} leads to a private address, where this worker takes no repository unless its "
            f"owner allows that by {SETTING}, or gives a credential for the host.",
            code=_CODE,
        )


async def _ask_ssh(address: Address, ssh_command: str) -> _End:
    """What ssh would connect to, by its own configuration."""
    port = ["-p", str(address.port)] if address.port else []
    words = [*shlex.split(ssh_command), *port, "-G", "--", address.hostname]
    said = b""
    # Where there is no ssh, git will say so.
    with suppress(FileNotFoundError):
        process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
        said, _ = await process.communicate()
    lines = [line.partition(" ") for line in said.decode("utf-8", "replace").splitlines()]
    told = {name: value.strip() for name, _, value in lines}
    return _End(
        host=told.get("hostname", address.hostname),
        port=int(told.get("port", address.port or _USUAL_PORTS[Transport.SSH])),
        proxied=not {told.get("proxyjump", "none"), told.get("proxycommand", "none")} <= {"none"},
        key_name=told.get("hostkeyalias"),
    )


def _ssh_options(end: _End, found: InternetAddress) -> list[str]:
    host = end.host.lower()
    known_by = host if end.port == _USUAL_PORTS[Transport.SSH] else f"[{host}]:{end.port}"
    return [f"HostName={found}", f"HostKeyAlias={end.key_name or known_by}"]
