"""What may come out of a sandbox. The base is the repository's own; only what differs from it is judged."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pullyard.git.tree_walk import Entry, TreeReader, UnreadableTree
from pullyard.protocol.errors import PullyardError

FILE_MODES = ("100644", "100755", "120000")
TREE = "40000"
GITLINK = "160000"

# Files that act on their own once they are pushed, checked out or opened.
PROTECTED = re.compile(
    r"(?:^|/)(?:\.gitmodules|\.gitattributes|CODEOWNERS|task_lists\.md|\.mcp\.json|\.envrc|\.pre-commit-config\.yaml)$"
    r"|(?:^|/)\.(?:claude|cursor|devcontainer|vscode|husky|codex)/"
    r"|^\.(?:github|gitlab|gitea|forgejo|circleci|buildkite|woodpecker|ci)/"
    r"|^(?:\.gitlab-ci|\.travis|\.woodpecker|\.drone|azure-pipelines|bitbucket-pipelines)\.ya?ml$"
    r"|^Jenkinsfile$",
    re.IGNORECASE,
)


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


SALVAGE_LIMITS = HarvestLimits(
    files=200_000,
    file_bytes=500 << 20,
    total_bytes=2 << 30,
    pack_bytes=1 << 30,
    diff_bytes=0,
    seconds=120.0,
    cpu_seconds=60,
)


class HarvestRefused(PullyardError):
    """The agent left something that can't become a commit; the message names it and says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="harvest-refused")


@dataclass(frozen=True)
class Change:
    path: str
    entry: Entry | None
    """None for a deletion."""


def shown(path: bytes) -> str:
    """A path for people: what is not printable is escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)[:300]


async def check_changes(
    reader: TreeReader, base_tree: str, tree: str, limits: HarvestLimits
) -> Sequence[Change]:
    """Every change from ``base_tree`` to ``tree``. Raises HarvestRefused at the first breach."""
    changes: list[Change] = []
    pending: list[tuple[bytes, str | None, str]] = [(b"", base_tree, tree)]
    seen = total = 0
    while pending:
        path, before, after = pending.pop()
        old = await reader.entries(before) if before else {}
        try:
            new = await reader.entries(after)
        except (UnreadableTree, ValueError) as error:
            raise HarvestRefused(f"The directory {shown(path)!r} is too large or damaged.") from error
        changes += [Change(shown(path + name), None) for name in old.keys() - new.keys()]
        for name, entry in new.items():
            known = old.get(name)
            if entry == known:
                continue
            seen += 1
            if seen > limits.files:
                raise HarvestRefused(
                    f"More than {limits.files} files changed: put built ones into .gitignore."
                )
            here = path + name
            check_entry(here, name, entry, limits)
            if entry.mode == TREE:
                below = known.object_id if known and known.mode == TREE else None
                pending.append((here + b"/", below, entry.object_id))
                continue
            total += await _size(reader, here, entry, limits)
            if total > limits.total_bytes:
                raise HarvestRefused(f"The changes are larger than {limits.total_bytes >> 20} MiB in all.")
            changes.append(Change(shown(here), entry))
    return changes


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


def protected_paths(changes: Sequence[Change]) -> tuple[str, ...]:
    """Changed files that a person should look at before they take effect."""
    return tuple(sorted(change.path for change in changes if PROTECTED.search(change.path)))


async def _size(reader: TreeReader, path: bytes, entry: Entry, limits: HarvestLimits) -> int:
    size = await reader.size(entry.object_id)
    if size is None or size > limits.file_bytes:
        raise HarvestRefused(f"{shown(path)!r} is larger than {limits.file_bytes >> 20} MiB: keep it out.")
    return size
