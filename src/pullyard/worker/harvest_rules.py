"""What may come out of a sandbox. The base is the repository's own; only what differs from it is judged."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pullyard.git.tree_walk import Entry, TreeReader, UnreadableTree
from pullyard.protocol.errors import PullyardError
from pullyard.worker.guarded_paths import folded

FILE_MODES = ("100644", "100755", "120000")
TREE = "40000"
GITLINK = "160000"

# Files that steer an agent, an editor or a shell where they are opened: shown, whatever the project protects.
NOTABLE = re.compile(
    r"(?:^|/)(?:task_lists\.md|\.mcp\.json|\.envrc|\.pre-commit-config\.yaml)$"
    r"|(?:^|/)\.(?:claude|cursor|devcontainer|vscode|husky|codex)/"
    r"|^\.(?:github|gitlab|ci)/",
    re.IGNORECASE,
)
EXECUTABLE = "100755"
LINK = "120000"
LINK_BYTES = 4096


@dataclass(frozen=True)
class HarvestLimits:
    files: int = 20_000
    """Changed files, and changed directories."""
    file_bytes: int = 50 << 20
    total_bytes: int = 200 << 20
    pack_bytes: int = 100 << 20
    path_bytes: int = 1024
    depth: int = 64
    diff_bytes: int = 1 << 20
    seconds: float = 60.0
    """For all of it."""
    cpu_seconds: int = 4
    """For unpacking, which honest work of this size needs a fraction of."""
    distinct_names: bool = True
    """Whether new names that some file system takes for one are refused."""


SALVAGE_LIMITS = HarvestLimits(
    files=200_000,
    file_bytes=500 << 20,
    total_bytes=2 << 30,
    pack_bytes=1 << 30,
    diff_bytes=0,
    seconds=120.0,
    cpu_seconds=60,
    distinct_names=False,
)


class HarvestRefused(PullyardError):
    """The agent left something that can't become a commit; the message names it and says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="harvest-refused")


@dataclass(frozen=True)
class Change:
    """Of a file, a link, or a directory that is gone."""

    path: bytes
    before: Entry | None
    """None for an addition."""
    entry: Entry | None
    """None for a deletion."""

    @property
    def shown(self) -> str:
        return shown(self.path)


