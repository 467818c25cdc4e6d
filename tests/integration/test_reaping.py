"""What a killed worker left is removed by its next start, and nothing of anybody else."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pullyard.sandboxes.cgroups.find import hierarchies
from pullyard.sandboxes.children import MARK, own_mark
from pullyard.worker.reap import marked, reap
from pullyard.worker.sandbox_choice import worker_mark

FORKING = "trap '' TERM; (sleep 600 & sleep 600) & echo up; wait"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes to be ended after the test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout
        process.stdout.close()


def start(started: list[subprocess.Popen[bytes]], **environment: str) -> subprocess.Popen[bytes]:
    variables = {"PATH": os.environ["PATH"], **environment}
    process = subprocess.Popen(
        ["sh", "-c", FORKING], env=variables, stdout=subprocess.PIPE, start_new_session=True
    )
    started.append(process)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    return process


async def test_processes_of_this_worker_end_and_those_of_another_go_on(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    own, other = secrets.token_hex(6), secrets.token_hex(6)
    data = tmp_path / "data"
    theirs = tmp_path / "data-of-another" / "executions"
    ours = [
        start(started, **{MARK: f"{own}-{secrets.token_hex(16)}"}),
        start(started, **{MARK: f"{own}-"}),
        start(started, HOME=f"{data}/executions/exec_1/ws/work"),
    ]
    spared = [
        start(started, **{MARK: f"{other}-{secrets.token_hex(16)}"}),
        start(started, **{MARK: f"{own[:-1]}-"}, NOTE=f"{MARK}={own}-"),
        start(started, HOME=f"{theirs}/exec_1/ws/work"),
        start(started, HOME=str(data)),
    ]
    await reap(data, own)
    for process in ours:
        assert process.stdout
        async with asyncio.timeout(60):
            assert await asyncio.to_thread(process.stdout.read) == b"", "what it had started goes too"
        assert process.wait() == -9
    assert [process.poll() for process in spared] == [None] * len(spared)


@pytest.mark.skipif(not hierarchies(), reason="no control group can be made here")
async def test_groups_of_this_worker_go_and_those_of_another_stay(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    own, other = secrets.token_hex(6), secrets.token_hex(6)
    places = [hierarchy.directory for hierarchy in hierarchies()]
    mine, theirs = ([place / f"pullyard-{mark}-1" for place in places] for mark in (own, other))
    try:
        for group in (*mine, *theirs):
            group.mkdir()
        process = start(started)
        for group in mine:
            (group / "cgroup.procs").write_text(str(process.pid))
        await reap(tmp_path, own)
        assert process.wait() == -9
        assert not any(group.exists() for group in mine)
        assert all(group.exists() for group in theirs)
    finally:
        for group in (*mine, *theirs):
            with suppress(FileNotFoundError):
                group.rmdir()


async def test_an_execution_that_was_being_made_or_removed_goes_and_work_stays(tmp_path: Path) -> None:
    for name in ("exec_made/logs", "exec_unfinished/ws", "exec_kept/ws"):
        (tmp_path / "executions" / name).mkdir(parents=True)
    (tmp_path / "executions/exec_unfinished/journal.json").touch()
    (tmp_path / "executions/exec_unfinished/.journal.json.7.new").touch()
    (tmp_path / "executions/exec_kept/kept.json").touch()
    for place in ("checkouts/family/0.gone/tree", "mirrors/key/salvage"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "mirrors/key/salvage/.exec_1.json.7.new").touch()
    (tmp_path / "mirrors/key/.about.json.7.new").touch()
    await reap(tmp_path, "mark")
    assert not list((tmp_path / "checkouts/family").iterdir())
    assert [path for path in (tmp_path / "mirrors").rglob("*") if path.is_file()] == []
    assert sorted(path.name for path in (tmp_path / "executions").iterdir()) == [
        "exec_kept",
        "exec_unfinished",
    ]
    assert {path.name for path in (tmp_path / "executions/exec_unfinished").iterdir()} == {
        "journal.json",
        "ws",
    }


async def test_temporary_files_of_a_killed_worker_go(tmp_path: Path) -> None:
    mark, other = secrets.token_hex(6), secrets.token_hex(6)
    with marked(tmp_path, mark):
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", 'mktemp -d; echo "$PULLYARD_SANDBOX"'), stdout=subprocess.PIPE
        )
        found = (await process.communicate())[0].decode().split()
        assert own_mark() == f"{mark}-"
    assert own_mark() != f"{mark}-"
    assert Path(found[0]).parent == tmp_path / "tmp"
    assert found[1] == f"{mark}-"
    ours, theirs = (Path(tempfile.mkdtemp(prefix=f"pullyard-{one}-probe-")) for one in (mark, other))
    await reap(tmp_path, mark)
    assert [place.exists() for place in (Path(found[0]), ours, theirs)] == [False, False, True]
    theirs.rmdir()


def test_a_worker_keeps_its_mark_and_no_other_has_it(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = worker_mark(tmp_path / "one")
    assert worker_mark(tmp_path / "one") == first
    assert worker_mark(tmp_path / "two") != first
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert worker_mark(tmp_path / "copy") != first, "or the copy would end what the first one runs"
    (tmp_path / "one").rename(tmp_path / "moved")
    assert worker_mark(tmp_path / "moved") == first
    (tmp_path / "moved").rename(tmp_path / "one")
    (tmp_path / "one" / "mark").write_bytes(b"\xff../")
    assert worker_mark(tmp_path / "one") not in (first, "")
