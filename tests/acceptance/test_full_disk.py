"""A worker whose disk is full says so, loses nothing that was there, and goes on when there is room again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import System

SIZE = "48m"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")


@pytest.fixture
def small_disk(system: System) -> Iterator[Path]:
    """The worker's data directory on a file system of its own."""
    system.worker_data.mkdir(mode=0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", system.worker_data], check=True)
    yield system.worker_data
    subprocess.run(["umount", "--lazy", system.worker_data], check=True)


async def test_a_disk_that_fills_up_is_named_and_work_goes_on_afterwards(
    system: System, small_disk: Path
) -> None:
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["true"]])
    filling = "dd if=/dev/zero of=big bs=1M count=200; echo ended"
    task = await system.ended(await system.task(project, filling))
    assert task["state"] == "failed"
    assert "disk" in task["message"].lower(), task
    assert system.worker.returncode is None
    for leftover in small_disk.glob("executions/*/ws/upper/big"):
        leftover.unlink()
    again = await system.ended(await system.task(project, "echo done > result.txt"))
    assert again["state"] == "completed", again["message"]


async def test_no_task_is_taken_while_there_is_no_room(system: System, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (40 << 20))
    await system.start_worker(minimum_free_bytes=str(20 << 20))
    project = await system.project(system.repository(), verify_commands=[["true"]])
    task = await system.task(project, "echo done > result.txt")
    await system.until_worker_said("nearly full")
    assert (await system.coordinator.get(f"/tasks/{task['id']}"))["state"] == "queued"
    ballast.unlink()
    assert (await system.ended(task))["state"] == "completed"
