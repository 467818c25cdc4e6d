"""What an agent leaves behind can be removed, however it is made, and a coordinator names no other place."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pullyard.protocol.errors import ProtocolViolation
from pullyard.protocol.worker import ClaimRequest
from pullyard.worker import trees
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.disk import size_bytes

DEEPER_THAN_THE_STACK = 2500
MEBIBYTE = 1 << 20


def dig(place: Path, depth: int) -> None:
    """A path far longer than any system call takes, with a file of a megabyte at its end."""
    place.mkdir()
    here = os.open(".", os.O_RDONLY)
    os.chdir(place)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("file").write_bytes(b"x" * MEBIBYTE)
    os.mkdir("d", mode=0o000)
    os.fchdir(here)
    os.close(here)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    dig(tmp_path / "upper", DEEPER_THAN_THE_STACK)
    yield tmp_path / "upper"
    # The test runner could not remove it.
    subprocess.run(["rm", "-rf", tmp_path / "upper"], check=True)


def test_a_very_deep_tree_is_removed(deep: Path) -> None:
    trees.remove(deep)
    assert not deep.exists()


def test_a_very_deep_tree_is_emptied(deep: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (deep / "link").symlink_to(outside)
    trees.empty(deep)
    assert (list(deep.iterdir()), (outside / "kept").exists()) == ([], True)


def test_a_very_deep_tree_is_counted(deep: Path) -> None:
    (deep / "link").symlink_to("/usr")
    assert MEBIBYTE <= size_bytes(deep) < 20 * MEBIBYTE
    assert size_bytes(deep / "link") < MEBIBYTE
    assert size_bytes(deep / "gone") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_very_deep_tree_is_given_away(deep: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (deep / "link").symlink_to(outside)
    trees.give(deep, 210_000)
    words = ["find", deep, "!", "(", "-uid", "210000", "-gid", "210000", ")", "-printf", "x"]
    assert subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout == b""
    trees.give(deep / "link", 210_001)
    assert (outside.stat().st_uid, (deep / "link").lstat().st_uid) == (0, 210_001)


@pytest.mark.attack("paths: swapped while they are read")
def test_removal_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper" / "link").symlink_to(outside)
    trees.remove(tmp_path / "upper")
    assert outside.stat().st_mode & 0o777 == 0o500


@pytest.mark.attack("coordinator: a hostile one", "paths: .., %2e, NUL, absolute")
@pytest.mark.parametrize("name", ["../../../etc", "exec_1/../../x", "/root", "exec_" + "." * 26, ""])
async def test_no_coordinator_chooses_the_directory_that_is_removed(name: str) -> None:
    grant = {
        "execution_id": name,
        "fence": 1,
        "project_id": "proj_1",
        "project_name": "x",
        "correlation_id": "1",
        "task": {"id": "task_1", "number": 1, "title": "x"},
        "repository": {"url": "/repository"},
        "agent": {"name": "command"},
        "limits": {},
        "branch": "pullyard/1",
        "setup_commands": [],
        "verify_commands": None,
    }
    hostile = httpx.MockTransport(lambda _: httpx.Response(200, json={"grants": [grant], "errands": []}))
    client = CoordinatorClient("http://coordinator.invalid", transport=hostile)
    with pytest.raises(ProtocolViolation, match="named an execution"):
        await client.claim(ClaimRequest(request_id="1", slots=1))
    await client.close()
