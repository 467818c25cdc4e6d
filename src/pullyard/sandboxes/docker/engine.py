"""A container engine, Docker's or Podman's, over its socket: plain calls, and connections taken over.

The API is Docker's (https://docs.docker.com/reference/api/engine/), in the version that the engine speaks by
default; Podman answers the same calls.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pullyard.sandboxes.protocol import SandboxUnavailable

CALL_SECONDS = 60.0
LOOK_SECONDS = 0.5
HEAD_BYTES = 65536

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class EngineRefused(Exception):
    """The engine's answer: ``status`` is that of HTTP, and 0 where it could not be reached."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EngineLost(EngineRefused):
    """Nobody answered, or no more: it is stopped, or is just being restarted."""

    def __init__(self, socket: Path, problem: Exception) -> None:
        super().__init__(0, f"The engine at {socket} does not answer: {problem!r}.")


@dataclass
class Owed:
    """What an engine could not be told to remove because it was away: by name, or by id."""

    containers: set[str] = field(default_factory=set[str])
    volumes: set[str] = field(default_factory=set[str])
    builds: set[str] = field(default_factory=set[str])
    """Labels of all that builds have left which it did not end."""
    settling: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def any(self) -> bool:
        return bool(self.containers or self.volumes or self.builds)


class Engine:
    def __init__(self, socket: Path, patience_seconds: float = 0.0) -> None:
        """``patience_seconds``: how long one that is away is waited for before it is used."""
        self.socket = socket
        self.patience_seconds = patience_seconds
        self.lost = False
        """Whether it was found to be away since ``answers`` last said otherwise."""
        self.returns = 0
        """How often it was back after that."""
        self.on_lost: Callable[[], None] = unheard
        self.owed = Owed()
        self.client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)),
            base_url="http://engine",
            timeout=CALL_SECONDS,
        )

    async def call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, Any] | None = None
    ) -> Any:
        """The answer's JSON, or None. Raises EngineRefused, and EngineLost of its kinds."""
        wanted = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in (query or {}).items()
        }
        try:
            answer = await self.client.request(method, path, json=body, params=wanted)
        except httpx.HTTPError as lost:
            raise self.gone(lost) from lost
        if answer.is_error:
            raise EngineRefused(answer.status_code, said(answer.content))
        return json.loads(answer.content) if answer.content.startswith((b"{", b"[")) else None

    async def take_over(self, path: str, body: Any = None) -> Connection:
        """The connection itself, once the engine has agreed to it. Raises EngineRefused."""
        content = json.dumps(body or {}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        status, words = 0, b""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket), limit=HEAD_BYTES)
            try:
                writer.write(head.encode() + content)
                answer = await reader.readuntil(b"\r\n\r\n")
                status = int(answer.split(b" ", 2)[1])
                if status in (101, 200):
                    return reader, writer
                words = await reader.read(HEAD_BYTES)
            finally:
                if status not in (101, 200):
                    writer.close()
        except (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError) as lost:
            raise self.gone(lost) from lost
        raise EngineRefused(status, said(words))

    def gone(self, problem: Exception) -> EngineLost:
        if not self.lost:
            self.lost = True
            self.on_lost()
        return EngineLost(self.socket, problem)

    async def answers(self, seconds: float) -> None:
        """Return once it does. Raises EngineLost where it does not within that time, EngineRefused."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                await self.call("GET", "/_ping")
            except EngineLost:
                if asyncio.get_running_loop().time() >= until:
                    raise
            else:
                self.returns += self.lost
                self.lost = False
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        await self.client.aclose()


def unheard() -> None:
    """Nobody asked to be told."""


def said(content: bytes) -> str:
    try:
        return " ".join(str(json.loads(content)["message"]).split())[:500]
    except (ValueError, KeyError, TypeError):
        return " ".join(content.decode(errors="replace").split())[:500]


def usual_sockets() -> list[Path]:
    """Where engines listen, those of the worker's own account first."""
    own = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    mine = [own / "docker.sock", own / "podman/podman.sock"]
    machine = [Path("/var/run/docker.sock"), Path("/run/podman/podman.sock")]
    return [*machine, *mine] if os.geteuid() == 0 else [*mine, *machine]


def find_socket() -> Path:
    """By ``DOCKER_HOST``, else where engines usually listen. Raises SandboxUnavailable."""
    named = os.environ.get("DOCKER_HOST", "")
    if named:
        kind, _, place = named.partition("://")
        if kind != "unix":
            raise SandboxUnavailable(
                f"DOCKER_HOST is {named!r}, but containers get the worker's own directories: "
                "name an engine of this machine by its socket, such as unix:///var/run/docker.sock."
            )
        return usable(Path(place))
    for socket in usual_sockets():
        if socket.is_socket():
            return usable(socket)
    raise SandboxUnavailable(
        "No container engine was found: install one ('apt-get install docker.io' on Debian and Ubuntu, "
        "or podman with its socket), or set DOCKER_HOST to the engine's socket."
    )


def usable(socket: Path) -> Path:
    if not socket.is_socket():
        raise SandboxUnavailable(f"No container engine listens at {socket}: start it, or set DOCKER_HOST.")
    if not os.access(socket, os.R_OK | os.W_OK):
        raise SandboxUnavailable(
            f"This account may not use the engine at {socket}: run the worker as root, "
            "or give its account an engine of its own (rootless Podman)."
        )
    return socket
