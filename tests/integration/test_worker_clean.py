"""Room on a worker: what goes for it, and what never does."""

import asyncio
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pullyard.agents.protocol import Invocation
from pullyard.files.locks import take
from pullyard.git.program import Git
from pullyard.protocol.worker import RepositorySpec
from pullyard.worker.checkouts import find_checkouts
from pullyard.worker.clean import Kind, make_room, remove, survey
from pullyard.worker.disk import has_room
from pullyard.worker.harvest import Source
from pullyard.worker.journal import KEPT, Journal
from pullyard.worker.mirrors import Mirror, Mirrors
from pullyard.worker.programs.shelf import Shelf, shelf_in
from pullyard.worker.salvage import keep
from pullyard.worker.saved_here import drop, find_kept
from pullyard.worker.workspaces import Start, Workspaces
from tests.repositories import commit_files, git_in, make_repository
from tests.unit.test_worker_journal import GRANT

WORKER = "worker"


class Machine:
    """A worker's data directory without a worker."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data = place / WORKER
        self.mirrors = Mirrors(self.data / "mirrors", Git(), 1 << 30, closed=self.data)
        self.workspaces = Workspaces(self.data / "checkouts", Git(), self.mirrors, overlay=False)
        (self.data / "executions").mkdir(parents=True)
        (self.data / "lock").touch()

    def repository(self, name: str) -> Path:
        return make_repository(self.place / name, {"a.txt": f"{name}\n"})

    async def checkout(self, repository: Path, name: str) -> Path:
        """The execution's directory that uses it."""
        mirror = await self.mirrors.refresh(str(repository))
        branch, commit = mirror.resolve(None)
        directory = self.place / "uses" / name
        await self.workspaces.prepare(mirror, Start(commit, branch, "pullyard/1-x"), directory, None)
        return directory

    async def mirror(self, repository: Path) -> Mirror:
        return await self.mirrors.refresh(str(repository))

    async def salvage(self, repository: Path) -> Mirror:
        mirror = await self.mirror(repository)
        base = git_in(repository, "rev-parse", "HEAD")
        commit = commit_files(repository, {"half.txt": "half\n"})
        git_in(repository, "reset", "-q", "--hard", base)
        source = Source(mirror, base, repository / "index", repository / ".git")
        await keep(Git(), source, "exec_saved", commit)
        return mirror

    def execution(self, name: str, repository: Path) -> Journal:
        grant = replace(GRANT, execution_id=name, repository=RepositorySpec(url=str(repository)))
        return Journal.create(self.data / "executions", grant, 0)

    async def clean(self, *flags: str) -> dict[str, Any]:
        words = ("-m", "pullyard.cli", "worker", "clean", "--json", "--data", str(self.place), *flags)
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=-1, stderr=-1)
        said, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()
        return json.loads(said)

    def everything(self) -> set[Path]:
        return set(self.data.rglob("*"))


def why(document: dict[str, Any], path: Path) -> str:
    return next(one["stays"] for one in document["kept"] if one["path"] == str(path))


