"""Real coordinators and workers as child processes, to be killed at will: for crash tests and soak."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import httpx

from pullyard.coordinator.auth.bootstrap import bootstrap
from pullyard.coordinator.auth.credentials import CredentialKind, issue
from pullyard.store.database import Database

PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.05
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# To read the authorities anew for each request takes longer than the request.
AUTHORITIES = httpx.create_ssl_context()
QUICK = {
    "PULLYARD_HEARTBEAT_SECONDS": "0.5",
    "PULLYARD_LEASE_SECONDS": "3",
    "PULLYARD_ACKNOWLEDGE_SECONDS": "1.5",
    "PULLYARD_CARETAKER_SECONDS": "0.2",
    "PULLYARD_SLOW_POLL_SECONDS": "0.5",
}
WORKER = {
    "PULLYARD_WORKER_MINIMUM_FREE_BYTES": "0",
    "PULLYARD_WORKER_SANDBOX": "unsafe-directory",
    # The process ends with its standard input, so that none outlives whoever started it.
    "PULLYARD_WORKER_EXIT_WITH_PARENT": "true",
}


def free_port() -> int:
    """Of this machine, for a process that opens it later.

    It is none of those that the system chooses from for others, so that it stays free meanwhile.
    """
    least, _ = map(int, EPHEMERAL.read_text().split())
    while True:
        port = random.randrange(min(10_000, least - 1), least)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def until(look: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Looks again and again. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if await look():
                return
            await asyncio.sleep(LOOK_SECONDS)


class Process(Protocol):
    """Of asyncio, or another one that leads a session of its own."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...


async def launch(words: Sequence[str], environment: Mapping[str, str], log: BinaryIO) -> Process:
    """Run the program; whatever it says goes to the log."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pullyard.cli", *words),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


@dataclass
class Child:
    """One process and what it said, in a file that grows over all its lives."""

    name: str
    log_path: Path
    process: Process

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def kill(self) -> None:
        """SIGKILL to it and to whatever it started."""
        if self.running:
            # It may have ended, and nobody have told us yet.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    @property
    def said(self) -> str:
        return self.log_path.read_text(errors="replace")[-4000:]


@dataclass
class Site:
    """One database, one port and one directory; ``settings`` are environment variables of the coordinator."""

    root: Path
    database_url: str
    port: int
    token: str
    enrolment: str
    settings: dict[str, str] = field(default_factory=dict)
    worker_settings: dict[str, str] = field(default_factory=dict)
    """The same of its workers."""
    children: list[Child] = field(default_factory=list)
    launch: Callable[[Sequence[str], Mapping[str, str], BinaryIO], Awaitable[Process]] = launch

    @classmethod
    async def open(cls, root: Path, database_url: str, **settings: str) -> "Site":
        """``database_url`` has the newest schema."""
        database = Database(database_url)
        try:
            async with database.transaction() as connection:
                owner, _ = await bootstrap(connection, 900)
                tokens = [
                    await issue(
                        connection,
                        kind,
                        tenant_id=owner.tenant_id,
                        member_id=owner.member_id,
                        seconds=86_400,
                        name="tests",
                    )
                    for kind in (CredentialKind.API, CredentialKind.ENROLMENT)
                ]
        finally:
            await database.close()
        api, enrolment = (one.secret for one in tokens)
        return cls(root, database_url, free_port(), api, enrolment, settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, name: str, words: list[str], environment: dict[str, str]) -> Child:
        log_path = self.root / f"{name}.log"
        with log_path.open("ab") as log:
            process = await self.launch(words, {**os.environ, **environment}, log)
        child = Child(name, log_path, process)
        self.children.append(child)
        return child

    async def start_coordinator(self, crash_at: str | None = None, name: str = "coordinator") -> Child:
        """Returns at once; ``until_ready`` waits."""
        environment = {
            **QUICK,
            "PULLYARD_PORT": str(self.port),
            "PULLYARD_DATABASE_URL": self.database_url,
            **self.settings,
            "PULLYARD_CRASH_AT": crash_at or "",
        }
        return await self.start(name, ["server", "--data", str(self.root / name)], environment)

    async def start_worker(
        self, crash_at: str | None = None, name: str = "worker", slots: int = 1, url: str | None = None
    ) -> Child:
        environment = {
            **WORKER,
            "PULLYARD_WORKER_COORDINATOR_URL": url or self.url,
            "PULLYARD_WORKER_ENROLMENT_TOKEN": self.enrolment,
            "PULLYARD_WORKER_NAME": name,
            "PULLYARD_WORKER_SLOTS": str(slots),
            **self.worker_settings,
            "PULLYARD_CRASH_AT": crash_at or "",
        }
        return await self.start(name, ["worker", "--data", str(self.root / name)], environment)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Again and again while the coordinator is away. A POST carries a key, so that it is done once."""
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            httpx.AsyncClient(base_url=self.url, timeout=10, verify=AUTHORITIES) as http,
        ):
            while True:
                try:
                    answer = await http.request(method, path, headers=headers, **options)
                except httpx.TransportError:
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                if answer.status_code not in (409, 503) or "idempotency-key" not in headers:
                    return answer
                await asyncio.sleep(LOOK_SECONDS)

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, key: str) -> Any:
        answer = await self.ask("POST", f"/api/v1{path}", json=body, headers={"idempotency-key": key})
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def until_ready(self) -> None:
        async def ready() -> bool:
            return (await self.ask("GET", "/readyz")).status_code == 200

        await until(ready)

    async def log(self, execution_id: str, stream: str) -> bytes:
        content = b""
        while True:
            path = f"/api/v1/executions/{execution_id}/logs/{stream}?offset={len(content)}"
            answer = await self.ask("GET", path)
            assert answer.status_code == 200, answer.text
            if not answer.content:
                return content
            content += answer.content

    async def close(self) -> None:
        for child in self.children:
            await child.kill()


def spoken(log: bytes) -> bytes:
    """A log without the lines that the worker itself added."""
    return b"".join(line for line in log.splitlines(keepends=True) if not line.startswith(b"[pullyard]"))
