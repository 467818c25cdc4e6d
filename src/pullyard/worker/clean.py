"""What takes room in a worker's data directory, what of it may go, and why the rest stays.

Safe beside a running worker: each thing is removed under the locks that its users hold.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec
import structlog

from pullyard.files.locks import is_free, take
from pullyard.worker import checkouts, homes, mirrors, trees
from pullyard.worker.context import KEPT_LOGS
from pullyard.worker.disk import changed_at, size_bytes
from pullyard.worker.journal import JOURNAL, KEPT, Journal
from pullyard.worker.mirrors import EXECUTIONS, KEY, AboutMirror, needed_by, why_it_stays
from pullyard.worker.programs import shelf

logger = structlog.get_logger(__name__)

MIRRORS, CHECKOUTS = "mirrors", "checkouts"
WORKER_LOCK = "lock"
IN_USE = "in use"


class Kind(StrEnum):
    """In the order in which they go: what is made again the fastest first."""

    LEFTOVER = "leftover"
    """Of something that ended while it was made or removed."""
    CHECKOUT = "checkout"
    ENVIRONMENT = "environment"
    """The home that a project's tasks share; emptied, as containers have it mounted."""
    MIRROR = "mirror"
    PROGRAM = "program"
    """A version of an agent's."""
    EXECUTION = "execution"
    LOGS = "logs"


@dataclass(frozen=True)
class Place:
    kind: Kind
    path: Path
    size_bytes: int
    used_at: float
    """Last, in seconds since 1970."""
    about: str
    """For people: the repository, or the execution; empty where nothing tells."""
    stays: str | None
    """Why; None is for what may go."""


def survey(data: Path, *, unused_seconds: float = 0.0) -> list[Place]:
    """All that takes room, in the order in which it goes; what was used within that time stays.

    Changes nothing, and what it says may be outdated when it is said. Raises OSError.
    """
    latest = time.time() - unused_seconds if unused_seconds else None
    caches = [*_checkouts(data / CHECKOUTS), *_environments(data), *_mirrors(data), *_programs(data)]
    found = [*caches, *_executions(data), *_logs(data / KEPT_LOGS)]
    order = list(Kind)
    found.sort(key=lambda place: (order.index(place.kind), place.used_at, place.path))
    return [_too_young(place, latest) for place in found]


def remove(place: Place) -> str | None:
    """Remove what ``survey`` says may go; or why it stays after all. Raises OSError."""
    if place.stays is not None:
        return place.stays
    try:
        match place.kind:
            case Kind.CHECKOUT:
                return checkouts.give_up(place.path)
            case Kind.ENVIRONMENT:
                return homes.give_up(place.path, homes.projects_with_work(homes.data_of(place.path)))
            case Kind.MIRROR:
                return mirrors.give_up(place.path, needed_by(place.path.parent.parent / EXECUTIONS))
            case Kind.PROGRAM:
                return shelf.give_up(place.path)
            case _:
                return _remove_leftover(place.path)
    except FileNotFoundError:
        return "somebody else removed it just now"


def make_room(data: Path, enough: Callable[[], bool]) -> int:
    """Remove caches, those unused for longest first, until there is ``enough``; how many went.

    One that can't be removed is passed over. Raises OSError where what is there can't be looked at.
    """
    removed = 0
    for place in survey(data):
        if enough():
            break
        if place.stays is not None or place.kind is Kind.LEFTOVER:
            continue
        try:
            removed += remove(place) is None
        except OSError as error:
            logger.warning("a cache could not be removed", path=str(place.path), problem=str(error))
    return removed


def _too_young(place: Place, latest: float | None) -> Place:
    if latest is None or place.stays is not None or place.used_at <= latest:
        return place
    return replace(place, stays="used a short time ago")


def _checkouts(root: Path) -> Iterator[Place]:
    for path in checkouts.find_checkouts(root):
        about = checkouts.read_about(path)
        free = is_free(path / "use") and is_free(path.parent / "lock")
        yield Place(
            Kind.CHECKOUT,
            path,
            size_bytes(path),
            checkouts.used_at(path),
            about.repository if about else "",
            None if free else IN_USE,
        )
    for path in root.glob(f"*/*{checkouts.GONE}"):
        yield _leftover(path, None if is_free(path.parent / "lock") else IN_USE)


