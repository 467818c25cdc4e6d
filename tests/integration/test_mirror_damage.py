"""A mirror whose disk failed or whose git was killed: mended or made anew, and no unfinished work lost."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pullyard.git.errors import RepositoryUnreachable
from pullyard.git.program import Git
from pullyard.worker.harvest import Source
from pullyard.worker.mirror_repair import MOST_PACKS
from pullyard.worker.mirrors import Mirror, Mirrors
from pullyard.worker.salvage import keep, list_salvage
from pullyard.worker.saved_here import find_kept
from pullyard.worker.saved_work import SavedWork, write_note
from pullyard.worker.workspaces import Start, Workspaces
from tests.repositories import commit_files, git_in, make_repository

EXECUTION = "exec_1"
AGED_SECONDS = 7200.0


class Kept:
    """A mirror with one execution's unfinished work in it, and a way to look whether that is still whole."""

    def __init__(self, place: Path) -> None:
        self.data = place
        self.repository = make_repository(place / "repository", {"a.txt": "a\n", "b.bin": os.urandom(5000)})
        self.mirrors = Mirrors(place / "mirrors", Git(), 1 << 30)
        self.commit = ""
        self.mirror: Mirror

    async def begin(self) -> None:
        self.mirror = await self.mirrors.refresh(str(self.repository))
        work = self.data / "work"
        git_in(self.data, "clone", "-q", str(self.repository), str(work))
        base = git_in(work, "rev-parse", "HEAD")
        self.commit = commit_files(work, {"half.txt": "half\n"})
        source = Source(self.mirror, base, work / "index", work / ".git")
        await keep(Git(), source, EXECUTION, self.commit)
        note = SavedWork(execution_id=EXECUTION, commit=self.commit, base_commit=base, title="Half")
        write_note(self.mirror.place, note)

    async def is_there(self) -> bool:
        """After the next refresh: the reference, the file, and what was fetched."""
        mirror = await self.mirrors.refresh(str(self.repository))
        named = (await list_salvage(mirror.git, mirror)).get(EXECUTION)
        _, base = mirror.resolve(None)
        assert await mirror.read_file(base, "a.txt", 10) == b"a\n"
        return named == self.commit and await mirror.read_file(named, "half.txt", 10) == b"half\n"


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    kept = Kept(tmp_path)
    await kept.begin()
    return kept


def largest_pack(repository: Path) -> Path:
    return max((repository / "objects" / "pack").glob("*.pack"), key=lambda path: path.stat().st_size)


