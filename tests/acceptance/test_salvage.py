"""However an execution ends, its files are kept, and the next one goes on with them."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pullyard.files.locks import take
from pullyard.worker.saved_here import find_kept
from tests.coordinator import running_coordinator
from tests.fault_proxy import FaultProxy
from tests.repositories import commit_files, git_in
from tests.system import HELD, System
from tests.warm import Warm

HALF = (
    "if [ -e half.txt ]; then echo whole > whole.txt; exit 0; fi; "
    "echo half > half.txt; echo reached; sleep 1000"
)
RESUMING = {"resume": True}
MEBIBYTE = 1 << 20


async def cli(system: System, *words: str) -> Any:
    """The document that a command ends with; it is the same machine's and the coordinator's."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pullyard.cli", *words, "--json", "--data", str(system.root)),
        env=os.environ | {"PULLYARD_URL": system.coordinator.url, "PULLYARD_TOKEN": system.coordinator.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return json.loads(said.splitlines()[-1])


async def at_work(
    system: System, repository: Path | None = None, **fields: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A task whose agent has written half of it, and the execution."""
    place = repository or system.repository()
    project = await system.project(place, verify_commands=[["true"]], **fields)
    task = await system.task(project, HALF)
    execution = await system.until_execution(task, "implementing")
    await system.until_logged(execution["id"], b"reached")
    return task, execution


async def resume(system: System, task: dict[str, Any]) -> None:
    await system.coordinator.post(f"/tasks/{task['id']}/retry", {"resume": True}, status=200)


def push(system: System, files: dict[str, str]) -> None:
    work = system.root / "example-work"
    commit_files(work, files)
    git_in(work, "push", "-q", str(system.root / "example.git"), "main")


async def goes_on(system: System, task: dict[str, Any], execution: dict[str, Any]) -> dict[str, Any]:
    """To the end of the task; its change, which has the files of ``execution`` and nothing else."""
    ended = await system.ended(task)
    assert ended["state"] == "completed", ended["message"]
    assert (await system.executions(ended))[-1]["resumed_from"] == execution["id"]
    change = await system.change(ended)
    assert {file["path"] for file in change["diffstat"]["files"]} == {"half.txt", "whole.txt"}
    return change


async def is_kept(system: System, execution: dict[str, Any], state: str, reason: str) -> None:
    """Under its reference, in the coordinator's list and in the machine's."""
    told = await system.coordinator.get(f"/executions/{execution['id']}")
    assert (told["state"], told["reason"]) == (state, reason)
    assert told["salvage_ref"] == f"refs/pullyard/salvage/{execution['id']}"
    (mirror,) = system.worker_data.glob("mirrors/*/repository.git")
    assert git_in(mirror, "show", f"{told['salvage_ref']}:half.txt") == "half"
    listed = await system.coordinator.get("/executions?salvaged=true")
    assert execution["id"] in [one["id"] for one in listed["items"]]


async def test_work_that_was_cancelled_and_work_that_ran_out_of_time(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    late, timed_out = await at_work(system, repository, limits={"implement_seconds": 6})
    task, execution = await at_work(system, repository)
    await system.coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    await system.until_execution(task, "cancelled")
    await is_kept(system, execution, "cancelled", "cancelled")
    assert (await system.ended(late))["reason"] == "agent_timed_out"
    await is_kept(system, timed_out, "timed_out", "agent_timed_out")
    push(system, {"other.txt": "theirs\n"})
    await resume(system, late)
    listed = (await cli(system, "salvage", "list"))[0]
    assert listed["facts"]["salvage"] == {"files": 1, "additions": 1, "deletions": 0, "pushed": False}
    shown = await cli(system, "salvage", "show", execution["id"])
    assert "+half" in shown["repositories"][0]["diff"]
    here = {one["execution_id"]: one for one in await cli(system, "worker", "salvage", "list")}
    assert {one["state"] for one in here.values()} == {"saved"}
    assert here[execution["id"]]["reason"] == "cancelled"
    (opened,) = await cli(system, "worker", "salvage", "show", execution["id"])
    assert "+half" in opened["diff"]
    patches = system.root / "patches"
    (patch,) = (await cli(system, "worker", "salvage", "export", execution["id"], str(patches)))["written"]
    clone = system.root / "clone"
    git_in(system.root, "clone", "-q", str(system.root / "example.git"), str(clone))
    git_in(clone, "am", "-q", patch)
    assert (clone / "half.txt").read_text() == "half\n"

    # What came to the base meanwhile stays, and where both touch one file the work goes on from its own base.
    change = await goes_on(system, late, timed_out)
    assert git_in(repository, "show", f"{change['branch']}:other.txt") == "theirs"
    push(system, {"half.txt": "theirs\n"})
    await cli(system, "task", "retry", task["id"], "--resume")
    change = await goes_on(system, task, execution)
    assert git_in(repository, "show", f"{change['branch']}:half.txt") == "half"
    await cli(system, "worker", "salvage", "drop", execution["id"], "--yes")
    assert [one.work.execution_id for one in find_kept(system.worker_data)] == [timed_out["id"]]


async def test_work_that_was_dropped_on_its_worker(system: System) -> None:
    await system.start_worker()
    task, execution = await at_work(system)
    await system.coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    await system.until_execution(task, "cancelled")
    await system.stop_worker()
    await cli(system, "worker", "salvage", "drop", execution["id"], "--yes")
    await system.start_worker()
    async with asyncio.timeout(60):
        cursor = 0
        while "dropped" not in (await cli(system, "salvage", "list"))[0]["facts"]["salvage"]:
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])
    refused = await system.coordinator.post(f"/tasks/{task['id']}/retry", {"resume": True}, status=409)
    assert "was dropped on the worker that had saved it" in refused["detail"]
    gone = await system.coordinator.http.get(f"/api/v1/executions/{execution['id']}/salvage")
    assert (gone.status_code, gone.json()["code"]) == (410, "salvage-dropped")
    await system.coordinator.post(f"/tasks/{task['id']}/retry", status=200)
    assert list(system.worker_data.glob("dropped/*")) == []


async def test_work_of_a_killed_worker(system: System) -> None:
    await system.start_worker()
    task, execution = await at_work(system, retry=RESUMING)
    await system.kill_worker()
    await system.start_worker()
    change = await goes_on(system, task, execution)
    assert git_in(system.root / "example.git", "show", f"{change['branch']}:half.txt") == "half"
    assert [one["state"] for one in await system.executions(task)] == ["failed", "succeeded"]
    await is_kept(system, execution, "failed", "interrupted")


async def test_work_of_a_drained_worker(system: System) -> None:
    await system.start_worker(drain_seconds="0")
    task, execution = await at_work(system, retry=RESUMING, text_policy={"diff": False})
    assert await system.stop_worker() == 0
    (told,) = (await system.coordinator.get(f"/executions/{execution['id']}/salvage"))["repositories"]
    assert (told["files_in_all"], "diff" in told) == (1, False)
    await is_kept(system, execution, "failed", "interrupted")
    assert (await system.until(task["id"], "queued"))["tries"] == 0
    await system.start_worker()
    await goes_on(system, task, execution)


async def test_pushed_work_is_gone_on_with_by_any_worker(system: System) -> None:
    await system.start_worker()
    task, execution = await at_work(system, isolation={"salvage": {"push": True}})
    await system.coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    told = await system.until_execution(task, "cancelled")
    assert told["facts"]["salvage"]["pushed"]
    assert git_in(system.root / "example.git", "show", f"{told['salvage_ref']}:half.txt") == "half"
    await system.stop_worker()
    for name in ("mirrors", "checkouts", "executions"):
        shutil.rmtree(system.worker_data / name)
    await system.start_worker()
    await resume(system, task)
    await goes_on(system, task, execution)


@pytest.fixture
async def brief_leases(
    database_url: str, warm: Warm, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    async with (
        running_coordinator(database_url, lease_seconds=4.0, heartbeat_seconds=0.5) as coordinator,
        FaultProxy(coordinator.url) as proxy,
    ):
        system = System(coordinator, proxy, tmp_path_factory.mktemp("salvage"), warm)
        yield system
        await system.kill_worker()


async def test_work_of_a_lost_lease(brief_leases: System) -> None:
    system = brief_leases
    await system.start_worker(slots="1")
    task, execution = await at_work(system, retry=RESUMING)
    system.proxy.cut_off()
    await system.until_execution(task, "lost")
    system.proxy.mend()
    change = await goes_on(system, task, execution)
    assert git_in(system.root / "example.git", "show", f"{change['branch']}:half.txt") == "half"
    assert [one["state"] for one in await system.executions(task)] == ["lost", "succeeded"]
    await is_kept(system, execution, "lost", "lease_expired")


@pytest.fixture
def small_disk(system: System) -> Iterator[Path]:
    """The worker's data directory on a file system of its own."""
    system.worker_data.mkdir(mode=0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", system.worker_data], check=True)
    yield system.worker_data
    subprocess.run(["umount", "--lazy", system.worker_data], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
async def test_work_that_did_not_fit_on_the_disk(system: System, small_disk: Path) -> None:
    await system.start_worker(minimum_free_bytes=str(20 * MEBIBYTE))
    project = await system.project(system.repository(), verify_commands=[["true"]])
    filling = HALF.replace("sleep 1000", "dd if=/dev/urandom of=big bs=1M count=200")
    task = await system.ended(await system.task(project, filling))
    assert task["reason"] == "disk_full", task["message"]
    (execution,) = await system.executions(task)
    assert execution["salvage_ref"] is None
    (here,) = find_kept(small_disk)
    assert (here.work.execution_id, here.state) == (execution["id"], "unsaved")
    (big,) = small_disk.glob("executions/*/ws/upper/big")
    big.unlink()
    async with asyncio.timeout(60):
        cursor = 0
        while not (await system.coordinator.get(f"/executions/{execution['id']}"))["salvage_ref"]:
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])
    await is_kept(system, execution, "failed", "disk_full")
    await resume(system, task)
    await goes_on(system, task, execution)


async def test_work_that_could_not_be_saved_outlives_the_telling(system: System) -> None:
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["true"]])
    task = await system.task(project, f"{HELD}; touch 'no\ncommit'")
    execution = await system.until_execution(task, "implementing")
    await system.until_logged(execution["id"], b"reached")
    system.proxy.cut_off()
    system.go_on()
    await system.until_worker_said("execution ended")
    await system.worker_waits()
    await system.kill_worker()
    system.proxy.mend()
    await system.start_worker()
    assert (await system.ended(task))["reason"] == "harvest_refused"
    assert await system.stop_worker() == 0
    (here,) = find_kept(system.worker_data)
    assert (here.work.execution_id, here.state) == (execution["id"], "unsaved")
    assert (here.place / "ws" / "upper" / "no\ncommit").exists()


async def test_a_project_above_its_share_of_the_disk_begins_nothing(system: System) -> None:
    await system.start_worker(project_quota_bytes="1")
    project = await system.project(system.repository(), verify_commands=[["true"]])
    task = await system.ended(await system.task(project, "echo done > result.txt"))
    assert (task["state"], task["reason"]) == ("failed", "policy_refused")
    assert "project_quota_bytes" in task["message"]


async def test_the_home_of_a_project_counts_and_is_emptied_for_its_next_task(system: System) -> None:
    await system.start_worker(project_quota_bytes=str(20 * MEBIBYTE))
    project = await system.project(system.repository(), verify_commands=[["true"]])
    place = system.worker_data / "environments" / project
    (place / "home").mkdir(parents=True)
    (place / "home" / "cache").write_bytes(b"x" * (30 * MEBIBYTE))
    held = take(place.with_name(f"{project}.lock"))
    assert held is not None
    task = await system.ended(await system.task(project, "echo done > result.txt"))
    assert (task["state"], task["reason"]) == ("failed", "policy_refused"), "its environment is in use"
    held.release()
    task = await system.ended(await system.task(project, "echo done > result.txt"))
    assert task["state"] == "completed"
    assert list((place / "home").iterdir()) == []