async def test_clean_removes_what_a_dry_run_says_and_nothing_else(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    free, saved, needed, used = map(machine.repository, ("free", "saved", "needed", "used"))
    idle = await machine.checkout(free, "idle")
    machine.workspaces.release(idle)
    await machine.checkout(used, "busy")
    with_work = await machine.salvage(saved)
    for_unsaved = await machine.mirror(needed)
    running = machine.execution("exec_running", used)
    unsaved = machine.execution("exec_unsaved", needed)
    unsaved.keep()
    half_made = machine.data / "executions" / "exec_half"
    (half_made / "ws").mkdir(parents=True)
    before = machine.everything()

    told = await machine.clean("--dry-run")
    assert machine.everything() == before
    assert {one["kind"] for one in told["removed"]} == {"checkout", "mirror", "leftover"}
    assert why(told, with_work.place) == "holds the unfinished work of exec_saved"
    assert why(told, for_unsaved.place) == "needed by exec_unsaved"
    assert "not saved" in why(told, unsaved.directory)
    assert "goes on" in why(told, running.directory)
    assert [one["stays"] for one in told["kept"] if one["about"] == str(used)] == ["in use"] * 2

    assert (await machine.clean("--unused-days", "1"))["removed"] == []
    done = await machine.clean()
    assert done["removed"] == told["removed"]
    assert done["freed_bytes"] == told["freed_bytes"] > 0
    gone = [Path(one["path"]) for one in told["removed"]]
    assert half_made in gone
    left = {path for path in before if not any(path.is_relative_to(one) for one in gone)}
    assert machine.everything() == left


async def test_what_another_clean_has_removed_meanwhile_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.workspaces.release(await machine.checkout(machine.repository("repository"), "idle"))
    (machine.data / "executions" / "exec_half").mkdir()
    found = survey(machine.data)
    assert [remove(place) for place in found] == [None] * 3
    again = [(place.kind, remove(place)) for place in found]
    assert dict(again)[Kind.CHECKOUT] == "somebody else removed it just now"
    assert survey(machine.data) == []


async def test_a_beginning_execution_is_left_to_a_worker_that_runs(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    begins = machine.data / "executions" / "exec_begins"
    begins.mkdir()
    lock = take(machine.data / "lock")
    assert lock is not None
    assert "the worker runs" in why(await machine.clean(), begins)
    assert begins.exists()
    lock.release()


async def test_checkouts_above_the_quota_go_but_those_in_use(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    repository = machine.repository("repository")
    first = await machine.checkout(repository, "first")
    commit_files(repository, {"b.txt": "b\n"})
    second = await machine.checkout(repository, "second")
    commit_files(repository, {"c.txt": "c\n"})
    await machine.checkout(repository, "third")
    machine.workspaces.release(first)
    machine.workspaces.quota_bytes = 0
    machine.workspaces.collect()
    left = find_checkouts(machine.data / "checkouts")
    assert sorted(place.name for place in left) == ["1", "2"]
    assert all((place / "tree" / "b.txt").exists() for place in left)
    # Its number is free again, and the two that are there are not touched.
    commit_files(repository, {"d.txt": "d\n"})
    await machine.checkout(repository, "fourth")
    assert sorted(place.name for place in find_checkouts(machine.data / "checkouts")) == ["0", "1", "2"]
    machine.workspaces.release(second)


async def test_a_quota_leaves_the_mirror_that_unsaved_work_needs(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    repository, other = machine.repository("repository"), machine.repository("other")
    mirror, free = await machine.mirror(repository), await machine.mirror(other)
    machine.execution("exec_unsaved", repository).keep()
    machine.mirrors.quota_bytes = 0
    await machine.mirrors.collect()
    assert (mirror.place.exists(), free.place.exists()) == (True, False)


async def test_room_is_made_of_caches_until_there_is_enough(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    repository = machine.repository("repository")
    machine.workspaces.release(await machine.checkout(repository, "idle"))
    with_work = await machine.salvage(repository)
    assert make_room(machine.data, lambda: not find_checkouts(machine.data / "checkouts")) == 1
    assert make_room(machine.data, lambda: False) == 0
    assert with_work.path.exists()


def lived_in(data: Path, project: str) -> Path:
    """The home of a project's environment, with something that goes deep."""
    place = data / "environments" / project
    home = place / "home"
    (home / ".cache/a").mkdir(parents=True)
    (home / ".cache/a/b").write_text("cached\n")
    (home / "link").symlink_to(data / "lock")
    (place / "used").touch()
    return home


async def test_homes_of_environments_are_room_unless_their_project_is_at_work(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    home, held, working = (lived_in(machine.data, name) for name in ("prj_free", "prj_held", "proj_1"))
    machine.execution("exec_unsaved", machine.repository("repository")).keep()
    lock = take(machine.data / "environments" / "prj_held.lock")
    assert lock is not None
    told = await machine.clean("--dry-run")
    assert [(one["kind"], one["about"], one["path"]) for one in told["removed"]] == [
        ("environment", "prj_free", str(home))
    ]
    assert why(told, held) == "in use"
    assert "not over" in why(told, working)
    assert make_room(machine.data, lambda: False) == 1
    # Containers have the directory itself mounted.
    assert (home.is_dir(), list(home.iterdir()), (machine.data / "lock").exists()) == (True, [], True)
    assert all((kept / ".cache/a/b").exists() for kept in (held, working))
    found = {place.path: place for place in survey(machine.data)}
    assert home not in found
    Journal.find_all(machine.data / "executions", KEPT)[0].remove()
    stale = dataclasses.replace(found[held], stays=None)
    assert remove(stale) == "in use", "whoever came after the survey"
    lock.release()
    assert remove(stale) is None


def test_a_disk_has_room_by_bytes(tmp_path: Path) -> None:
    assert has_room(tmp_path, 0)
    assert not has_room(tmp_path, 1 << 60)


async def test_work_of_another_version_is_listed_and_dropped_by_a_person_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    directory = machine.execution("exec_other", machine.repository("repository")).directory
    (directory / "journal.json").write_text("{}")
    (one,) = find_kept(machine.data)
    assert (one.work.execution_id, one.state) == ("exec_other", "unreadable")
    assert "can't be read" in why(await machine.clean(), directory)
    await drop(Git(), one)
    assert find_kept(machine.data) == []


def test_an_execution_that_is_half_removed_is_nobodys_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    journal = machine.execution("exec_unsaved", machine.repository("repository"))
    journal.keep()
    # No program that removes a tree is found, as if the removal were cut off at its beginning.
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="rm"):
        journal.remove()
    assert journal.directory.exists()
    assert Journal.find_all(machine.data / "executions", KEPT) == []


def shelved(machine: Machine, name: str, *versions: str) -> Shelf:
    """The last of the versions is what tasks get."""
    shelf = shelf_in(machine.data)
    for version in versions:
        path = shelf.home(name) / version
        path.mkdir(parents=True)
        (path / "about.json").write_text("{}")
    (shelf.home(name) / "current").symlink_to(versions[-1])
    return shelf


async def test_programs_that_tasks_do_not_get_any_more_go_once_none_uses_them(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    shelf = shelved(machine, "codex", "1.0", "1.1", "1.2")
    home = shelf.home("codex")
    (home / ".half-killed").mkdir()
    (home / "current").unlink()
    (home / "current").symlink_to("1.1")
    with shelf.supplied(Invocation(["x"], program="codex")) as running:
        assert list(running.programs.values()) == [home / "1.1"]
        (home / "current").unlink()
        (home / "current").symlink_to("1.2")
        told = await machine.clean("--dry-run")
        assert {one["path"] for one in told["removed"]} == {str(home / "1.0"), str(home / ".half-killed")}
        assert (why(told, home / "1.1"), why(told, home / "1.2")) == ("in use", "tasks get it")
        place = next(one for one in survey(machine.data) if one.path == home / "1.1")
        assert remove(dataclasses.replace(place, stays=None)) == "in use", "begun to be used meanwhile"
    await machine.clean()
    assert shelf.versions("codex") == ["1.2"]
    assert {path.name for path in home.iterdir()} <= {"1.2", "1.2.use", "current", "lock"}
    place = next(one for one in survey(machine.data) if one.path == home / "1.2")
    assert remove(dataclasses.replace(place, stays=None)) == "tasks get it"
