"""``kill -9`` at every named place of coordinator and worker: all comes right by itself, once.

The places are read from the source, so that a new one is tried without anybody thinking of it.
"""

import asyncio
import hashlib
import re
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from simulation.processes import PATIENCE_SECONDS, Child, Site, spoken, until

from tests.repositories import branches_of, make_bare_clone, make_repository
from tests.warm import Warm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SOURCE = Path(__file__).parents[2] / "src" / "pullyard"
CALL = re.compile(r'\breached\("([a-z-]+)"\)')
# What is passed several times in an execution is tried at some of them: first, in the middle and late.
TIMES = {
    "journal-saved": (1, 3, 5),
    "journal-before-rename": (2, 4),
    "phase-answered": (1, 3),
    "phase-after-commit": (1, 4),
    # The first one is of the project, the second one of the task.
    "request-before-commit": (2,),
    "request-after-commit": (2,),
}
SAID = b"".join(b"%d\n" % number for number in range(1, 401))
HALF = b"399\n"
WORK = "seq 1 400; echo done > result.txt"
WORK_IN_TWO_CHUNKS = "seq 1 399; until [ -e {go} ]; do sleep 0.05; done; echo 400; echo done > result.txt"
AGE = (
    "UPDATE log_streams SET settled_at = now() - interval '100 days' "
    "WHERE place = 'archived' AND stream = 'verify'"
)
ELSEWHERE = {
    *("spending-before-commit", "spending-after-commit", "quota-closed", "pushed", "change-opened"),
    *("program-renamed", "update-before-commit", "update-after-commit"),
}
"""What no plain task comes by: tests/crash/test_money_and_changes.py."""
IN_OBJECTS = ("log-object", "log-archive", "log-expired")


