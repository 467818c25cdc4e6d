"""The unfinished work on this machine, found without a coordinator: listed, shown, exported and dropped.

Safe beside a running worker: a mirror is changed under its lock, and a directory that is worked in is left.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pullyard.files.locks import locked, take
from pullyard.git.names import check_object_id
from pullyard.git.program import Git
from pullyard.protocol.errors import Conflict, NotFound, RequestError
from pullyard.protocol.worker import Diffstat
from pullyard.worker import trees
from pullyard.worker.diffs import read_diff, read_diffstat
from pullyard.worker.disk import size_bytes
from pullyard.worker.journal import JOURNAL, KEPT, Journal
from pullyard.worker.kept import lock_path
from pullyard.worker.mirrors import KEY
from pullyard.worker.saved_work import REPOSITORY, SavedWork, lost_in, remove_note, salvage_ref, saved_in

DIFF_BYTES = 4 << 20
LISTED = "'pullyard worker salvage list' has the ids of the executions that left some"
PATCH_SECONDS = 600.0


@dataclass(frozen=True)
class Kept:
    """One execution's work in one repository."""

    work: SavedWork
    place: Path
    """The mirror; of work that is not saved yet, the execution's own directory."""
    state: str
    """``saved``; ``damaged`` can't be read whole: its mirror was made anew without it, or has lost its
    reference; ``unsaved`` is files alone; ``unreadable`` too, and nothing tells whose."""


def find_kept(data: Path) -> list[Kept]:
    """The oldest first."""
    mirrors, executions = data / "mirrors", data / "executions"
    found: list[Kept] = []
    for place in sorted(mirrors.iterdir()) if mirrors.is_dir() else []:
        if place.is_dir():
            lost = lost_in(place)
            found += [
                Kept(work, place, "saved" if KEY.fullmatch(place.name) and name not in lost else "damaged")
                for name, work in saved_in(place).items()
            ]
    found += unreadable(executions)
    for journal in Journal.find_all(executions, KEPT) if executions.is_dir() else []:
        grant = journal.record.grant
        note = SavedWork(
            execution_id=grant.execution_id,
            commit="",
            base_commit=journal.record.base_commit or "",
            repository=grant.repository.url,
            project_id=grant.project_id,
            project_name=grant.project_name,
            task_id=grant.task.id,
            task_number=grant.task.number,
            title=grant.task.title,
            saved_at=float(journal.record.begun_at),
        )
        found.append(Kept(note, journal.directory, "unsaved"))
    return sorted(found, key=lambda one: one.work.saved_at)


def unreadable(executions: Path) -> list[Kept]:
    """Of a worker of another version, perhaps: no worker of this one takes it up or saves it."""
    known = {one.directory for name in (JOURNAL, KEPT) for one in Journal.find_all(executions, name)}
    return [
        Kept(
            SavedWork(execution_id=place.name, commit="", saved_at=place.stat().st_mtime), place, "unreadable"
        )
        for place in sorted(executions.glob("exec_*/"))
        if place not in known and any((place / name).exists() for name in (JOURNAL, KEPT))
    ]


def kept_of(data: Path, execution_id: str) -> list[Kept]:
    """In every repository it worked in. Raises NotFound."""
    found = [one for one in find_kept(data) if one.work.execution_id == execution_id]
    if not found:
        raise NotFound(f"unfinished work on this machine: {LISTED}")
    return found


def bytes_of(kept: Kept) -> int | None:
    """The disk space, known only of what has a directory of its own."""
    return None if kept.work.commit else size_bytes(kept.place)


async def read_kept(git: Git, kept: Kept) -> tuple[Diffstat, str, bool]:
    """The counts, the diff, and whether it was cut. Raises GitFailed for a damaged mirror."""
    base, commit = await _range(git, kept)
    repository = kept.place / REPOSITORY
    diff, cut = await read_diff(git, repository, base, commit, DIFF_BYTES)
    return await read_diffstat(git, repository, base, commit), diff, cut


async def export(git: Git, kept: Kept, target: Path) -> None:
    """Write a patch that ``git am`` takes. Raises FileExistsError, and GitFailed for a damaged mirror."""
    base, commit = await _range(git, kept)
    words = ("format-patch", "--stdout", "--binary", "--full-index", "--no-signature", f"{base}..{commit}")
    done = await git.ok(*words, git_dir=kept.place / REPOSITORY, timeout_seconds=PATCH_SECONDS)
    with target.open("xb") as file:
        file.write(done)


async def _range(git: Git, kept: Kept) -> tuple[str, str]:
    if not kept.work.commit:
        again = "start the worker, which tries again, or " if kept.state == "unsaved" else ""
        raise RequestError(
            f"This work is not saved as a commit: {again}look into {kept.place}/ws/upper; an agent wrote "
            "those files, so run nothing there.",
            code="unsaved",
        )
    commit = check_object_id(kept.work.commit)
    if kept.work.base_commit:
        return check_object_id(kept.work.base_commit), commit
    parent = await git.ok("rev-parse", "--verify", f"{commit}^", git_dir=kept.place / REPOSITORY)
    return check_object_id(parent.decode().strip()), commit


async def drop(git: Git, kept: Kept) -> None:
    """For good. Raises Conflict where a worker saves it just now."""
    if not kept.work.commit:
        drop_unsaved(kept.place)
        return
    key = kept.place.name.split(".")[0]
    async with locked(kept.place.with_name(f"{key}.lock")):
        remove_note(kept.place, kept.work.execution_id)
        reference = salvage_ref(kept.work.execution_id)
        done = await git.run("update-ref", "-d", reference, git_dir=kept.place / REPOSITORY)
        if done.exit_code:
            # A damaged mirror's references are plain files, and git may not know them any more.
            (kept.place / REPOSITORY / reference).unlink(missing_ok=True)
        if kept.work.execution_id in saved_in(kept.place):
            raise Conflict(f"Git can't forget it: {done.stderr[:200].strip()}", code="damaged")


def drop_unsaved(directory: Path) -> None:
    lock = take(lock_path(directory))
    if lock is None:
        raise Conflict("The worker is saving this work just now: look again later.", code="in-use")
    try:
        # Its record goes first: what is left of it, should this be killed now, is not saved by a worker.
        for name in (JOURNAL, KEPT):
            (directory / name).unlink(missing_ok=True)
        trees.remove(directory)
        lock_path(directory).unlink(missing_ok=True)
    finally:
        lock.release()


def age(kept: Kept) -> str:
    """For a list; empty where nothing tells."""
    if not kept.work.saved_at:
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(kept.work.saved_at))
