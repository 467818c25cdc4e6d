"""Merges are tried without a trace, and what can't be told is no conflict."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from pullyard.forges.access import Access
from pullyard.forges.bare import BareForge
from pullyard.git.bare import make_bare
from pullyard.git.program import Git
from pullyard.git.trial_merge import conflicting_files, try_merge
from pullyard.protocol.errands import CompareErrand, TrialMerge
from pullyard.protocol.errors import Conflict
from pullyard.worker.compare import compare
from pullyard.worker.mirrors import Mirrors
from pullyard.worker.reap import reap
from tests.repositories import git_in, make_bare_clone, make_repository

BYTES = [b"\x1b[2J\nnext\r", b"caf\xe9", b"-rf", "\u202e.txt".encode(), b"dir/\\\"'$(x)"]
READABLE = sorted(["\x1b[2J\nnext\r", "caf\\udce9", "-rf", "\u202e.txt", "dir/\\\"'$(x)"])


def write(work: Path, names: list[bytes], content: str) -> str:
    for name in names:
        path = os.path.join(os.fsencode(work), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_text(content)
    git_in(work, "add", "-A")
    git_in(work, "commit", "-qm", "x")
    return git_in(work, "rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "work", {"README": "one\n"})


def branches(work: Path, names: list[bytes]) -> tuple[str, str]:
    """Two commits that both change these files, and each another one."""
    base = write(work, names, "base\n")
    one = write(work, [*names, b"mine"], "one\n")
    git_in(work, "checkout", "-q", "--detach", base)
    return one, write(work, [*names, b"theirs"], "other\n")


def things(place: Path) -> set[Path]:
    return set(place.rglob("*"))


async def test_names_are_told_whatever_they_are_and_nothing_stays(work: Path, tmp_path: Path) -> None:
    one, other = branches(work, BYTES)
    git_in(work, "branch", "one", one)
    git_in(work, "branch", "other", other)
    mirror = make_bare_clone(work, tmp_path / "mirror: 'a'.git")
    before = things(mirror)
    found = await conflicting_files(Git(), mirror, tmp_path / "scratch", one, other)
    assert found == READABLE
    assert await conflicting_files(Git(), mirror, tmp_path / "scratch", one, one) == []
    assert things(mirror) == before


def split(work: Path) -> tuple[str, str]:
    """A commit that moves a directory's files to two others, and one that adds a file to it."""
    base = write(work, [b"a/1", b"a/2", b"a/3", b"a/4"], "".join(f"{line}\n" for line in range(9)))
    for name, place in (("1", "b"), ("2", "b"), ("3", "c"), ("4", "c")):
        (work / place).mkdir(exist_ok=True)
        git_in(work, "mv", f"a/{name}", f"{place}/{name}")
    git_in(work, "commit", "-qm", "Split")
    moved = git_in(work, "rev-parse", "HEAD")
    git_in(work, "checkout", "-q", "--detach", base)
    return moved, write(work, [b"a/new"], "new\n")


async def test_a_conflict_in_no_file_is_no_clean_merge(work: Path, tmp_path: Path) -> None:
    moved, added = split(work)
    tried = await try_merge(Git(), work / ".git", moved, added, seconds=60)
    assert tried is not None
    assert (tried.clean, tried.stages) == (False, ())
    assert await conflicting_files(Git(), work / ".git", tmp_path / "scratch", moved, added) is None
    git_in(work, "branch", "-f", "main", moved)
    git_in(work, "branch", "change", added)
    remote = make_bare_clone(work, tmp_path / "remote.git")
    own = make_bare(tmp_path / "own.git")
    with pytest.raises(Conflict, match="moved its files"):
        await BareForge(Git(), Access()).merge(
            own, str(remote), branch="change", base_branch="main", commit=added, title="Add a file"
        )
    assert git_in(remote, "rev-parse", "main") == moved


async def test_what_can_not_be_told_is_none(work: Path, tmp_path: Path) -> None:
    one, other = branches(work, [b"a"])
    tree = git_in(work, "rev-parse", "HEAD^{tree}")
    alone = git_in(work, "commit-tree", "-m", "alone", tree)
    scratch = tmp_path / "scratch"
    for wrong in ("0" * 40, tree, alone):
        assert await conflicting_files(Git(), work / ".git", scratch, one, wrong) is None
    assert await conflicting_files(Git(), work / ".git", scratch, one, other, seconds=0.0) is None
    with pytest.raises(Exception, match="not an object id"):
        await conflicting_files(Git(), work / ".git", scratch, one, "--help")


def of_many(work: Path, names: list[str], content: str, *parents: str) -> str:
    """A commit of these files, none of which is ever written to the disk."""

    def git(*words: str, said: str = "") -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words],
            cwd=work,
            input=said,
            text=True,
            capture_output=True,
            check=True,
        )
        return done.stdout.strip()

    blob = git("hash-object", "-w", "--stdin", said=content)
    git("read-tree", "--empty")
    git("update-index", "--index-info", said="".join(f"100644 {blob}\t{name}\n" for name in names))
    return git("commit-tree", "-m", "x", *(f"-p{one}" for one in parents), git("write-tree"))


async def test_of_very_many_names_the_first_are_told(work: Path, tmp_path: Path) -> None:
    # Together they are longer than what is read.
    names = [f"{'d' * 200}/{'e' * 200}/{number:05}{'f' * 200}" for number in range(1900)]
    base = of_many(work, names, "base")
    one, other = (of_many(work, names, word, base) for word in ("one", "other"))
    found = await conflicting_files(Git(), work / ".git", tmp_path / "scratch", one, other)
    assert found is not None
    assert 1000 < len(found) < len(names)
    assert set(found) <= set(names)


async def test_what_merges_write_is_bounded_and_goes_after_each(work: Path, tmp_path: Path) -> None:
    def commit(name: str) -> str:
        git_in(work, "checkout", "-q", "-B", name, "main")
        return write(work, [b"a"], random.Random(name).randbytes(75_000).hex())

    git_in(work, "branch", "-M", "main")
    commits = [commit(f"branch-{number}") for number in range(4)]
    mirrors = Mirrors(tmp_path / "mirrors", Git(), 1 << 30)
    merges = [TrialMerge(commit=commits[0], other=other, base_branch="main") for other in commits[1:]]
    left = tmp_path / "tmp" / "compare-killed"
    left.mkdir(parents=True)
    await reap(tmp_path, "mark")

    async def tried(most_bytes: int) -> list[int]:
        errand = CompareErrand(merges=merges)
        report = await compare(Git(), mirrors, tmp_path / "tmp", str(work), errand, most_bytes=most_bytes)
        assert list((tmp_path / "tmp").iterdir()) == []
        return [one.total for one in report.results]

    # Each writes the file with its conflict, of more than a hundred kilobytes.
    assert await tried(300_000) == [1, 1, 1]
    assert await tried(100_000) == []
