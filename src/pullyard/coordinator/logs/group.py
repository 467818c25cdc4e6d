"""Frames that come while a commit is under way share the next one: many writers, one write to the disk."""

import asyncio
from dataclasses import dataclass, field

import asyncpg

from pullyard.lifecycle.crash_points import reached
from pullyard.store.database import Database

GROUP_FRAMES = 64
GROUP_BYTES = 4 * 1024 * 1024
"""Of compressed frames in one statement."""
COLUMNS = {
    "tenant_ids": "tenant_id",
    "worker_ids": "worker_id",
    "execution_ids": "execution_id",
    "fences": "fence",
    "streams": "stream",
    "offsets": "offset",
    "sizes": "size_bytes",
    "lines": "lines",
    "frames": "data",
}
"""The parameters of the statement, and where their values stand in a frame."""
COMMITS_AT_ONCE = 3
"""A commit waits for the disk; meanwhile the database can do the work of the next, and share that write."""


@dataclass(eq=False)
class Frame:
    """To be appended at ``offset``, by the worker that holds ``fence``."""

    tenant_id: str
    worker_id: str
    execution_id: str
    fence: int
    stream: str
    offset: int
    size_bytes: int
    lines: int
    data: bytes
    appended: asyncio.Future[bool] = field(default_factory=asyncio.Future[bool])

    @property
    def key(self) -> tuple[str, str]:
        return (self.execution_id, self.stream)


class LogAppends:
    """One a process. A frame waits for nothing when there is a commit to spare."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Frame] = []
        self._under_way: set[tuple[str, str]] = set()
        self._commits: set[asyncio.Task[None]] = set()
        self._looking = 0

    async def append(self, frame: Frame) -> bool:
        """True once the frame is durable; False where it can't be appended as it is, now.

        The offset makes it safe to ask again: a frame whose fate was not told is appended once at most.
        """
        self._waiting.append(frame)
        # Counted by hand: a task that has just found nothing to do is not yet gone from the set.
        if self._looking < COMMITS_AT_ONCE:
            self._looking += 1
            commit = asyncio.create_task(self._commit_all(), name="log appends")
            self._commits.add(commit)
            commit.add_done_callback(self._commits.discard)
        return await frame.appended

    async def _commit_all(self) -> None:
        """Until nothing is left that no other commit is about."""
        try:
            while group := self._next_group():
                try:
                    told = await self._commit(group)
                except Exception as error:  # noqa: BLE001
                    # Whatever it is, those who wait are the ones to answer for it.
                    told = error
                self._under_way -= {frame.key for frame in group}
                tell(group, told)
        finally:
            self._looking -= 1

    def _next_group(self) -> list[Frame]:
        """In the order in which they came, one of a stream; the rest goes on waiting."""
        group: list[Frame] = []
        rest: list[Frame] = []
        size_bytes = 0
        for frame in self._waiting:
            full = group and (len(group) >= GROUP_FRAMES or size_bytes + len(frame.data) > GROUP_BYTES)
            if full or frame.key in self._under_way:
                rest.append(frame)
            elif not frame.appended.done():
                group.append(frame)
                size_bytes += len(frame.data)
                self._under_way.add(frame.key)
        self._waiting = rest
        return group

    async def _commit(self, group: list[Frame]) -> set[tuple[str, str]]:
        columns = {name: [getattr(frame, part) for frame in group] for name, part in COLUMNS.items()}
        reached("log-before-commit")
        try:
            rows = await self._database.hot.fetch("logs_append", columns)
        except (asyncpg.DeadlockDetectedError, asyncpg.DataError):
            # Two replicas had frames of the same streams, or one frame is at fault: nothing was written, and
            # one by one they neither meet nor suffer from each other.
            return set()
        return {(row.execution_id, row.stream) for row in rows}


def tell(group: list[Frame], told: set[tuple[str, str]] | Exception) -> None:
    """``told`` is what was appended, or why nothing was."""
    for frame in group:
        if frame.appended.done():
            continue
        if isinstance(told, Exception):
            frame.appended.set_exception(told)
        else:
            frame.appended.set_result(frame.key in told)