def truncate_the_base(repository: Path) -> None:
    pack = largest_pack(repository)
    pack.chmod(0o600)
    os.truncate(pack, pack.stat().st_size // 2)


def lose_references(repository: Path) -> None:
    shutil.rmtree(repository / "refs")
    (repository / "refs").mkdir()
    (repository / "packed-refs").unlink(missing_ok=True)


def lose_one_reference(repository: Path) -> None:
    git_in(repository, "update-ref", "-d", f"refs/pullyard/salvage/{EXECUTION}")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "pack cut off": truncate_the_base,
    "packs gone": lambda repository: largest_pack(repository).unlink(),
    "references gone": lose_references,
    "salvage reference gone": lose_one_reference,
    "HEAD zeroed": lambda repository: (repository / "HEAD").write_bytes(b"\0" * 21),
    "HEAD empty": lambda repository: (repository / "HEAD").write_bytes(b""),
    "config garbled": lambda repository: (repository / "config").write_bytes(b"\0[["),
    "packed references garbled": lambda repository: (repository / "packed-refs").write_bytes(b"\0\xff\n"),
    "listing cut off": lambda repository: os.truncate(repository.parent / "listing.json", 5),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_the_mirror_is_mended_and_the_work_is_there(kept: Kept, damage: str) -> None:
    pack = largest_pack(kept.mirror.path)
    assert pack.stat().st_size > 5000
    DAMAGES[damage](kept.mirror.path)
    assert await kept.is_there()
    assert [one.state for one in find_kept(kept.data)] == ["saved"]
    assert not list((kept.data / "mirrors").glob("*.damaged*"))


async def test_work_whose_own_objects_are_lost_is_listed_until_it_is_dropped(kept: Kept) -> None:
    for name in ("objects", "refs"):
        shutil.rmtree(kept.mirror.path / name)
    assert not await kept.is_there()
    (one,) = find_kept(kept.data)
    assert (one.work.execution_id, one.work.title, one.state) == (EXECUTION, "Half", "damaged")


async def test_notes_outlive_a_repository_that_is_gone(kept: Kept) -> None:
    shutil.rmtree(kept.mirror.path)
    assert not await kept.is_there()
    assert [one.state for one in find_kept(kept.data)] == ["damaged"]


async def test_a_damaged_mirror_stays_while_its_repository_is_away(kept: Kept) -> None:
    truncate_the_base(kept.mirror.path)
    kept.repository.rename(kept.data / "away")
    with pytest.raises(RepositoryUnreachable):
        await kept.mirrors.refresh(str(kept.repository))
    (kept.data / "away").rename(kept.repository)
    assert await kept.is_there()


async def test_locks_of_a_dead_git_are_broken(kept: Kept) -> None:
    commit_files(kept.repository, {"new.txt": "new\n"})
    aged = time.time() - AGED_SECONDS
    for name in ("refs/heads/main.lock", "packed-refs.lock", "objects/pack/tmp_pack_half"):
        (kept.mirror.path / name).write_bytes(b"")
        os.utime(kept.mirror.path / name, (aged, aged))
    mirror = await kept.mirrors.refresh(str(kept.repository))
    _, tip = mirror.resolve(None)
    assert await mirror.read_file(tip, "new.txt", 10) == b"new\n"
    assert not [*kept.mirror.path.rglob("*.lock"), *kept.mirror.path.rglob("tmp_pack*")]


async def test_a_fetch_killed_in_the_middle_is_made_up_for(kept: Kept) -> None:
    commit_files(kept.repository, {f"{number}.bin": os.urandom(20_000) for number in range(200)})
    # The other side stalls in the middle of the pack, so that the fetch can't be over before it is killed.
    stalling = kept.data / "stalling-upload-pack"
    stalling.write_text(
        '#!/bin/sh\ngit-upload-pack "$@" | { dd bs=4096 count=300 status=none; sleep 600; }\n'
    )
    stalling.chmod(0o755)
    program = (
        "git", f"--git-dir={kept.mirror.path}", "-c", "fetch.unpackLimit=1", "fetch", "-q",
        f"--upload-pack={stalling}", str(kept.repository), "+refs/heads/*:refs/heads/*",
    )  # fmt: skip
    fetching = await asyncio.create_subprocess_exec(*program, start_new_session=True)
    try:
        async with asyncio.timeout(60):
            while not list((kept.mirror.path / "objects" / "pack").glob("tmp_pack*")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        os.killpg(fetching.pid, signal.SIGKILL)
        await fetching.wait()
    assert await kept.is_there()
    mirror = await kept.mirrors.refresh(str(kept.repository))
    assert "199.bin" in await mirror.top_names(mirror.resolve(None)[1])


async def test_many_packs_are_joined_and_nothing_in_them_is_lost(kept: Kept) -> None:
    packs = kept.mirror.path / "objects" / "pack"
    unnamed = [
        git_in(kept.repository, "commit-tree", "-p", "HEAD", "-m", str(number), "HEAD^{tree}")
        for number in range(MOST_PACKS)
    ]
    for commit in unnamed:
        git_in(kept.mirror.path, "update-ref", "refs/heads/x", fetched_alone(kept, commit))
    git_in(kept.mirror.path, "update-ref", "-d", "refs/heads/x")
    assert len(list(packs.glob("*.pack"))) > MOST_PACKS
    commit_files(kept.repository, {"new.txt": "new\n"})
    assert await kept.is_there()
    assert len(list(packs.glob("*.pack"))) < 10
    git_in(kept.mirror.path, "cat-file", "-e", unnamed[0])


def fetched_alone(kept: Kept, commit: str) -> str:
    """The commit, in the mirror in a pack of its own."""
    git_in(kept.repository, "update-ref", "refs/heads/one", commit)
    words = ("-c", "fetch.unpackLimit=1", "fetch", "-q", str(kept.repository), "+refs/heads/one:refs/heads/x")
    git_in(kept.mirror.path, *words)
    return commit


async def test_what_was_given_up_is_fetched_again_for_its_next_user(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", {"a.txt": "a\n"})
    mirrors = Mirrors(tmp_path / "mirrors", Git(), 0)
    mirror = await mirrors.refresh(str(repository))
    await mirrors.collect()
    assert not mirror.path.exists()
    held = await mirrors.hold(mirror)
    await mirrors.collect()
    assert await mirror.read_file(mirror.resolve(None)[1], "a.txt", 10) == b"a\n"
    held.release()


async def test_an_opened_mirror_is_not_given_up(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", {"a.txt": "a\n"})
    mirrors = Mirrors(tmp_path / "mirrors", Git(), 0)
    async with mirrors.opened(str(repository)) as mirror:
        await mirrors.collect()
        assert mirror.path.exists()
    await mirrors.collect()
    assert not mirror.path.exists()


async def test_a_mirror_is_held_for_a_working_copy_that_is_still_to_be_made(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", {"a.txt": "a\n"})
    mirrors = Mirrors(tmp_path / "mirrors", Git(), 0)
    workspaces = Workspaces(tmp_path / "checkouts", Git(), mirrors, overlay=False)
    mirror = await mirrors.refresh(str(repository))
    await workspaces.hold(mirror, tmp_path / "execution")
    await mirrors.collect()
    assert mirror.path.exists()
    branch, commit = mirror.resolve(None)
    await workspaces.prepare(mirror, Start(commit, branch, "work"), tmp_path / "execution", None)
    await mirrors.collect()
    assert mirror.path.exists()
    workspaces.release(tmp_path / "execution")
    await mirrors.collect()
    assert not mirror.path.exists()
