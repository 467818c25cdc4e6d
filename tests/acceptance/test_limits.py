"""A limit that ended a command is the execution's reason, in words that say which and what to do."""

from typing import Any

import pytest

from pullyard.sandboxes.cgroups.find import hierarchies
from tests.system import System

MIB = 1 << 20
CONTROLLERS = {controller for hierarchy in hierarchies() for controller in hierarchy.controllers}
MEMORY = "head -c 300000000 /dev/zero | tail -c 250000000 | wc -c; exit 3"


async def ended(system: System, project: str, script: str) -> dict[str, Any]:
    """The newest execution of a task that failed."""
    task = await system.ended(await system.task(project, script))
    assert task["state"] == "failed", task
    return (await system.executions(task))[-1] | {"message": task["message"]}


async def project_with(system: System, verify: str = "true", **sandbox: Any) -> str:
    isolation = {"sandbox": {"memory_bytes": 64 * MIB, **sandbox}}
    repository = system.root / "example.git"
    if not repository.exists():
        system.repository()
    return await system.project(repository, isolation=isolation, verify_commands=[["sh", "-c", verify]])


@pytest.mark.skipif("memory" not in CONTROLLERS, reason="no group with memory here")
async def test_memory_is_named_of_an_agent_and_of_a_command(system: System) -> None:
    await system.start_worker()
    execution = await ended(system, await project_with(system), MEMORY)
    assert execution["reason"] == "limit_reached"
    assert "The sandbox ran out of its 64 MiB of memory." in execution["message"]
    assert "pullyard project edit" in execution["message"]
    assert b"ran out of its 64 MiB of memory" in await system.log(execution["id"])
    project = await project_with(system, MEMORY)
    execution = await ended(system, project, "echo done > result.txt")
    assert execution["reason"] == "limit_reached"
    assert "Verification failed" in execution["message"]
    assert "64 MiB of memory" in execution["message"]


async def test_a_workspace_that_is_too_large_is_named_and_its_work_is_saved(system: System) -> None:
    await system.start_worker()
    project = await project_with(system, disk_bytes=16 * MIB)
    script = "echo work > work.txt; head -c 50000000 /dev/zero > big; sleep 600"
    execution = await ended(system, project, script)
    assert execution["reason"] == "limit_reached"
    assert "outgrew its 16 MiB of disk" in execution["message"]
    assert execution["salvage_ref"] is not None


async def test_a_command_that_prints_without_end_is_stopped(system: System) -> None:
    await system.start_worker(output_limit_bytes=str(MIB))
    project = await project_with(system, "yes & sleep 600")
    execution = await ended(system, project, "echo done > result.txt")
    assert execution["reason"] == "output_too_large"
    assert "printed more than 1 MiB" in execution["message"]


async def test_a_file_that_grows_too_large_is_named(system: System) -> None:
    await system.start_worker()
    project = await project_with(system)
    execution = await ended(system, project, "truncate -s 3G big")
    assert execution["reason"] == "limit_reached"
    assert "A file outgrew the sandbox's 2 GiB" in execution["message"]
