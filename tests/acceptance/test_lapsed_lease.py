"""The network is cut for longer than a lease: the work is given again, and delivered once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.coordinator import running_coordinator
from tests.fault_proxy import FaultProxy
from tests.repositories import branches_of
from tests.system import HELD, System
from tests.warm import Warm


@pytest.fixture
async def brief_leases(
    database_url: str, warm: Warm, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    root: Path = tmp_path_factory.mktemp("lapsed")
    async with (
        running_coordinator(database_url, lease_seconds=4.0, heartbeat_seconds=0.5) as coordinator,
        FaultProxy(coordinator.url) as proxy,
    ):
        system = System(coordinator, proxy, root, warm)
        yield system
        await system.kill_worker()


async def test_the_next_task_comes_with_an_answer_that_a_heartbeat_overtook(brief_leases: System) -> None:
    system, proxy = brief_leases, brief_leases.proxy
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["true"]])
    proxy.hold_answer(b"/finish HTTP/1.1")
    tasks = [await system.task(project, f"echo {name} > {name}.txt") for name in ("first", "second")]
    await proxy.until_held()
    beats = proxy.sent.count(b"/worker/v1/heartbeat")
    # The one before the second was sent after the finish, and is answered.
    await proxy.until_sent(b"/worker/v1/heartbeat", beats + 3)
    proxy.let_go()
    for task in tasks:
        assert (await system.ended(task))["state"] == "completed"
    assert "given up" not in system.worker_log


@pytest.mark.parametrize("phase", ["preparing", "implementing", "verifying"])
async def test_work_lost_to_a_long_cut_is_delivered_once(brief_leases: System, phase: str) -> None:
    system = brief_leases
    await system.start_worker()
    project = await system.project(
        system.repository(),
        setup_commands=[["sh", "-c", HELD]] if phase == "preparing" else [],
        verify_commands=[["sh", "-c", HELD if phase == "verifying" else "true"]],
    )
    wait = f"{HELD}; " if phase == "implementing" else ""
    task = await system.task(project, f"{wait}echo done > result.txt")
    await system.until_execution(task, phase)
    system.proxy.cut_off()
    await system.until_execution(task, "lost")
    system.proxy.mend()
    system.go_on()
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    assert len(branches_of(system.root / "example.git")) == 2
    assert [one["state"] for one in await system.executions(ended)] == ["lost", "succeeded"]
