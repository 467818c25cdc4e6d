"""Files are replaced whole, and locks hold between processes."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from pullyard.files.locks import holder_of, locked, take
from pullyard.files.writes import replace_file

KILLED_BEFORE_THE_RENAME = """
import os, signal, sys
from pathlib import Path
from pullyard.files.writes import replace_file
replace_file(Path(sys.argv[1]), b"half", before_rename=lambda: os.kill(os.getpid(), signal.SIGKILL))
"""
HOLDING = """
import sys
from pathlib import Path
from pullyard.files.locks import take
lock = take(Path(sys.argv[1]))
lock.sign()
print("held", flush=True)
sys.stdin.read()
"""


def fail() -> None:
    raise OSError("pulled")


def test_a_file_is_replaced_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = os.umask(0o777)
    try:
        replace_file(path, b"one")
        replace_file(path, b"two", mode=0o640)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_a_replacement_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    with pytest.raises(OSError, match="pulled"):
        replace_file(path, b"new", before_rename=fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


async def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_BEFORE_THE_RENAME, path)
    assert await writer.wait() < 0
    assert path.read_bytes() == b"old"


def test_a_link_in_the_way_of_a_replacement_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (tmp_path / f".file.{os.getpid()}.new").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic"):
        replace_file(tmp_path / "file", b"new")
    assert outside.read_bytes() == b"mine"


async def test_a_lock_is_another_processs_until_that_one_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDING, path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    assert take(path) is None
    assert take(path, shared=True) is None
    assert holder_of(path) == holder.pid
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(60), locked(path):
        assert take(path) is None


def test_a_shared_lock_lets_others_share_and_nobody_else(tmp_path: Path) -> None:
    one, other = take(tmp_path / "lock", shared=True), take(tmp_path / "lock", shared=True)
    assert one
    assert other
    assert take(tmp_path / "lock") is None
    one.release()
    one.release()
    other.release()
    assert take(tmp_path / "lock")
