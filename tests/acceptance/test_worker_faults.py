"""The worker killed, cut off and told to stop, in every phase: nothing lost, nothing doubled."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from pullyard.sandboxes.registry import SANDBOXES
from pullyard.worker.accounts import own_accounts
from pullyard.worker.settings import WorkerSettings
from tests.bad_runs import linger, processes
from tests.docker_engine import BASE_IMAGE, DockerEngine
from tests.leftovers import left_by
from tests.repositories import branches_of
from tests.sandbox_places import make_ready
from tests.system import HELD, System

PHASES = ["preparing", "implementing", "verifying", "publishing"]
STREAMS = {"preparing": "prepare", "implementing": "implement", "verifying": "verify"}


async def begin(system: System, phase: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A task that is in the middle of ``phase``, and its execution."""
    fields: dict[str, Any] = {"verify_commands": [["sh", "-c", HELD]] if phase == "verifying" else [["true"]]}
    if phase == "preparing":
        fields["setup_commands"] = [["sh", "-c", HELD]]
    wait = f"{HELD}; " if phase == "implementing" else ""
    repository = system.repository()
    if phase == "publishing":
        hook = repository / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        # It lasts until somebody has seen it, however busy the machine is.
        waits = f"until [ -e {system.root}/seen ]; do sleep 0.05; done"
        hook.write_text(f"#!/bin/sh\necho >{system.root}/reached\n{waits}\n")
        hook.chmod(0o755)
    project = await system.project(repository, **fields)
    task = await system.task(project, f"{wait}echo done > result.txt")
    return task, await system.until_execution(task, phase)


async def delivered_once(system: System, task: dict[str, Any]) -> dict[str, Any]:
    """The completed task; fails where it has another number of branches than one."""
    (system.root / "seen").touch()
    system.go_on()
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    branches = branches_of(system.root / "example.git")
    assert len(branches) == 2, branches
    return ended


@pytest.mark.parametrize("phase", PHASES)
async def test_a_killed_worker_is_started_again_and_delivers_once(system: System, phase: str) -> None:
    await system.start_worker()
    task, first = await begin(system, phase)
    if phase in STREAMS:
        await system.until_logged(first["id"], b"reached", STREAMS[phase])
    else:
        await system.until_there("reached")
    with closing(left_by(system.worker_data)) as left:
        assert left.processes
        await system.kill_worker()
        await start_anew(system)
        assert left.still_there() == []
    ended = await delivered_once(system, task)
    executions = await system.executions(ended)
    # Every step is taken up again but an agent's, which is tried anew; that does not count as a try.
    assert len(executions) == (2 if phase == "implementing" else 1)
    assert executions[0]["id"] == first["id"]
    assert ended["tries"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", SANDBOXES)
async def test_a_killed_worker_leaves_nothing_and_its_work_is_saved(
    system: System, sandbox: str, request: pytest.FixtureRequest
) -> None:
    make_ready(sandbox, system.root, request)
    settings = {"sandbox": sandbox, "docker_image": BASE_IMAGE, "images": json.dumps({"plain": BASE_IMAGE})}
    await system.start_worker(**settings)
    project = await system.project(system.repository(), verify_commands=[["true"]])
    stays = linger()
    task = await system.task(project, f"echo half > half.txt; setsid {stays} & echo reached; wait")
    first = await system.until_execution(task, "implementing")
    await system.until_logged(first["id"], b"reached")
    containers = containers_of(system, request) if sandbox == "docker" else set[str]()
    with closing(left_by(system.worker_data)) as left:
        assert processes(stays)
        await system.kill_worker()
        with accounts_taken(system):
            await start_anew(system, **settings)
        assert left.still_there() == []
        assert processes(stays) == []
    if sandbox == "docker":
        # The new worker may have others already, to save the work in.
        assert containers
        assert not containers & containers_of(system, request)
    await system.until_worker_said("execution ended")
    saved = {"salvage_ref": f"refs/pullyard/salvage/{first['id']}"}
    assert kept(system, saved, "half.txt") == "half\n"


def containers_of(system: System, request: pytest.FixtureRequest) -> set[str]:
    mark = (system.worker_data / "mark").read_text().split()[0]
    engine: DockerEngine = request.getfixturevalue("docker_engine")
    return {one["Id"] for one in engine.containers(f"pullyard.worker={mark}")}


@contextmanager
def accounts_taken(system: System) -> Iterator[None]:
    """Another worker of the machine has the accounts that this one had."""
    if os.geteuid() != 0:
        yield
        return
    first = int((system.worker_data / "accounts").read_text())
    (system.root / "other").mkdir()
    with own_accounts(WorkerSettings(data_directory=system.root / "other", first_uid=first)):
        yield


async def start_anew(system: System, **environment: str) -> None:
    """Until the new worker is about to take up work."""
    (system.root / "worker.log").unlink()
    await system.start_worker(**environment)
    await system.until_worker_said("connected")


@pytest.mark.parametrize("phase", PHASES)
async def test_a_coordinator_that_is_away_loses_nothing(system: System, phase: str) -> None:
    await system.start_worker()
    task, first = await begin(system, phase)
    system.proxy.cut_off()
    await system.worker_waits()
    system.proxy.mend()
    ended = await delivered_once(system, task)
    assert [execution["id"] for execution in await system.executions(ended)] == [first["id"]]
    if phase in STREAMS:
        assert (await system.log(first["id"], STREAMS[phase])).count(b"reached\n") == 1


async def test_a_drained_worker_finishes_what_runs(system: System) -> None:
    # However slow the machine is, what runs is not stopped.
    await system.start_worker(drain_seconds="200")
    task, _ = await begin(system, "implementing")
    system.worker.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        await system.proxy.until_sent(b'"draining":true', 1)
        await delivered_once(system, task)
        assert await system.worker.wait() == 0


async def test_salvaged_work_is_gone_on_with(system: System) -> None:
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["test", "-e", "second.txt"]])
    script = "if [ -e first.txt ]; then echo b > second.txt; else echo a > first.txt; fi"
    task = await system.ended(await system.task(project, script))
    assert (task["state"], task["reason"]) == ("failed", "verify_failed")
    answer = await system.coordinator.post(f"/tasks/{task['id']}/retry", {"resume": True}, status=200)
    ended = await system.ended(answer)
    assert ended["state"] == "completed", ended["message"]
    change = await system.change(ended)
    assert {file["path"] for file in change["diffstat"]["files"]} == {"first.txt", "second.txt"}


async def test_once_runs_one_execution_and_ends(system: System) -> None:
    worker = await system.start_worker("--once")
    project = await system.project(system.repository(), verify_commands=[["true"]], max_running=2)
    tasks = [await system.task(project, f"echo {number} > {number}.txt") for number in range(2)]
    async with asyncio.timeout(60):
        assert await worker.wait() == 0
    states = sorted([(await system.coordinator.get(f"/tasks/{task['id']}"))["state"] for task in tasks])
    assert states == ["completed", "queued"]


def kept(system: System, execution: dict[str, Any], path: str) -> str:
    """A file of the salvaged work, read from the worker's mirror."""
    (mirror,) = system.worker_data.glob("mirrors/*/repository.git")
    shown = subprocess.run(
        ["git", "-C", mirror, "show", f"{execution['salvage_ref']}:{path}"], capture_output=True, check=True
    )
    return shown.stdout.decode()
