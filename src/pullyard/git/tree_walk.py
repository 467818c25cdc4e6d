"""Reading trees that something hostile made: one object at a time, each looked at before it is loaded."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pullyard.git.program import Git

TREE_BYTES = 8 << 20
ALLOCATION_LIMIT = "268435456"


@dataclass(frozen=True)
class Entry:
    mode: str
    """Octal, as in the tree: ``100644``, ``100755``, ``120000``, ``40000`` or ``160000``."""
    object_id: str


class UnreadableTree(Exception):
    """It is missing, not a tree, or larger than any honest one."""


class TreeReader:
    """An async context manager around one ``git cat-file``; calls must not overlap."""

    def __init__(self, git: Git, repository: Path) -> None:
        self.git = git
        self.repository = repository
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "TreeReader":
        self._process = await asyncio.create_subprocess_exec(
            *self.git.program,
            f"--git-dir={self.repository}",
            "cat-file",
            "--batch-command",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=self.git.environment() | {"GIT_ALLOC_LIMIT": ALLOCATION_LIMIT},
            start_new_session=True,
            limit=1 << 20,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def size(self, object_id: str) -> int | None:
        """Bytes of an object; None where it is missing."""
        kind, size, _ = await self._ask("info", object_id)
        return None if kind == "missing" else size

    async def content(self, object_id: str, limit_bytes: int) -> bytes | None:
        """All of a blob; None where it is none, or larger than the limit."""
        kind, size, _ = await self._ask("info", object_id)
        return await self._read(object_id, size) if kind == "blob" and size <= limit_bytes else None

    async def tree_of(self, commit: str) -> str:
        """The tree of a commit. Raises UnreadableTree where there is none."""
        kind, _, object_id = await self._ask("info", f"{commit}^{{tree}}")
        if kind != "tree":
            raise UnreadableTree(commit)
        return object_id

    async def entries(self, tree: str) -> Mapping[bytes, Entry]:
        """By name. Raises UnreadableTree."""
        kind, size, _ = await self._ask("info", tree)
        if kind != "tree" or size > TREE_BYTES:
            raise UnreadableTree(tree)
        return _parse(await self._read(tree, size), len(tree) // 2)

    async def _read(self, object_id: str, size: int) -> bytes:
        await self._ask("contents", object_id)
        assert self._process is not None
        assert self._process.stdout is not None
        return (await self._process.stdout.readexactly(size + 1))[:-1]

    async def _ask(self, command: str, object_id: str) -> tuple[str, int, str]:
        """Kind, size and id of the object; the kind is ``missing`` where there is none."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{command} {object_id}\n".encode())
        words = (await process.stdout.readline()).split()
        if len(words) != 3:
            return "missing", 0, ""
        return words[1].decode(), int(words[2]), words[0].decode()


def _parse(content: bytes, id_bytes: int) -> dict[bytes, Entry]:
    entries: dict[bytes, Entry] = {}
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        end = content.index(b"\0", space)
        object_id = content[end + 1 : end + 1 + id_bytes].hex()
        entries[content[space + 1 : end]] = Entry(content[at:space].decode("ascii", "replace"), object_id)
        at = end + 1 + id_bytes
    return entries