def points() -> list[tuple[str, str]]:
    """Name and number of the place, and which process passes it."""
    found: dict[str, str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        process = "coordinator" if "coordinator" in path.parts else "worker"
        for name in CALL.findall(path.read_text(encoding="utf-8")):
            found[name] = process
    assert found.keys() >= ELSEWHERE
    plain = {name: who for name, who in found.items() if name not in ELSEWHERE}
    return [(f"{name}:{time}", who) for name, who in plain.items() for time in TIMES.get(name, (1,))]


@pytest.fixture
async def site(database_url: str, warm: Warm, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    point: str = request.getfixturevalue("point")
    settings = {"PULLYARD_ARCHIVE_AFTER_SECONDS": "0", "PULLYARD_ARCHIVE_SECONDS": "0.2"}
    with tempfile.TemporaryDirectory(prefix="pullyard-crash-", dir="/tmp") as place:
        root = Path(place)
        # The agent's account has to pass through.
        root.chmod(0o755)
        (root / "tries").mkdir()
        (root / "tries").chmod(0o777)
        if point.startswith(IN_OBJECTS):
            settings["PULLYARD_ARCHIVE_URL"] = f"file://{root}/archive"
        opened = await Site.open(root, database_url, **settings)
        opened.launch = warm.launch
        try:
            yield opened
        finally:
            await opened.close()


@pytest.mark.parametrize(("point", "process"), points())
async def test_a_kill_at_this_place_loses_and_doubles_nothing(site: Site, point: str, process: str) -> None:
    repository = make_bare_clone(
        make_repository(site.root / "work", {"README.md": "hello\n"}), site.root / "example.git"
    )
    coordinator = await site.start_coordinator(point if process == "coordinator" else None)
    worker = await site.start_worker(point if process == "worker" else None)
    watching = asyncio.create_task(
        start_again(site, coordinator if process == "coordinator" else worker, process)
    )
    try:
        project = await site.post("/projects", project_at(repository), "project")
        task = await site.post(f"/projects/{project['id']}/tasks", task_for(site, point), "task")
        await go_through(site, point, task, worker)
        ended = await until_state(site, task["id"], "completed")
        await check_delivery(site, repository, ended)
        await bring_about(site, point, ended)
        # The place was passed: a name that no execution comes by would be no test.
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await watching == -signal.SIGKILL
        await check_delivery(site, repository, await site.get(f"/tasks/{task['id']}"))
    except TimeoutError:
        pytest.fail("\n".join(f"{child.name}:\n{child.said}" for child in site.children))
    finally:
        watching.cancel()


async def start_again(site: Site, child: Child, process: str) -> int:
    exit_code = await child.process.wait()
    await (site.start_coordinator() if process == "coordinator" else site.start_worker())
    return exit_code


def project_at(repository: Path) -> dict[str, Any]:
    retry = {"max_tries": 2, "backoff_seconds": 0.1}
    return {"name": "crash", "repository": str(repository), "retry": retry, "verify_commands": [["true"]]}


def task_for(site: Site, point: str) -> dict[str, Any]:
    """An agent whose every line is known. Where a second try is wanted the first one fails."""
    script, once = WORK, site.root / "tries" / "once"
    if point.startswith("due-"):
        script = f"[ -e {once} ] || {{ touch {once}; exit 3; }}; {WORK}"
    if point.startswith("lose-"):
        script = f"[ -e {once} ] || {{ touch {once}; sleep 60; }}; {WORK}"
    if point.startswith("log-block-compacted"):
        script = WORK_IN_TWO_CHUNKS.format(go=site.root / "tries" / "go")
    return {"title": "Mend it", "agent": {"name": "command", "settings": {"command": script}}}


async def go_through(site: Site, point: str, task: dict[str, Any], worker: Child) -> None:
    """What the way to this place needs besides the plain one."""
    if point.startswith("lose-"):

        async def tried() -> bool:
            return (site.root / "tries" / "once").exists()

        await until(tried)
        await worker.kill()
        await until_execution(site, task["id"], "lost")
        await site.start_worker()
    if point.startswith("log-block-compacted"):

        async def first_chunk_stored() -> bool:
            executions = (await site.get(f"/tasks/{task['id']}/executions"))["items"]
            return bool(executions) and HALF in await site.log(executions[0]["id"], "implement")

        await until(first_chunk_stored)
        (site.root / "tries" / "go").touch()


async def bring_about(site: Site, point: str, task: dict[str, Any]) -> None:
    if not point.startswith("log-object-removed"):
        return
    connection = await asyncpg.connect(site.database_url)
    try:

        async def aged() -> bool:
            return await connection.execute(AGE) != "UPDATE 0"

        await until(aged)
    finally:
        await connection.close()
    del task


async def until_state(site: Site, task_id: str, state: str) -> dict[str, Any]:
    async def there() -> bool:
        task = await site.get(f"/tasks/{task_id}")
        assert task["state"] not in ("failed", "cancelled"), task["message"]
        return task["state"] == state

    await until(there)
    return await site.get(f"/tasks/{task_id}")


async def until_execution(site: Site, task_id: str, state: str) -> None:
    async def there() -> bool:
        executions = (await site.get(f"/tasks/{task_id}/executions"))["items"]
        return any(one["state"] == state for one in executions)

    await until(there)


async def check_delivery(site: Site, repository: Path, task: dict[str, Any]) -> None:
    """One task, one branch, one change, and every byte of the log: at the forge and in the store."""
    assert [one["id"] for one in (await site.get("/tasks"))["items"]] == [task["id"]]
    changes = (await site.get("/changes"))["items"]
    branches = branches_of(repository)
    branches.pop("main")
    assert branches == {change["branch"]: change["commit"] for change in changes}
    assert len(changes) == 1
    for execution in (await site.get(f"/tasks/{task['id']}/executions"))["items"]:
        said = spoken(await site.log(execution["id"], "implement"))
        if execution["id"] == task["execution_id"]:
            assert hashlib.sha256(said).digest() == hashlib.sha256(SAID).digest(), (len(said), len(SAID))
        else:
            assert SAID.startswith(said)