def shown(path: bytes) -> str:
    """A path for people: what is not printable is escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)[:300]


@dataclass
class _Tally:
    """What has changed so far, against the limits for all of it."""

    limits: HarvestLimits
    files: int = 0
    size_bytes: int = 0

    def count(self) -> None:
        """Raises HarvestRefused, as ``add`` does."""
        self.files += 1
        if self.files > self.limits.files:
            raise HarvestRefused(
                f"More than {self.limits.files} files changed: put built ones into .gitignore."
            )

    def add(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        if self.size_bytes > self.limits.total_bytes:
            raise HarvestRefused(f"The changes are larger than {self.limits.total_bytes >> 20} MiB in all.")


async def check_changes(
    reader: TreeReader, base_tree: str, tree: str, limits: HarvestLimits
) -> Sequence[Change]:
    """Every change from ``base_tree`` to ``tree``. Raises HarvestRefused at the first breach."""
    changes: list[Change] = []
    pending: list[tuple[bytes, str | None, str]] = [(b"", base_tree, tree)]
    tally = _Tally(limits)
    while pending:
        path, before, after = pending.pop()
        old, new = await _entries(reader, path, before, after)
        if limits.distinct_names:
            check_collisions(path, old, new)
        changes += [Change(path + name, old[name], None) for name in old.keys() - new.keys()]
        for name in _differing(old, new):
            here, known, entry = path + name, old.get(name), new[name]
            tally.count()
            check_entry(here, name, entry, limits)
            if entry.mode == TREE:
                below = _below(known)
                changes += [Change(here, known, None)] if known and below is None else []
                pending.append((here + b"/", below, entry.object_id))
            else:
                tally.add(await _size(reader, here, entry, limits))
                changes.append(Change(here, known, entry))
    return changes


def _differing(old: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> list[bytes]:
    return [name for name, entry in new.items() if old.get(name) != entry]


def _below(known: Entry | None) -> str | None:
    """The tree that a directory had before."""
    return known.object_id if known and known.mode == TREE else None


async def _entries(
    reader: TreeReader, path: bytes, before: str | None, after: str
) -> tuple[Mapping[bytes, Entry], Mapping[bytes, Entry]]:
    """Of one directory, in the base and in the harvest. Raises HarvestRefused."""
    old = await reader.entries(before) if before else {}
    try:
        return old, await reader.entries(after)
    except (UnreadableTree, ValueError) as error:
        raise HarvestRefused(f"The directory {shown(path)!r} is too large or damaged.") from error


def check_entry(path: bytes, name: bytes, entry: Entry, limits: HarvestLimits) -> None:
    """Raises HarvestRefused for a name or a kind of file that must not get into a repository."""
    if entry.mode == GITLINK:
        raise HarvestRefused(
            f"{shown(path)!r} is a git repository of its own: remove the .git directory in it."
        )
    if entry.mode not in (*FILE_MODES, TREE):
        raise HarvestRefused(f"{shown(path)!r} is neither a file, a link nor a directory.")
    if means_dot_git(name) or name in (b"", b".", b"..") or b"/" in name:
        raise HarvestRefused(f"{shown(path)!r} is a name that git keeps for itself: rename or remove it.")
    if re.search(rb"[\x00-\x1f\x7f]", name):
        raise HarvestRefused(f"{shown(path)!r} has control characters in its name: rename it.")
    if len(path) > limits.path_bytes or path.count(b"/") >= limits.depth:
        raise HarvestRefused(f"The path {shown(path)[:120]!r} is too long or too deep.")


def means_dot_git(name: bytes) -> bool:
    """Whether some file system takes ``name`` for ``.git``: other case, ``git~1``, invisible letters."""
    text = name.decode("utf-8", "replace")
    visible = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    for part in re.split(r"[\\/:]", visible.casefold()):
        if re.fullmatch(r"\.git|git~\d+", part.rstrip(". ")):
            return True
    return False


def check_collisions(path: bytes, old: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> None:
    """Raises HarvestRefused for a new name that some file system takes for another one beside it."""
    added = new.keys() - old.keys()
    if not added:
        return
    known: dict[str, bytes] = {}
    # The base's own pairs are not the agent's doing: only what is new may not make one.
    for name in sorted(new, key=lambda name: name in added):
        other = known.setdefault(folded(name.decode("utf-8", "surrogateescape")), name)
        if other != name and name in added:
            raise HarvestRefused(
                f"{shown(path + name)!r} and {shown(path + other)!r} are the same name on some file systems: "
                "rename one."
            )


def notable(changes: Sequence[Change]) -> tuple[str, ...]:
    """What a person should know of, besides what is protected; for people."""
    found = []
    for change in changes:
        if NOTABLE.search(change.shown):
            found.append(f"{change.shown} steers agents, editors or builds")
        elif change.before and change.entry and change.entry.mode == EXECUTABLE != change.before.mode:
            found.append(f"{change.shown} can be executed now")
    return tuple(sorted(found))


def leads_out(path: bytes, target: bytes) -> bool:
    """Whether a link at ``path`` names a place outside of the repository, or one of git's own."""
    if target.startswith(b"/") or b"\\" in target or b"\0" in target or re.match(rb"[A-Za-z]:", target):
        return True
    place = path.split(b"/")[:-1]
    for name in target.split(b"/"):
        if name == b".." and not place:
            return True
        if means_dot_git(name):
            return True
        if name == b"..":
            place.pop()
        elif name not in (b"", b"."):
            place.append(name)
    return False


async def _size(reader: TreeReader, path: bytes, entry: Entry, limits: HarvestLimits) -> int:
    size = await reader.size(entry.object_id)
    if size is None or size > limits.file_bytes:
        raise HarvestRefused(f"{shown(path)!r} is larger than {limits.file_bytes >> 20} MiB: keep it out.")
    return size
