"""Two tenants' executions side by side on one worker: each has what is its own, whatever the other does."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pullyard.sandboxes.cgroups.find import hierarchies
from pullyard.sandboxes.protocol import Limits
from tests.sandbox_places import run, sandbox_at
from tests.system import System

CONTROLLERS = {controller for hierarchy in hierarchies() for controller in hierarchy.controllers}
SECONDS = 1.0
TAKE = """
import os, sys, time
ends = time.monotonic() + float(sys.argv[1])
child = os.fork()
while time.monotonic() < ends:
    pass
if child:
    os.wait()
    print(sum(os.times()[:4]))
"""
LOOK = """
for place in / /ws /tmp /var /run /proc/1/root/tmp; do find $place -name 'word-of-*' 2>/dev/null; done
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep 7[0-9]*'
kill -KILL -1
echo looked
exec sleep 702
"""


@pytest.mark.attack("resources: a neighbour's latency", backend="bubblewrap")
@pytest.mark.skipif("cpu" not in CONTROLLERS, reason="no group with cpu here")
async def test_who_takes_every_processor_gets_no_more_than_the_limit(tmp_path: Path) -> None:
    """Measured against one another: how busy the machine is with other things does not count."""
    async with AsyncExitStack() as stack:

        async def seconds_of(name: str, cpus: float | None) -> float:
            sandbox = sandbox_at("bubblewrap", tmp_path / name, limits=Limits(cpus=cpus))
            stack.push_async_callback(sandbox.destroy)
            await sandbox.provision()
            code, printed = await run(sandbox, "python3", "-c", TAKE, str(SECONDS))
            assert code == 0
            return float(printed)

        greedy, neighbour = await asyncio.gather(seconds_of("greedy", 0.1), seconds_of("neighbour", None))
    assert greedy < 0.1 * SECONDS + 0.15
    assert neighbour > greedy, "unbounded, both would have got the same"


@pytest.mark.attack("sandbox: a neighbour's files and processes", backend="bubblewrap")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives slots accounts of their own")
async def test_executions_of_two_tenants_share_nothing_on_their_worker(system: System) -> None:
    await system.start_worker(slots="2")
    first, second = (system.repository(name=name) for name in ("one", "two"))
    mine = await system.project(first, verify_commands=[["true"]])
    theirs = await system.project(second, verify_commands=[["true"]])
    victim = await system.task(theirs, "echo > word-of-theirs; echo reached; exec sleep 700")
    running = await system.until_execution(victim, "implementing")
    await system.until_logged(running["id"], b"reached")
    spy = await system.task(mine, f"echo > word-of-mine; sleep 701 & {LOOK}")
    spying = await system.until_execution(spy, "implementing")
    await system.until_logged(spying["id"], b"looked\n")
    said = (await system.log(spying["id"])).decode()
    assert "/ws/word-of-mine" in said, "it looked"
    assert "word-of-theirs" not in said
    assert "sleep 700" not in said
    assert (await system.executions(victim))[-1]["state"] == "implementing", "nobody ended it"
    executions = system.worker_data / "executions"
    owners = {(executions / one["id"] / "ws" / "upper").stat().st_uid for one in (running, spying)}
    assert len(owners) == 2
    assert os.getuid() not in owners
