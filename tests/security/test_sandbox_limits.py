"""What one sandbox may take of the machine, driven against for real."""

import asyncio
from pathlib import Path

import pytest

from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.cgroups.find import hierarchies
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import Command, Limits, Sandbox
from tests.sandbox_places import first_line, run, sandbox_at

MIB = 1 << 20
FORK = """
import os, signal
children = 0
try:
    while children < 400:
        if os.fork() == 0:
            signal.pause()
        children += 1
except OSError:
    print(children)
"""
CONTROLLERS = {controller for hierarchy in hierarchies() for controller in hierarchy.controllers}


def bounded(controller: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(controller not in CONTROLLERS, reason=f"no group with {controller} here")


async def sandbox_with(place: Path, limits: Limits) -> Sandbox:
    made = sandbox_at("bubblewrap", place, limits=limits)
    await made.provision()
    return made


def groups() -> set[Path]:
    return {
        group
        for hierarchy in hierarchies()
        for group in hierarchy.directory.glob("pullyard-*")
        if group.is_dir()
    }


async def ended(sandbox: Sandbox, *argv: str) -> tuple[int, str]:
    """The exit code of a command, and what it ran into."""
    process = await sandbox.start(Command(argv))
    async with asyncio.timeout(30):
        return await process.wait(), process.exceeded


@bounded("memory")
async def test_memory_ends_at_the_limit_and_it_is_told(tmp_path: Path) -> None:
    sandbox = await sandbox_with(tmp_path, Limits(memory_bytes=64 * MIB))
    assert await ended(
        sandbox, "sh", "-c", "head -c 300000000 /dev/zero | tail -c 250000000 | wc -c; exit 3"
    ) == (
        3,
        "The sandbox ran out of its 64 MiB of memory.",
    )
    assert await ended(sandbox, "true") == (0, ""), "what was told is not told again"
    await sandbox.destroy()


@bounded("pids")
async def test_processes_end_at_the_limit_and_it_is_told(tmp_path: Path) -> None:
    sandbox = await sandbox_with(tmp_path, Limits(processes=30))
    code, exceeded = await ended(sandbox, "python3", "-c", FORK)
    assert (code, exceeded) == (0, "The sandbox reached its limit of 30 processes.")
    await sandbox.destroy()


@bounded("cpu")
async def test_processors_are_shared_out_by_time(tmp_path: Path) -> None:
    sandbox = await sandbox_with(tmp_path, Limits(cpus=0.2))
    script = "import time\nwhile time.monotonic() < START + 1: pass\nprint(time.process_time())"
    script = script.replace("START", "start").replace(
        "import time\n", "import time\nstart = time.monotonic()\n"
    )
    _, printed = await run(sandbox, "python3", "-c", script)
    assert float(printed) < 0.5, "a fifth of one processor for a second, and what the last period gives"
    await sandbox.destroy()


async def test_a_workspace_that_grows_too_large_stops_its_sandbox(tmp_path: Path) -> None:
    sandbox = await sandbox_with(tmp_path, Limits(disk_bytes=16 * MIB))
    code, exceeded = await ended(sandbox, "sh", "-c", "head -c 50000000 /dev/zero >fill; exec sleep 600")
    assert (code, exceeded) == (137, "The sandbox's workspace outgrew its 16 MiB of disk.")
    await sandbox.destroy()


async def test_a_workspace_of_too_many_files_stops_its_sandbox(tmp_path: Path) -> None:
    sandbox = await sandbox_with(tmp_path, Limits(inodes=200))
    code, exceeded = await ended(sandbox, "sh", "-c", "mkdir d; touch d/$(seq -s ' d/' 500); exec sleep 600")
    assert (code, exceeded) == (137, "The sandbox's workspace outgrew its 200 files.")
    await sandbox.destroy()


async def test_a_closed_directory_hides_nothing_of_a_workspace(tmp_path: Path) -> None:
    sandbox = await sandbox_with(tmp_path, Limits(disk_bytes=16 * MIB))
    script = "mkdir shut; exec 5>shut/fill; chmod 0 shut; head -c 50000000 /dev/zero >&5; exec sleep 600"
    assert (await ended(sandbox, "sh", "-c", script))[0] == 137
    await sandbox.destroy()


async def test_nothing_runs_before_it_is_in_its_group(tmp_path: Path) -> None:
    sandbox = await sandbox_with(tmp_path, Limits(memory_bytes=64 * MIB))
    process, seen = await first_line(
        sandbox, "sh", "-c", "grep -c pullyard- /proc/self/cgroup; exec sleep 600"
    )
    assert int(seen) == len(hierarchies())
    await process.kill()
    await sandbox.destroy()


async def test_a_group_goes_with_its_sandbox(tmp_path: Path) -> None:
    before = groups()
    sandbox = await sandbox_with(tmp_path, Limits(memory_bytes=64 * MIB))
    await first_line(sandbox, "sh", "-c", "setsid sleep 600 & echo up; exec sleep 600")
    assert len(groups() - before) == len(hierarchies())
    await sandbox.destroy()
    assert groups() <= before


async def test_every_limit_is_driven_against(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(CONTROLLERS) < {"cpu", "memory", "pids"} or all((await probe(Bubblewrap)).bounds.values())
    monkeypatch.setattr("pullyard.sandboxes.cgroups.group.hierarchies", tuple)
    assert (await probe(Bubblewrap)).bounds["memory_bytes"] is False, "what does not hold is noticed"
