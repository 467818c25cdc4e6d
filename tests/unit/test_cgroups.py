"""Control groups of both versions: what is written to the kernel's files, and what is read from them."""

import asyncio
import os
from pathlib import Path

import pytest

from pullyard.sandboxes.cgroups.find import Hierarchy, mounted
from pullyard.sandboxes.cgroups.group import Group, settings
from pullyard.sandboxes.protocol import Limits

LIMITS = Limits(processes=40, cpus=1.5, memory_bytes=64 << 20)
UNIFIED = [place for version, _, _, place in mounted() if version == 2 and os.access(place, os.W_OK)]


@pytest.mark.parametrize(
    ("version", "controller", "written"),
    [
        (1, "cpu", [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "150000")]),
        (2, "cpu", [("cpu.max", "150000 100000")]),
        (
            1,
            "memory",
            [("memory.limit_in_bytes", "67108864"), ("memory.memsw.limit_in_bytes", "67108864")],
        ),
        (2, "memory", [("memory.max", "67108864"), ("memory.swap.max", "0")]),
        (1, "pids", [("pids.max", "40")]),
        (2, "pids", [("pids.max", "40")]),
    ],
)
def test_each_version_is_written_its_own_files(
    version: int, controller: str, written: list[tuple[str, str]]
) -> None:
    assert list(settings(version, controller, LIMITS)) == written


@pytest.mark.parametrize(
    ("version", "file", "content"),
    [
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
        (2, "memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill {}\noom_group_kill 0\n"),
    ],
)
def test_memory_that_ran_out_is_told_once(tmp_path: Path, version: int, file: str, content: str) -> None:
    group = Group("mark", LIMITS)
    group.opened = [(Hierarchy(version, tmp_path, ("memory",)), tmp_path)]
    (tmp_path / file).write_text(content.format(0))
    assert group.exceeded() == []
    (tmp_path / file).write_text(content.format(2))
    assert group.exceeded() == ["The sandbox ran out of its 64 MiB of memory."]
    assert group.exceeded() == []


@pytest.mark.skipif(not UNIFIED, reason="no hierarchy of version 2 here that can be written to")
async def test_a_group_of_version_2_ends_what_is_in_it() -> None:
    directory = UNIFIED[0] / f"pullyard-{os.getpid()}-test"
    directory.mkdir()
    group = Group("mark", LIMITS)
    group.opened = [(Hierarchy(2, UNIFIED[0], ()), directory)]
    process = await asyncio.create_subprocess_exec("sleep", "600")
    group.enter(process.pid)
    await group.close()
    assert await process.wait() == -9
    assert not directory.exists()