def _environments(data: Path) -> Iterator[Place]:
    working = homes.projects_with_work(data)
    for home in homes.find_homes(data):
        stays = homes.why_it_stays(home, working) if homes.is_unused(home) else IN_USE
        yield Place(
            Kind.ENVIRONMENT, home, size_bytes(home), homes.used_at(home), homes.project_of(home), stays
        )


def _mirrors(data: Path) -> Iterator[Place]:
    root = data / MIRRORS
    needed = needed_by(data / EXECUTIONS)
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        key = path.name.partition(".")[0]
        if not path.is_dir() or not KEY.fullmatch(key):
            continue
        free = is_free(root / f"{key}.lock") and is_free(root / f"{key}.use")
        stays = why_it_stays(path, needed) if free else IN_USE
        if key != path.name:
            yield _leftover(path, stays)
            continue
        yield Place(Kind.MIRROR, path, size_bytes(path), changed_at(path), _repository_of(path), stays)


def _programs(data: Path) -> Iterator[Place]:
    here = shelf.shelf_in(data)
    for home in sorted(here.directory.iterdir()) if here.directory.is_dir() else ():
        busy = None if is_free(home / shelf.LOCK) else IN_USE
        current = here.installed(home.name)
        for version in here.versions(home.name):
            stays = "tasks get it" if current is not None and current.version == version else busy
            yield _version(home / version, stays)
        for path in home.glob(f"{shelf.HALF}*"):
            yield _leftover(path, busy)


def _version(path: Path, stays: str | None) -> Place:
    used = shelf.use_of(path)
    moment = changed_at(used if used.exists() else path)
    stays = stays or (None if is_free(used) else IN_USE)
    return Place(Kind.PROGRAM, path, size_bytes(path), moment, f"{path.parent.name} {path.name}", stays)


def _why_damaged_stays(path: Path) -> str | None:
    """Sandboxes have the objects mounted that they began with, also of a mirror that was made anew since."""
    if not is_free(path.with_name(f"{path.name.partition('.')[0]}.use")):
        return IN_USE
    return why_it_stays(path, needed_by(path.parent.parent / EXECUTIONS))


def _repository_of(mirror: Path) -> str:
    try:
        return msgspec.json.decode((mirror / "about.json").read_bytes(), type=AboutMirror).repository
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _executions(data: Path) -> Iterator[Place]:
    root = data / EXECUTIONS
    known = {one.directory: one for name in (JOURNAL, KEPT) for one in Journal.find_all(root, name)}
    # A worker that runs may be making it just now.
    stopped = is_free(data / WORKER_LOCK)
    for path in sorted(root.glob("exec_*/")):
        if not any((path / name).exists() for name in (JOURNAL, KEPT)):
            yield _leftover(path, None if stopped else "the worker runs, and may be making it just now")
            continue
        grant = known[path].record.grant if path in known else None
        about = f"{grant.project_name}#{grant.task.number} {grant.task.title}" if grant else ""
        yield Place(Kind.EXECUTION, path, size_bytes(path), changed_at(path), about, _why(path, known))


def _why(path: Path, known: Iterable[Path]) -> str:
    if path not in known:
        return "its journal can't be read: copy from its ws/ what you need, and remove it by hand"
    if (path / KEPT).exists():
        return "holds unfinished work that is not saved: 'pullyard worker salvage'"
    return "runs, or goes on when the worker starts"


def _logs(root: Path) -> Iterator[Place]:
    if root.is_dir():
        stays = "the only copy of these logs"
        yield Place(Kind.LOGS, root, size_bytes(root), changed_at(root), "", stays)


def _leftover(path: Path, stays: str | None) -> Place:
    return Place(Kind.LEFTOVER, path, size_bytes(path), changed_at(path), path.name, stays)


def _remove_leftover(path: Path) -> str | None:
    """Under the lock of whoever may make or need it: the worker, the mirror's, or the checkouts'."""
    match path.parent.name:
        case str(name) if name == EXECUTIONS:
            guard = path.parent.parent / WORKER_LOCK
        case str(name) if name == MIRRORS:
            guard = path.parent / f"{path.name.partition('.')[0]}.lock"
        case _:
            guard = path.parent / "lock"
    lock = take(guard)
    if lock is None:
        return IN_USE
    try:
        if path.parent.name == MIRRORS and (stays := _why_damaged_stays(path)):
            return stays
        if any((path / name).exists() for name in (JOURNAL, KEPT)):
            return IN_USE
        trees.remove(path)
    finally:
        lock.release()
    return None
