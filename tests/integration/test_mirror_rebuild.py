"""When a mirror is made anew, and what those keep who work with the old one."""

import os
import subprocess
from pathlib import Path

import pytest

from pullyard.git.program import Git
from pullyard.lifecycle.reasons import Reason
from pullyard.worker.clean import Kind, remove, survey
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.mirrors import Mirror
from pullyard.worker.saved_work import SavedWork, write_note
from pullyard.worker.workspaces import Start
from tests.integration.test_worker_clean import Machine
from tests.repositories import commit_files, git_in, make_repository


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def asides(mirror: Mirror) -> list[Path]:
    return sorted(mirror.place.parent.glob(f"{mirror.key}.damaged*"))


def break_head(mirror: Mirror) -> None:
    (mirror.path / "HEAD").write_bytes(b"")


def has(objects: Path, commit: str) -> bool:
    """Whether a sandbox that has these objects mounted can read all of a commit."""
    words = ["git", "rev-list", "--objects", "--quiet", commit]
    environment = {**os.environ, "GIT_DIR": str(objects.parent), "GIT_OBJECT_DIRECTORY": str(objects)}
    return subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0


async def test_a_checkout_that_fails_for_other_reasons_leaves_the_mirror(machine: Machine) -> None:
    repository = machine.repository("repository")
    blob = git_in(repository, "rev-parse", "HEAD:a.txt")
    git_in(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob},{'n' * 300}")
    git_in(repository, "commit", "-q", "-m", "Long")
    mirror = await machine.mirror(repository)
    before = mirror.place.stat()
    with pytest.raises(PhaseFailed, match="File name too long") as failed:
        await machine.checkout(repository, "one")
    assert failed.value.reason is Reason.SETUP_FAILED
    assert os.path.samestat(before, mirror.place.stat())
    assert asides(mirror) == []


async def test_a_checkout_finds_rot_that_a_quick_look_does_not(machine: Machine) -> None:
    content = os.urandom(50_000)
    repository = make_repository(machine.place / "repository", {"b.bin": content})
    mirror = await machine.mirror(repository)
    blob = git_in(repository, "rev-parse", "HEAD:b.bin")
    objects = mirror.path / "objects"
    (path,) = [*objects.glob(f"{blob[:2]}/{blob[2:]}"), *objects.glob("pack/*.pack")]
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(25_000)
        file.write(bytes(64))
    directory = await machine.checkout(repository, "one")
    assert (directory / "upper" / "b.bin").read_bytes() == content


async def test_whoever_uses_a_damaged_mirror_keeps_its_objects(machine: Machine) -> None:
    repository = machine.repository("repository")
    mirror = await machine.mirror(repository)
    base = git_in(repository, "rev-parse", "HEAD")
    held = await machine.mirrors.hold(mirror)
    break_head(mirror)
    await machine.mirror(repository)
    (aside,) = asides(mirror)
    (aside / "repository.git" / "HEAD").write_text("ref: refs/heads/main\n")
    (aside / "repository.git" / "refs").mkdir(exist_ok=True)
    assert has(aside / "repository.git" / "objects", base)
    (leftover,) = [one for one in survey(machine.data) if one.kind is Kind.LEFTOVER]
    assert (leftover.path, leftover.stays) == (aside, "in use")
    held.release()
    await machine.mirror(repository)
    assert asides(mirror) == []


async def test_clean_looks_again_before_it_removes_a_damaged_mirror(machine: Machine) -> None:
    repository = machine.repository("repository")
    mirror = await machine.mirror(repository)
    held = await machine.mirrors.hold(mirror)
    break_head(mirror)
    await machine.mirror(repository)
    held.release()
    (leftover,) = [one for one in survey(machine.data) if one.kind is Kind.LEFTOVER]
    held = await machine.mirrors.hold(mirror)
    assert remove(leftover) == "in use"
    held.release()
    assert remove(leftover) is None
    assert asides(mirror) == []


async def test_the_base_of_an_execution_outlives_a_forced_push_and_damage(machine: Machine) -> None:
    repository = machine.repository("repository")
    commit_files(repository, {"b.txt": "b\n"})
    mirror = await machine.mirror(repository)
    branch, base = mirror.resolve(None)
    journal = machine.execution("exec_runs", repository)
    journal.record.base_commit = base
    journal.save()
    git_in(repository, "reset", "-q", "--hard", "HEAD^")
    commit_files(repository, {"c.txt": "c\n"})
    git_in(repository, "reflog", "expire", "--expire=now", "--all")
    git_in(repository, "gc", "-q", "--prune=now")
    break_head(mirror)
    again = await machine.mirror(repository)
    assert asides(mirror) == []
    assert again.resolve(None)[1] != base
    directory = machine.place / "uses" / "later"
    workspace = await machine.workspaces.prepare(again, Start(base, branch, "pullyard/1-x"), directory, None)
    assert (workspace.upper / "b.txt").read_text() == "b\n"


async def test_a_damaged_mirror_takes_the_first_free_name(machine: Machine) -> None:
    repository = machine.repository("repository")
    mirror = await machine.mirror(repository)
    second = mirror.place.with_name(f"{mirror.key}.damaged-1")
    second.mkdir()
    write_note(second, SavedWork(execution_id="exec_lost", commit="1" * 40))
    break_head(mirror)
    again = await machine.mirror(repository)
    assert await again.top_names(again.resolve(None)[1]) == ["a.txt"]
    assert asides(mirror) == [second]


async def test_a_full_quota_is_a_full_disk() -> None:
    program = ("sh", "-c", "echo 'error: unable to write file x: Disk quota exceeded' >&2; exit 128")
    with pytest.raises(OSError, match="disk is full"):
        await Git(program=program).run("version")
