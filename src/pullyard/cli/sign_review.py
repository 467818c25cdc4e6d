"""What a person is shown before a signature: the coordinator it comes from may not be honest."""

import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import typer

from pullyard.cli.sanitise import one_line
from pullyard.cli.signed_work import read_key, sign_work, work_of
from pullyard.cli.terminal import Terminal
from pullyard.files.writes import replace_file
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import Project, TaskInput
from pullyard.protocol.signed_tasks import digests_of, parts_of
from pullyard.protocol.worker import Grant

TYPED = frozenset({"title", "description", "acceptance_criteria", "target_files", "budget_micros"})
"""What 'pullyard task add' takes from nobody but who calls it."""
CHOOSABLE = frozenset({"base_branch", "agent", "verify_commands"})
"""What it takes from its caller, else from the project."""
EMPTY = (None, "", [], {})
"""Parts that say nothing, as most of a plain project's do."""
KNOWN_BYTES = 1 << 20
LINE_CHARACTERS = 80


def sign_new_task(
    terminal: Terminal,
    project: Project,
    wish: TaskInput,
    *,
    reference: str,
    key: Path,
    hours: float,
    yes: bool,
) -> TaskInput:
    """``wish`` with its signature. ``reference`` is how the person named the project.

    What the project adds to the work is shown unless it is as it was at this key's last signature for the
    same reference, so that nobody can slip commands or hosts into work that is signed unseen.
    """
    private = read_key(key)
    work = work_of(project, wish)
    theirs = TYPED | {name for name in CHOOSABLE if getattr(wish, name) is not None}
    known = Known(key)
    if new := known.unseen(reference, work, besides=theirs):
        show(terminal, work, new)
        agree(terminal, f"Sign it with these settings of the project {one_line(project.name)}?", yes=yes)
        known.remember(reference, work, besides=theirs)
    return wish.model_copy(update={"signature": sign_work(work, private, hours)})


def show(terminal: Terminal, work: Grant, names: Collection[str]) -> None:
    """Each part in full: what is cut off can't be looked at."""
    parts = {name: part for name, part in parts_of(work).items() if name in names}
    width = max(map(len, parts), default=0)
    for name, part in parts.items():
        first, *others = text_of(part).splitlines() or [""]
        terminal.say_text(f"{name.ljust(width)}  {first}")
        for line in others:
            terminal.say_text(f"{' ' * width}  {line}")


def text_of(part: Any) -> str:
    if part in EMPTY:
        return "(nothing)"
    if isinstance(part, str):
        return part
    line = json.dumps(part, ensure_ascii=False)
    return line if len(line) <= LINE_CHARACTERS else json.dumps(part, ensure_ascii=False, indent=2)


def agree(terminal: Terminal, question: str, *, yes: bool) -> None:
    """Raises RequestError where nobody has said yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise RequestError(
            "Nothing was signed: look at what is shown, and add --yes where that is what you want.",
            code="not-signed",
        )
    if not typer.confirm(question, err=terminal.as_json):
        raise RequestError("Nothing was signed.", code="not-signed")


class Known:
    """Which settings of a project a key's owner has agreed to before, in a file beside the key."""

    def __init__(self, key: Path) -> None:
        self._path = key.with_name(f"{key.name}.known")

    def unseen(self, reference: str, work: Grant, *, besides: Collection[str]) -> list[str]:
        """Parts that are not as they were; at the first time those that say anything."""
        known, digests = self._read().get(reference, {}), digests_of(work)
        return [
            name
            for name, part in parts_of(work).items()
            if name not in besides and (known[name] != digests[name] if name in known else part not in EMPTY)
        ]

    def remember(self, reference: str, work: Grant, *, besides: Collection[str]) -> None:
        everything = self._read()
        digests = {name: digest for name, digest in digests_of(work).items() if name not in besides}
        everything[reference] = {**everything.get(reference, {}), **digests}
        replace_file(self._path, msgspec.json.encode(everything))

    def _read(self) -> dict[str, dict[str, str]]:
        """A file that can't be read has nothing in it, so that the person is asked once more."""
        try:
            with self._path.open("rb") as file:
                found: Any = msgspec.json.decode(file.read(KNOWN_BYTES))
        except (OSError, msgspec.DecodeError, UnicodeError):
            return {}
        rows = cast(Mapping[str, Any], found).items() if isinstance(found, dict) else ()
        return {name: cast(dict[str, str], row) for name, row in rows if isinstance(row, dict)}
