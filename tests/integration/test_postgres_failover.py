"""Postgres dies under a coordinator, or another one takes its place: work goes on by itself and whole."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from pullyard.lifecycle.execution import Phase
from pullyard.store.account import choose_account
from pullyard.store.cluster import DATABASE, ROLE, programs_for, settings_for
from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.migrate import migrate
from pullyard.store.programs import within_reach
from pullyard.store.strays import end_strays
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.eventually import eventually
from tests.postgres import FAST, fast_directory, run_apart

# What is acknowledged has to outlive the process, and the machine need not.
DURABLE = {**FAST, "synchronous_commit": "on"}
RESUME_SECONDS = 60


@pytest.fixture
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="pullyard-fail-", dir=fast_directory()))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def kill(server: EmbeddedPostgres) -> None:
    """The server alone: what keeps it running sees it die, as after any other death."""
    number = int((server.cluster / "postmaster.pid").read_text().splitlines()[0])
    os.kill(number, signal.SIGKILL)


async def again(call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """As workers and good clients do it: once more after each 503, and for no other answer."""

    async def answered() -> httpx.Response | None:
        answer = await call()
        return None if answer.status_code == 503 else answer

    return await eventually(answered, seconds=RESUME_SECONDS)


async def check_that_work_goes_on(
    coordinator: RunningCoordinator, disturb: Callable[[], Awaitable[None]]
) -> None:
    """One execution and its log from before to after, one task that was made before, and one made then."""
    project = await coordinator.project(max_running=1)
    tasks = [await coordinator.task(project) for _ in range(2)]
    worker = await coordinator.worker(slots=1)
    grant = await worker.claim()
    assert (await worker.log(grant, b"before\n")).status_code == 200
    await disturb()
    wish = {"title": "Made afterwards"}
    made = await again(lambda: coordinator.http.post(f"/api/v1/projects/{project}/tasks", json=wish))
    assert made.status_code == 201, made.text
    tasks.append(made.json())
    done = [Phase.PREPARE, Phase.IMPLEMENT]
    appended = await again(lambda: worker.log(grant, b"after\n", offset=7))
    assert appended.json() == {"end": 13}, appended.text
    assert (await again(lambda: worker.finish(grant, phases=done))).status_code == 200
    for _ in tasks[1:]:
        grant = await worker.claim()
        assert (await worker.finish(grant, phases=done)).status_code == 200
    for task in tasks:
        ended = await coordinator.get(f"/tasks/{task['id']}")
        executions = (await coordinator.get(f"/tasks/{task['id']}/executions"))["items"]
        assert (ended["state"], len(executions)) == ("completed", 1)
    first = (await coordinator.get(f"/tasks/{tasks[0]['id']}"))["execution_id"]
    log = await coordinator.http.get(f"/api/v1/executions/{first}/logs/implement")
    assert log.content == b"before\nafter\n"

    async def ready() -> bool:
        return (await coordinator.http.get("/readyz")).status_code == 200

    await eventually(ready, seconds=RESUME_SECONDS)


async def test_executions_outlive_a_postgres_that_is_killed(place: Path) -> None:
    server = EmbeddedPostgres(place / "postgres", settings=DURABLE)
    url = await asyncio.to_thread(server.start)
    try:
        await asyncio.to_thread(run_apart, migrate(url))
        async with running_coordinator(url) as coordinator:

            async def disturb() -> None:
                kill(server)

            await check_that_work_goes_on(coordinator, disturb)
    finally:
        await asyncio.to_thread(server.stop)


@dataclass
class Pair:
    """A server and its standby; ``url`` names a link to the sockets of the one that counts."""

    primary: EmbeddedPostgres
    sockets: dict[str, Path]
    url: str

    def point_to(self, which: str) -> None:
        link = self.primary.directory.parent / "now"
        following = link.with_name("next")
        following.symlink_to(self.sockets[which])
        following.replace(link)

    async def promote(self) -> None:
        address = f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self.sockets['standby']), safe='')}"
        connection = await asyncpg.connect(address)
        assert await connection.fetchval("SELECT pg_promote()")
        await connection.close()


@pytest.fixture
async def pair(place: Path) -> AsyncIterator[Pair]:
    rules = place / "rules"
    rules.write_text("local all all trust\nlocal replication all trust\n")
    settings = {**DURABLE, "hba_file": str(rules)}
    primary = EmbeddedPostgres(place / "primary", settings=settings)
    url = await asyncio.to_thread(primary.start)
    process = await asyncio.to_thread(start_standby, place, primary, settings)
    try:
        await asyncio.to_thread(run_apart, migrate(url))
        await wait_for_both(url)
        sockets = {"primary": place / "primary" / "socket", "standby": place / "standby" / "socket"}
        through = f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(place / 'now'), safe='')}"
        servers = Pair(primary, sockets, through)
        servers.point_to("primary")
        yield servers
    finally:
        process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(process.wait)
        await asyncio.to_thread(primary.stop)


def start_standby(
    place: Path, primary: EmbeddedPostgres, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    account = choose_account()
    programs = within_reach(programs_for(primary.cluster, account), account, primary.directory)
    directory = place / "standby"
    sockets = directory / "socket"
    sockets.mkdir(parents=True)
    account.own(directory)
    account.own(sockets)
    address = f"host={primary.directory / 'socket'} user={ROLE} application_name=standby"
    copy = [programs.path("pg_basebackup"), "-D", directory / "cluster", "-d", address]
    copied = account.run([*copy, "-R", "-X", "stream", "-c", "fast"])
    assert copied.returncode == 0, copied.stdout
    chosen = settings_for(programs.major) | settings | {"unix_socket_directories": str(sockets)}
    words: list[str | Path] = [programs.path("postgres"), "-D", directory / "cluster"]
    for name, value in chosen.items():
        words += ["-c", f"{name}={value}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(words, start_new_session=True, **quiet, **account.process_options())


async def wait_for_both(url: str) -> None:
    """From here on the primary acknowledges nothing that its standby does not have."""
    connection = await asyncpg.connect(url)
    followed = "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'"
    await eventually(lambda: connection.fetchval(followed))
    await connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def test_executions_outlive_the_move_to_a_standby(pair: Pair) -> None:
    async with running_coordinator(pair.url) as coordinator:

        async def disturb() -> None:
            """The name leads to the standby before that is allowed to write."""
            supervisor = pair.primary.supervisor
            assert supervisor is not None
            os.killpg(supervisor.pid, signal.SIGKILL)
            await asyncio.to_thread(end_strays, pair.primary.cluster)
            pair.point_to("standby")
            await refused(coordinator)
            await pair.promote()

        await check_that_work_goes_on(coordinator, disturb)


async def refused(coordinator: RunningCoordinator) -> None:
    """Reads work again, and what would write is told to come back."""

    async def can_read() -> bool:
        return (await coordinator.http.get("/api/v1/projects")).status_code == 200

    await eventually(can_read, seconds=RESUME_SECONDS)
    answer = await coordinator.http.post("/api/v1/projects", json={"name": "x", "repository": "/srv/x.git"})
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
