"""Sandboxes of a worker that is killed, and of one that is an ordinary user."""

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pullyard
from tests import sandbox_worker
from tests.sandbox_places import UID

PROGRAM = Path(sandbox_worker.__file__)
SOURCES = Path(pullyard.__file__).parent
NOBODY = 65534


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory of an ordinary user; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield Path(place)


@pytest.mark.attack("resources: leftover daemons", backend="bubblewrap")
async def test_no_process_is_left_when_the_worker_is_killed(tmp_path: Path) -> None:
    account = [] if UID is None else [str(UID)]
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), "hang", str(tmp_path), *account), stdout=subprocess.PIPE
    )
    assert worker.stdout
    alive = [os.pidfd_open(number) for number in json.loads(await worker.stdout.readline())]
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    for process in alive:
        assert select.select([process], [], [], 10)[0], "a process outlived its worker"
        os.close(process)


def system_python() -> str | None:
    """A Python that other accounts can reach: the one the tests run on may lie in root's home."""
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    asks = "import sys; sys.exit(sys.version_info < (3, 11))"
    return found if found and subprocess.run([found, "-c", asks], check=False).returncode == 0 else None


@pytest.mark.skipif(os.geteuid() != 0, reason="the whole suite runs as an ordinary user already")
@pytest.mark.skipif(system_python() is None, reason="no Python 3.11 that an ordinary user could run")
def test_an_ordinary_user_gets_the_whole_sandbox(open_place: Path) -> None:
    shutil.copytree(SOURCES / "sandboxes", open_place / "pullyard/sandboxes")
    shutil.copy(PROGRAM, open_place / "program.py")
    place = open_place / "place"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    done = subprocess.run(
        [system_python() or "", "-B", "program.py", "once", str(place)],
        cwd=open_place,
        env={"PYTHONPATH": str(open_place), "PATH": "/usr/bin:/bin"},
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b""
    seen = json.loads(done.stdout)
    assert seen == {"code": 0, "printed": "hello\n1000\nserved\n", "made": "new\n", "leaks": []}
