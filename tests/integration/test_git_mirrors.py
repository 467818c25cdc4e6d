"""Mirrors: one per repository, shared, kept up to date, mended, and never larger than their quota."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from pullyard.git.addresses import Login, read_address
from pullyard.git.errors import BaseBranchMissing, RepositoryEmpty, RepositoryUnreachable
from pullyard.git.program import Git, GitSettings
from pullyard.protocol.errors import RequestError
from pullyard.worker.mirror_repair import break_locks
from pullyard.worker.mirrors import Mirrors, give_up
from tests.repositories import commit_files, git_in, make_bare_clone, make_repository, serve_http

DEEPER_THAN_THE_STACK = 1500


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "a répo", {"a.txt": "a\n"})


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors", Git(), 1 << 30)


async def test_it_follows_the_repository(mirrors: Mirrors, repository: Path) -> None:
    first = await mirrors.refresh(str(repository))
    git_in(repository, "branch", "old")
    await mirrors.refresh(str(repository))
    git_in(repository, "branch", "-D", "old")
    commit = commit_files(repository, {"b.txt": "b\n"})
    again = await mirrors.refresh(str(repository))
    assert again.path == first.path
    assert again.resolve(None) == ("main", commit)
    assert list(again.listing.branches) == ["main"]
    assert await again.top_names(commit) == ["a.txt", "b.txt"]
    assert await again.read_file(commit, "b.txt", 1) == b"b"
    assert await again.read_file(commit, "c.txt", 10) is None


async def test_an_empty_repository(mirrors: Mirrors, tmp_path: Path) -> None:
    empty = make_repository(tmp_path / "empty")
    with pytest.raises(RepositoryEmpty, match="push a first one"):
        (await mirrors.refresh(str(empty))).resolve(None)
    commit = commit_files(empty, {"a": "a"})
    assert (await mirrors.refresh(str(empty))).resolve("main") == ("main", commit)


async def test_a_missing_base_branch_names_the_others(mirrors: Mirrors, repository: Path) -> None:
    git_in(repository, "branch", "release/1")
    mirror = await mirrors.refresh(str(repository))
    with pytest.raises(BaseBranchMissing, match="'nope': choose one of main, release/1") as missing:
        mirror.resolve("nope")
    assert missing.value.code == "base-branch-missing"


@pytest.mark.parametrize(
    ("url", "retryable"),
    [("/nowhere/at/all", False), ("http://127.0.0.1:1/x", True), ("ssh://127.0.0.1:1/x", True)],
)
async def test_an_unreachable_repository(mirrors: Mirrors, url: str, retryable: bool) -> None:  # noqa: FBT001
    with pytest.raises(RepositoryUnreachable) as failure:
        await mirrors.refresh(url)
    assert failure.value.retryable is retryable


@pytest.mark.attack("git: addresses of other protocols", "requests: address of a repository")
@pytest.mark.parametrize(
    "url",
    ["", "-x", "ext::sh -c id", "fd::7", "a\nb", "http://example.com/x", "ftp://x/y", "h:-oX=x"],
)
async def test_addresses_that_are_refused(mirrors: Mirrors, url: str) -> None:
    with pytest.raises(RequestError):
        await mirrors.refresh(url)


@pytest.mark.parametrize("damage", ["objects", "packed-refs", "HEAD", "refs"])
async def test_a_damaged_mirror_is_made_anew(mirrors: Mirrors, repository: Path, damage: str) -> None:
    mirror = await mirrors.refresh(str(repository))
    place = mirror.path / damage
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.write_bytes(b"\0broken")
    (mirror.path.parent / "listing.json").write_text("{")
    name, commit = (await mirrors.refresh(str(repository))).resolve(None)
    assert name == "main"
    assert await mirror.read_file(commit, "a.txt", 10) == b"a\n"


async def test_many_at_once_share_one(mirrors: Mirrors, repository: Path, tmp_path: Path) -> None:
    other_process = Mirrors(tmp_path / "mirrors", Git(), 1 << 30)
    several = [one.refresh(str(repository)) for one in (mirrors, other_process) for _ in range(4)]
    assert len({(mirror.path, mirror.resolve(None)) for mirror in await asyncio.gather(*several)}) == 1


async def test_a_branch_of_any_depth_keeps_nothing_locked_and_goes_with_its_mirror(
    mirrors: Mirrors, repository: Path
) -> None:
    # Nothing deep is left in the repository: the test runner could not remove it.
    git_in(repository, "config", "core.logAllRefUpdates", "false")
    git_in(repository, "update-ref", "refs/heads/" + "/".join("a" * DEEPER_THAN_THE_STACK), "HEAD")
    git_in(repository, "pack-refs", "--all")
    mirror = await mirrors.refresh(str(repository))
    lock = mirror.path / "refs" / "heads" / "left.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    assert await break_locks(mirror.path)
    assert not lock.exists()
    assert give_up(mirror.place, {}) is None
    assert not mirror.place.exists()


async def test_the_quota_takes_the_oldest_that_nobody_uses(mirrors: Mirrors, tmp_path: Path) -> None:
    places = [make_repository(tmp_path / name, {"a": name}) for name in ("one", "two", "three")]
    first, second, third = [await mirrors.refresh(str(place)) for place in places]
    held = await mirrors.hold(first)
    mirrors.quota_bytes = 0
    await mirrors.collect(keep=third.key)
    assert [mirror.path.exists() for mirror in (first, second, third)] == [True, False, True]
    held.release()
    await mirrors.collect()
    assert not first.path.exists()


async def test_a_login_reaches_only_its_host(repository: Path, tmp_path: Path) -> None:
    make_bare_clone(repository, tmp_path / "served" / "x.git")
    with serve_http(tmp_path / "served", ("me", "pass word")) as server:
        good = Git(GitSettings(logins={f"127.0.0.1:{server.port}": Login("me", "pass word")}))
        assert (await Mirrors(tmp_path / "m1", good, 1 << 30).refresh(server.url("x.git"))).resolve(None)
        server.requests.clear()
        other = Git(GitSettings(logins={"other.example": Login("me", "pass word")}))
        with pytest.raises(RepositoryUnreachable) as failure:
            await Mirrors(tmp_path / "m2", other, 1 << 30).refresh(server.url("x.git"))
        assert set(server.requests) == {""}
        assert not failure.value.retryable


async def test_a_login_in_the_address_is_never_shown(repository: Path, tmp_path: Path) -> None:
    make_bare_clone(repository, tmp_path / "served" / "x.git")
    with serve_http(tmp_path / "served", ("me", "hunter2")) as server:
        url = server.url("x.git").replace("//", "//me:hunter2@")
        mirror = await Mirrors(tmp_path / "m", Git(), 1 << 30).refresh(url)
        assert "hunter2" not in repr(read_address(url))
        assert all(
            b"hunter2" not in path.read_bytes() for path in (tmp_path / "m").rglob("*") if path.is_file()
        )
        with pytest.raises(RepositoryUnreachable) as failure:
            await Mirrors(tmp_path / "n", Git(), 1 << 30).refresh(url.replace("hunter2", "hunter3"))
        assert "hunter3" not in str(failure.value)
    assert mirror.resolve(None)
