"""Clocks of coordinator and worker are off by a day, and jump by two: only the database's time counts."""

import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from simulation.processes import Child, Site, until

from tests.repositories import branches_of, make_bare_clone, make_repository

LIBRARIES = [
    *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
    *Path("/usr/lib/faketime").glob("libfaketimeMT.so.1"),
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed: apt-get install faketime"),
]
LEASE_SECONDS = 5.0
# By the clock of the database, which nobody has changed.
LATE = """
SELECT e.finished_at - w.lease_expires_at FROM task_executions e JOIN workers w ON w.id = e.worker_id
WHERE e.task_id = $1 AND e.state = 'lost'
"""


class Clock:
    """The wall clock of one process; a jump reaches it while it runs. Intervals stay as long as they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        following = self._path.with_suffix(".next")
        following.write_text(f"{offset}\n")
        following.chmod(0o644)
        following.replace(self._path)


@pytest.fixture
def clocks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clock]:
    place = tmp_path_factory.mktemp("clocks")
    return {name: Clock(place / name) for name in ("coordinator", "worker")}


@pytest.fixture
async def site(database_url: str, clocks: dict[str, Clock]) -> AsyncIterator[Site]:
    with tempfile.TemporaryDirectory(prefix="pullyard-clocks-", dir="/tmp") as place:
        root = Path(place)
        # The agent's account has to pass through.
        root.chmod(0o755)
        (root / "tries").mkdir()
        (root / "tries").chmod(0o777)
        settings = {"PULLYARD_LEASE_SECONDS": str(LEASE_SECONDS), **clocks["coordinator"].environment}
        opened = await Site.open(root, database_url, **settings)
        try:
            yield opened
        finally:
            await opened.close()


async def start_worker(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Child:
    with monkeypatch.context() as patch:
        for name, value in clock.environment.items():
            patch.setenv(name, value)
        return await site.start_worker()


async def begin(site: Site, project: dict[str, Any], name: str, script: str) -> dict[str, Any]:
    """A task whose agent has told, by a file of that name, that it runs."""
    told = site.root / "tries" / name
    command = {"command": f"touch {told}; {script}; echo {name} > {name}.txt"}
    wish = {"title": name, "agent": {"name": "command", "settings": command}}
    task = await site.post(f"/projects/{project['id']}/tasks", wish, name)

    async def runs() -> bool:
        return told.exists()

    await until(runs)
    return task


async def until_state(site: Site, task: dict[str, Any], state: str) -> list[dict[str, Any]]:
    """The task's executions then."""

    async def there() -> bool:
        now = await site.get(f"/tasks/{task['id']}")
        assert now["state"] not in {"failed", "cancelled", "completed"} - {state}, now["message"]
        return now["state"] == state

    await until(there)
    return (await site.get(f"/tasks/{task['id']}/executions"))["items"]


async def test_leases_are_right_whatever_the_clocks_say(
    site: Site, clocks: dict[str, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks["coordinator"].set("+24h")
    clocks["worker"].set("-24h")
    repository = make_bare_clone(
        make_repository(site.root / "work", {"README.md": "hello\n"}), site.root / "example.git"
    )
    await site.start_coordinator()
    worker = await start_worker(site, clocks["worker"], monkeypatch)
    retry = {"max_tries": 2, "backoff_seconds": 0.1}
    wish = {"name": "clocks", "repository": str(repository), "retry": retry, "verify_commands": [["true"]]}
    project = await site.post("/projects", wish, "project")

    # Longer than a lease, and while it runs both clocks jump by two days.
    outlasts = await begin(site, project, "outlasts", f"sleep {LEASE_SECONDS + 1}")
    clocks["coordinator"].set("-24h")
    clocks["worker"].set("+24h")
    assert len(await until_state(site, outlasts, "completed")) == 1

    # A worker that is dead loses its work after its lease, and no sooner and not a day later.
    once = site.root / "tries" / "once"
    abandoned = await begin(site, project, "abandoned", f"[ -e {once} ] || {{ touch {once}; sleep 60; }}")
    await worker.kill()

    async def lost() -> bool:
        found = (await site.get(f"/tasks/{abandoned['id']}/executions"))["items"]
        return any(one["state"] == "lost" for one in found)

    await until(lost)
    connection = await asyncpg.connect(site.database_url)
    late = await connection.fetchval(LATE, abandoned["id"])
    await connection.close()
    assert timedelta() <= late < timedelta(hours=1)
    await start_worker(site, clocks["worker"], monkeypatch)
    assert len(await until_state(site, abandoned, "completed")) == 2
    assert len(branches_of(repository)) == 3
