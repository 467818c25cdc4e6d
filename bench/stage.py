"""What rows share: a place on the disk, one durable Postgres, coordinators as processes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path

import asyncpg
import httpx

from bench.certificate import make_certificate
from bench.idle import family
from bench.installation import BenchFailed, scratch
from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.urls import for_libpq, for_sqlalchemy

LABEL = "bench-wire"
STOP_SECONDS = 30
POSTGRES = {"max_connections": "300", "log_line_prefix": "%d "}
DURABLE = "Postgres with fsync and synchronous_commit on"


@dataclass
class Coordinator:
    """A ``pullyard server`` of its own, over a fresh database."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    """An API token of the owner."""
    session: dict[str, str]
    """The owner's cookies, for a browser."""
    database_url: str

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def database_name(self) -> str:
        return for_sqlalchemy(self.database_url).database or ""

    def client(self) -> httpx.Client:
        """Carries the token; for setting things up, not for measuring."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, verify=False, timeout=60)

    def post(self, path: str, body: object) -> dict[str, str]:
        with self.client() as client:
            return client.post("/api/v1" + path, json=body).raise_for_status().json()

    def add_project(self, name: str, **fields: object) -> str:
        """Only workers with the label ``LABEL`` get its tasks."""
        body = {"name": name, "repository": "/srv/none.git", "labels": [LABEL], **fields}
        return self.post("/projects", body)["id"]

    def enrolment_token(self) -> str:
        return self.post("/tokens", {"name": "bench", "kind": "enrolment", "seconds": 3600})["secret"]


@dataclass(eq=False)
class Stage:
    place: Path
    """On the disk; removed at the end."""
    slow: bool
    closing: ExitStack
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @cached_property
    def postgres(self) -> str:
        """The address of one server for all rows and all peers, as durable as the product's own."""
        server = EmbeddedPostgres(self.place / "postgres", settings=POSTGRES)
        url = server.start()
        self.closing.callback(server.stop)
        return url

    @property
    def postgres_processes(self) -> list[int]:
        """Of the server and of everything that it has started and that still runs."""
        (lines,) = self.place.glob("postgres/**/postmaster.pid")
        return family(int(lines.read_text().split()[0]))

    @property
    def postgres_log(self) -> Path:
        """Each line begins with the name of a database."""
        return self.place / "postgres" / "server.log"

    def database(self, *, logged: bool = False) -> str:
        """The address of a new empty database; ``logged`` writes its statements into Postgres' log."""
        name = f"bench_{next(self._numbers)}"
        asyncio.run(execute(self.postgres, f"CREATE DATABASE {name}"))
        if logged:
            asyncio.run(execute(self.postgres, f"ALTER DATABASE {name} SET log_min_duration_statement = 0"))
        address = for_sqlalchemy(self.postgres).set(database=name)
        return for_libpq(address.render_as_string(hide_password=False))

    @cached_property
    def certificate(self) -> tuple[Path, Path]:
        """Of 127.0.0.1, signed by itself: the file of the certificate and the file of its key."""
        return make_certificate(self.place)

    @contextmanager
    def coordinator(
        self, *, tls: bool = False, logged: bool = False, **settings: object
    ) -> Iterator[Coordinator]:
        """One process; ``settings`` are of ``PULLYARD_`` variables in lower case without the prefix."""
        if tls:
            certificate, key = self.certificate
            settings |= {"tls_certificate": certificate, "tls_key": key}
        database_url = self.database(logged=logged)
        number = next(self._numbers)
        environment = os.environ | {"PULLYARD_DATABASE_URL": database_url, "PULLYARD_LOG_LEVEL": "warning"}
        environment |= {f"PULLYARD_{name.upper()}": str(value) for name, value in settings.items()}
        data = self.place / f"coordinator-{number}"
        words = [sys.executable, "-m", "pullyard.cli", "server", "--json", "--port", "0", "--data", str(data)]
        with (self.place / f"coordinator-{number}.log").open("wb") as log:
            process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise BenchFailed(Path(log.name).read_text()[-2000:])
            said = json.loads(line)
            token, session = log_in(said["login_url"])
            yield Coordinator(process, said["url"], token, session, database_url)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


@contextmanager
def stage(*, slow: bool) -> Iterator[Stage]:
    with scratch() as place, ExitStack() as closing:
        yield Stage(place, slow, closing)


def log_in(login_url: str) -> tuple[str, dict[str, str]]:
    """Exchanges the one-time link of a first start for an API token and the cookies of a session."""
    base, _, link = login_url.partition("/login?token=")
    with httpx.Client(base_url=base, headers={"origin": base}, verify=False, timeout=30) as client:
        client.post("/api/v1/session", json={"link_token": link}).raise_for_status()
        answer = client.post("/api/v1/tokens", json={"name": "bench", "kind": "api"})
        return answer.raise_for_status().json()["secret"], dict(client.cookies)


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
