"""What unfinished work a mirror holds: read from plain files, so that no damage to the mirror hides it.

Beside ``repository.git``, ``salvage/<execution>.json`` notes whose work it is. The reference is the truth; a
note stands in for one that can't be read any more.
"""

import re
from pathlib import Path

import msgspec

from pullyard.files.writes import replace_file
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import RequestError

SALVAGE = "refs/pullyard/salvage/"
REPOSITORY = "repository.git"
NOTES = "salvage"

_EXECUTION = re.compile(r"[A-Za-z0-9_-]{1,80}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PACKED = re.compile(
    rb"^([0-9a-f]{40}(?:[0-9a-f]{24})?) " + SALVAGE.encode() + rb"([A-Za-z0-9_-]{1,80})$", re.MULTILINE
)


class SavedWork(msgspec.Struct, kw_only=True):
    """One note. What a note does not say is empty, such as for a mirror that lost its notes."""

    execution_id: str
    commit: str
    base_commit: str = ""
    repository: str = ""
    """The address, without a login."""
    project_id: str = ""
    project_name: str = ""
    fence: int = 0
    """By which the coordinator can be told of it; 0 where nobody knows any more."""
    task_id: str = ""
    task_number: int = 0
    title: str = ""
    reason: Reason | None = None
    saved_at: float = 0.0
    """Seconds since 1970."""
    pushed: bool = False
    """Whether the repository itself has it, under the same reference."""
    signed: str = ""
    """``digest_of_wish`` of the signed task; empty where no signature was demanded."""


def salvage_ref(execution_id: str) -> str:
    if not _EXECUTION.fullmatch(execution_id):
        raise RequestError(f"{execution_id[:80]!r} is not an execution's id.", code="invalid-execution")
    return f"{SALVAGE}{execution_id}"


def saved_in(place: Path) -> dict[str, SavedWork]:
    """All that the mirror directory ``place`` holds, by execution. Raises OSError where it is unreadable."""
    notes = _read_notes(place)
    found = dict(notes)
    for execution_id, commit in _references(place / REPOSITORY).items():
        known = notes.get(execution_id)
        if known is None or known.commit != commit:
            found[execution_id] = SavedWork(execution_id=execution_id, commit=commit)
    return found


def lost_in(place: Path) -> dict[str, SavedWork]:
    """Of what ``saved_in`` finds, that which no reference names any more: only its note tells of it."""
    notes = _read_notes(place)
    named = _references(place / REPOSITORY) if notes else {}
    return {execution: note for execution, note in notes.items() if execution not in named}


def write_note(place: Path, note: SavedWork) -> None:
    (place / NOTES).mkdir(exist_ok=True)
    salvage_ref(note.execution_id)
    text = msgspec.json.format(msgspec.json.encode(note), indent=2)
    replace_file(place / NOTES / f"{note.execution_id}.json", text)


def remove_note(place: Path, execution_id: str) -> None:
    salvage_ref(execution_id)
    (place / NOTES / f"{execution_id}.json").unlink(missing_ok=True)


def _read_notes(place: Path) -> dict[str, SavedWork]:
    notes = map(_read_note, sorted((place / NOTES).glob("*.json")))
    return {note.execution_id: note for note in notes if note is not None}


def _read_note(path: Path) -> SavedWork | None:
    try:
        note = msgspec.json.decode(path.read_bytes(), type=SavedWork)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    sound = _EXECUTION.fullmatch(note.execution_id) and _COMMIT.fullmatch(note.commit)
    return note if sound and path.stem == note.execution_id else None


def _references(repository: Path) -> dict[str, str]:
    try:
        packed = (repository / "packed-refs").read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        packed = b""
    found = {name.decode(): commit.decode() for commit, name in _PACKED.findall(packed)}
    for path in (repository / SALVAGE).glob("*"):
        text = path.read_bytes()[:80].decode("ascii", "replace").strip() if path.is_file() else ""
        if _EXECUTION.fullmatch(path.name) and _COMMIT.fullmatch(text):
            found[path.name] = text
    return found
