"""What changed between two commits, computed in a bare repository where nothing of the agent's can act."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from pullyard.git.errors import GitFailed
from pullyard.git.program import Git
from pullyard.protocol.worker import Diffstat, FileChange

STATUS = {"A": "added", "M": "modified", "D": "deleted", "R": "renamed", "T": "type-changed"}


async def read_diffstat(git: Git, repository: Path, base: str, commit: str) -> Diffstat:
    words = ("diff-tree", "-r", "-z", "-M", "-l1000", "--raw", "--numstat", "--no-ext-diff", "--no-textconv")
    output = await git.ok(*words, base, commit, git_dir=repository)
    fields = deque(output.split(b"\0"))
    statuses = dict(read_statuses(fields))
    files = [
        FileChange(
            path=os.fsdecode(path).encode("utf-8", "backslashreplace").decode(),
            status=statuses.get(path, "modified"),
            additions=added,
            deletions=removed,
        )
        for path, added, removed in read_counts(fields)
    ]
    return Diffstat(
        files=files,
        additions=sum(file.additions or 0 for file in files),
        deletions=sum(file.deletions or 0 for file in files),
    )


def read_statuses(fields: deque[bytes]) -> Iterator[tuple[bytes, str]]:
    """Takes the raw entries, each a line of facts and its path; a renamed file has its old path before."""
    while fields and fields[0].startswith(b":"):
        letter = chr(fields.popleft().rsplit(b" ", 1)[1][0])
        if letter == "R":
            fields.popleft()
        yield fields.popleft(), STATUS.get(letter, "modified")


def read_counts(fields: deque[bytes]) -> Iterator[tuple[bytes, int | None, int | None]]:
    """Takes the entries with the lines added and removed, which are None for a binary file."""
    while fields and b"\t" in fields[0]:
        added, removed, path = fields.popleft().split(b"\t", 2)
        if not path:
            # Both paths of a renamed file follow: the old one, then the new one.
            fields.popleft()
            path = fields.popleft()
        if added == b"-":
            yield path, None, None
        else:
            yield path, int(added), int(removed)


async def read_diff(
    git: Git, repository: Path, base: str, commit: str, limit_bytes: int, paths: Sequence[bytes] = ()
) -> tuple[str, bool]:
    """The unified diff, and whether it was cut, at a line end, to fit the limit; ``paths`` () is of all."""
    words = ("diff-tree", "-r", "-p", "-M", "-l1000", "--no-color", "--no-ext-diff", "--no-textconv")
    # Who has looked at a file whose content is no text knows by its blob whether it is still the same.
    words += ("--full-index",)
    named = ("--", *map(os.fsdecode, paths))
    plain = {"GIT_LITERAL_PATHSPECS": "1"}
    done = await git.run(
        *words, base, commit, *named, git_dir=repository, environment=plain, limit_bytes=limit_bytes
    )
    if done.exit_code and not done.truncated:
        raise GitFailed("diff-tree", done.exit_code, done.stderr)
    content = done.stdout
    if done.truncated:
        content = content[: content.rfind(b"\n") + 1]
    return content.decode("utf-8", "replace"), done.truncated
