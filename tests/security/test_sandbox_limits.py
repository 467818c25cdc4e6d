"""What one sandbox may take of the machine, driven against for real."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pullyard.cli.doctor_sandboxes import remedies
from pullyard.protocol.isolation import Level
from pullyard.sandboxes.bounds import TRIALS
from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.cgroups.find import hierarchies
from pullyard.sandboxes.disk_meter import room_to_save
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import Command, ContainerSettings, Limits, Sandbox
from pullyard.worker.sandbox_choice import levels_of
from tests.docker_engine import DockerEngine
from tests.sandbox_places import FORK_UNTIL_REFUSED, first_line, run, sandbox_at

MIB = 1 << 20
CONTROLLERS = {controller for hierarchy in hierarchies() for controller in hierarchy.controllers}


def bounded(controller: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(controller not in CONTROLLERS, reason=f"no group with {controller} here")


Limited = Callable[[Limits], Awaitable[Bubblewrap]]


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Limited]:
    """Makes provisioned sandboxes over one workspace; what a failing test leaves in them ends with it."""
    made: list[Bubblewrap] = []

    async def make(limits: Limits) -> Bubblewrap:
        sandbox = sandbox_at("bubblewrap", tmp_path, limits=limits)
        assert isinstance(sandbox, Bubblewrap)
        made.append(sandbox)
        await sandbox.provision()
        return sandbox

    yield make
    for sandbox in made:
        await sandbox.destroy()


def groups_of(sandbox: Bubblewrap) -> list[Path]:
    places = [hierarchy.directory / sandbox.group.name for hierarchy in hierarchies()]
    return [place for place in places if place.exists()]


async def ended(sandbox: Sandbox, *argv: str) -> tuple[int, str]:
    """The exit code of a command, and what it ran into."""
    process = await sandbox.start(Command(argv))
    async with asyncio.timeout(60):
        return await process.wait(), process.exceeded


@pytest.mark.attack("resources: memory", backend="bubblewrap")
@bounded("memory")
async def test_memory_ends_at_the_limit_and_it_is_told(limited: Limited) -> None:
    sandbox = await limited(Limits(memory_bytes=64 * MIB))
    assert await ended(
        sandbox, "sh", "-c", "head -c 300000000 /dev/zero | tail -c 250000000 | wc -c; exit 3"
    ) == (
        3,
        "The sandbox ran out of its 64 MiB of memory.",
    )
    assert await ended(sandbox, "true") == (0, ""), "what was told is not told again"


@pytest.mark.attack("resources: fork bomb", backend="bubblewrap")
@bounded("pids")
async def test_processes_end_at_the_limit_and_it_is_told(limited: Limited) -> None:
    sandbox = await limited(Limits(processes=30))
    code, exceeded = await ended(sandbox, "python3", "-c", FORK_UNTIL_REFUSED)
    assert (code, exceeded) == (0, "The sandbox reached its limit of 30 processes.")


@bounded("cpu")
async def test_processors_are_shared_out_by_time(limited: Limited) -> None:
    sandbox = await limited(Limits(cpus=0.2))
    script = "import time\nwhile time.monotonic() < START + 1: pass\nprint(time.process_time())"
    script = script.replace("START", "start").replace(
        "import time\n", "import time\nstart = time.monotonic()\n"
    )
    _, printed = await run(sandbox, "python3", "-c", script)
    assert float(printed) < 0.5, "a fifth of one processor for a second, and what the last period gives"


async def test_a_workspace_that_grows_too_large_stops_its_sandbox(limited: Limited) -> None:
    sandbox = await limited(Limits(disk_bytes=16 * MIB))
    code, exceeded = await ended(sandbox, "sh", "-c", "head -c 50000000 /dev/zero >fill; exec sleep 600")
    assert (code, exceeded) == (137, "The sandbox's workspace outgrew its 16 MiB of disk.")


async def test_a_workspace_of_too_many_files_stops_its_sandbox(limited: Limited) -> None:
    sandbox = await limited(Limits(inodes=200))
    code, exceeded = await ended(sandbox, "sh", "-c", "mkdir d; touch d/$(seq -s ' d/' 500); exec sleep 600")
    assert (code, exceeded) == (137, "The sandbox's workspace outgrew its 200 files.")


@pytest.mark.attack("resources: disk", backend="bubblewrap")
async def test_a_closed_directory_hides_nothing_of_a_workspace(limited: Limited) -> None:
    sandbox = await limited(Limits(disk_bytes=16 * MIB))
    script = "mkdir shut; exec 5>shut/fill; chmod 0 shut; head -c 50000000 /dev/zero >&5; exec sleep 600"
    assert (await ended(sandbox, "sh", "-c", script))[0] == 137


@pytest.mark.attack("resources: disk", backend="bubblewrap")
async def test_the_next_command_in_a_workspace_that_is_too_large_is_stopped_too(limited: Limited) -> None:
    sandbox = await limited(Limits(disk_bytes=16 * MIB))
    await ended(sandbox, "sh", "-c", "head -c 50000000 /dev/zero >fill; exec sleep 600")
    assert (await ended(sandbox, "sleep", "600"))[0] == 137


async def test_the_work_of_a_workspace_that_is_too_large_can_still_be_saved(limited: Limited) -> None:
    sandbox = await limited(Limits(disk_bytes=16 * MIB))
    await ended(sandbox, "sh", "-c", "head -c 50000000 /dev/zero >fill; exec sleep 600")
    await sandbox.destroy()
    saving = await limited(await room_to_save(sandbox.spec))
    assert await ended(saving, "sh", "-c", "sleep 1.5; wc -c fill >note") == (0, "")
    assert (await ended(saving, "sh", "-c", "head -c 90000000 /dev/zero >more; exec sleep 600"))[0] == 137


async def test_nothing_runs_before_it_is_in_its_group(limited: Limited) -> None:
    """Looked at from outside: inside, the group may be the top of all that can be seen."""
    sandbox = await limited(Limits(memory_bytes=64 * MIB))
    named = f"{600 + os.getpid()}.{secrets.randbelow(10**6)}"
    await first_line(sandbox, "sh", "-c", f"echo up; exec sleep {named}")
    groups = groups_of(sandbox)
    assert len(groups) == len(hierarchies())
    for group in groups:
        inside = (group / "cgroup.procs").read_text().split()
        assert any(named.encode() in Path(f"/proc/{one}/cmdline").read_bytes() for one in inside)


async def test_a_group_goes_with_its_sandbox(limited: Limited) -> None:
    sandbox = await limited(Limits(memory_bytes=64 * MIB))
    await first_line(sandbox, "sh", "-c", "setsid sleep 600 & echo up; exec sleep 600")
    assert len(groups_of(sandbox)) == len(hierarchies())
    await sandbox.destroy()
    assert groups_of(sandbox) == []


async def test_every_limit_is_driven_against() -> None:
    held = (await probe(Bubblewrap)).bounds
    assert set(held) == {
        *("cpus", "memory_bytes", "processes", "disk_bytes", "inodes", "file_size_bytes", "open_files")
    }
    kept_by = {"cpus": "cpu", "memory_bytes": "memory"}
    assert {name for name, kept in held.items() if not kept} == {
        name for name, controller in kept_by.items() if controller not in CONTROLLERS
    }


async def test_every_limit_of_containers_is_driven_against(docker_engine: DockerEngine) -> None:
    found = await probe(DockerSandbox, containers=ContainerSettings(image=docker_engine.image))
    assert list(found.bounds) == list(TRIALS)
    assert all(found.bounds.values()), found.bounds


async def test_a_limit_that_can_not_be_tried_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullyard.sandboxes.probe.LACKS", "echo timeout")
    found = await probe(Bubblewrap)
    assert (found.bounds, levels_of(found)) == ({}, [Level.ISOLATED])
    assert "for want of timeout" in remedies(found)[0]


async def test_a_limit_that_nothing_holds_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullyard.sandboxes.cgroups.group.hierarchies", tuple)
    held = (await probe(Bubblewrap)).bounds
    assert [name for name, kept in held.items() if not kept] == ["cpus", "memory_bytes"], "as without cgroups"
    monkeypatch.setattr("pullyard.sandboxes.bubblewrap.bounds", lambda _: ["4096", "4096", "4194304"])
    monkeypatch.setattr("pullyard.sandboxes.disk_meter.LOOK_SECONDS", 600)
    held = (await probe(Bubblewrap)).bounds
    assert [name for name, kept in held.items() if kept] == []
