"""What changed between two commits, computed in a bare repository where nothing of the agent's can act."""

import os
from pathlib import Path

from pullyard.git.errors import GitFailed
from pullyard.git.program import Git
from pullyard.protocol.worker import Diffstat, FileChange

STATUS = {"A": "added", "M": "modified", "D": "deleted", "R": "renamed", "T": "type-changed"}


async def read_diffstat(git: Git, repository: Path, base: str, commit: str) -> Diffstat:
    words = ("diff-tree", "-r", "-z", "-M", "-l1000", "--raw", "--numstat", "--no-ext-diff", "--no-textconv")
    output = await git.ok(*words, base, commit, git_dir=repository)
    fields = output.split(b"\0")
    statuses: dict[bytes, str] = {}
    at = 0
    while at < len(fields) and fields[at].startswith(b":"):
        letter = chr(fields[at].rsplit(b" ", 1)[1][0])
        at += 2 if letter == "R" else 1
        statuses[fields[at]] = STATUS.get(letter, "modified")
        at += 1
    files: list[FileChange] = []
    while at < len(fields) and b"\t" in fields[at]:
        added, removed, path = fields[at].split(b"\t", 2)
        if not path:
            at += 2
            path = fields[at]
        at += 1
        binary = added == b"-"
        files.append(
            FileChange(
                path=os.fsdecode(path).encode("utf-8", "backslashreplace").decode(),
                status=statuses.get(path, "modified"),
                additions=None if binary else int(added),
                deletions=None if binary else int(removed),
            )
        )
    return Diffstat(
        files=files,
        additions=sum(file.additions or 0 for file in files),
        deletions=sum(file.deletions or 0 for file in files),
    )


async def read_diff(git: Git, repository: Path, base: str, commit: str, limit_bytes: int) -> tuple[str, bool]:
    """The unified diff, and whether it was cut, at a line end, to fit the limit."""
    words = ("diff-tree", "-r", "-p", "-M", "-l1000", "--no-color", "--no-ext-diff", "--no-textconv")
    done = await git.run(*words, base, commit, git_dir=repository, limit_bytes=limit_bytes)
    if done.exit_code and not done.truncated:
        raise GitFailed("diff-tree", done.exit_code, done.stderr)
    content = done.stdout
    if done.truncated:
        content = content[: content.rfind(b"\n") + 1]
    return content.decode("utf-8", "replace"), done.truncated
