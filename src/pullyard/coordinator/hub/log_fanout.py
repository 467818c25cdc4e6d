"""One reader of each log that somebody follows live at this replica."""

import asyncio
import time
from collections.abc import Collection

import structlog

from pullyard.coordinator.hub.frames import log_message
from pullyard.coordinator.hub.log_blocks import BLOCK_BYTES, LogBlocks
from pullyard.coordinator.hub.outlets import BEHIND_BYTES
from pullyard.coordinator.hub.subscriptions import LogKey, LogSubscription
from pullyard.coordinator.services import Services
from pullyard.protocol.errors import NotFound, PullyardError
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.queries import named

HEADS_AT_ONCE = 500
# By then every replica knows that the log is watched, and tells of what is appended to it.
SETTLED_SECONDS = 0.3
SLOW_LOOK_SECONDS = 5.0
RETRY_SECONDS = 1.0

logger = structlog.get_logger(__name__)


class Followed:
    """A log with live subscriptions. All of them were sent everything up to ``end``, or even more."""

    __slots__ = ("end", "live", "tenant_id")

    def __init__(self, tenant_id: str, end: int) -> None:
        self.tenant_id = tenant_id
        self.end = end
        self.live: dict[LogSubscription, None] = {}


class LogFanout:
    """What is appended here is passed on as it comes; what is only told of is read once for all.

    A subscription that is too far behind is given back to its subscriber, as in the fan-out of events.
    """

    def __init__(self, services: Services, blocks: LogBlocks) -> None:
        self._services = services
        self._blocks = blocks
        self._followed: dict[LogKey, Followed] = {}
        self._doubtful: set[LogKey] = set()
        self._doubt = asyncio.Event()

    def join(self, subscription: LogSubscription) -> bool:
        """False where it has to be read for first."""
        followed = self._followed.get(subscription.key)
        if followed is None:
            followed = Followed(subscription.subscriber.tenant_id, subscription.offset)
            self._followed[subscription.key] = followed
            # Something may have been appended since it was read, and not been told here.
            self.look(subscription.key)
            asyncio.get_running_loop().call_later(SETTLED_SECONDS, self.look, subscription.key)
        elif subscription.offset < followed.end:
            return False
        followed.live[subscription] = None
        return True

    def leave(self, subscription: LogSubscription) -> None:
        """One that is not live is left as it is."""
        followed = self._followed.get(subscription.key)
        if followed is not None:
            followed.live.pop(subscription, None)
            if not followed.live:
                del self._followed[subscription.key]

    def look(self, key: LogKey) -> None:
        """This log may be longer, or complete."""
        if key in self._followed:
            self._doubtful.add(key)
            self._doubt.set()

    def look_at_execution(self, execution_id: str) -> None:
        for key in [one for one in self._followed if one[0] == execution_id]:
            self.look(key)

    def look_at_all(self) -> None:
        for key in self._followed:
            self.look(key)

    def follows(self, key: LogKey) -> bool:
        return key in self._followed

    def appended(self, key: LogKey, offset: int, data: bytes) -> None:
        """These bytes are in the store. Where some before them were not told of, the store is read."""
        followed = self._followed.get(key)
        if followed is None or offset + len(data) <= followed.end:
            return
        if offset > followed.end:
            self.look(key)
            return
        self._pass_on(key, followed, data[followed.end - offset :])

    async def run(self) -> None:
        """Until cancelled."""
        looked_at_all = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(max(0.0, looked_at_all + SLOW_LOOK_SECONDS - time.monotonic())):
                    await self._doubt.wait()
            except TimeoutError:
                looked_at_all = time.monotonic()
                self.look_at_all()
            self._doubt.clear()
            keys, self._doubtful = self._doubtful, set()
            try:
                await self._look_at(keys)
            except DATABASE_AWAY as error:
                # The slow look comes back to them.
                logger.warning("logs not read", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _look_at(self, keys: Collection[LogKey]) -> None:
        wanted = [(one.tenant_id, *key) for key in keys if (one := self._followed.get(key)) is not None]
        for start in range(0, len(wanted), HEADS_AT_ONCE):
            some = wanted[start : start + HEADS_AT_ONCE]
            heads = await log_heads(self._services, some)
            for tenant_id, execution_id, stream in some:
                key = (execution_id, stream)
                try:
                    if (tenant_id, *key) not in heads:
                        raise NotFound("execution")
                    size_bytes, final = heads[tenant_id, execution_id, stream]
                    await self._look_at_one(key, size_bytes, final=final)
                except PullyardError as error:
                    self._end(key, error)

    async def _look_at_one(self, key: LogKey, size_bytes: int, *, final: bool) -> None:
        while (followed := self._followed.get(key)) is not None:
            end = followed.end
            if end >= size_bytes:
                if final:
                    self._end(key, None)
                return
            block = await self._blocks.read(followed.tenant_id, key, end)
            if block.end <= followed.end:
                # It shared a read that was begun before, or the bytes came by themselves meanwhile.
                self.look(key)
                return
            if self._followed.get(key) is followed:
                self.appended(key, end, block.data_from(end))

    def _pass_on(self, key: LogKey, followed: Followed, data: bytes) -> None:
        """``data`` follows ``followed.end``."""
        for start in range(0, len(data), BLOCK_BYTES):
            piece = data[start : start + BLOCK_BYTES]
            offset = followed.end
            followed.end += len(piece)
            message = log_message(*key, offset, piece)
            for subscription in tuple(followed.live):
                if subscription.offset >= followed.end:
                    continue
                outlet = subscription.subscriber.outlet
                if outlet.buffered_bytes > BEHIND_BYTES:
                    self.leave(subscription)
                    subscription.subscriber.fall_behind(subscription)
                    continue
                ahead = subscription.offset - offset
                own = log_message(*key, subscription.offset, piece[ahead:]) if ahead else message
                outlet.write(own, subscription.label)
                subscription.offset = followed.end

    def _end(self, key: LogKey, error: PullyardError | None) -> None:
        """Complete, or not to be read: nothing more comes for anybody."""
        followed = self._followed.pop(key, None)
        for subscription in followed.live if followed else ():
            if error is not None:
                subscription.subscriber.fail(subscription, error)
            else:
                subscription.subscriber.complete(subscription)


async def log_heads(
    services: Services, wanted: list[tuple[str, str, str]]
) -> dict[tuple[str, str, str], tuple[int, bool]]:
    """Of each tenant, execution and stream the size in bytes, and whether nothing is appended any more."""
    tenants, executions, streams = zip(*wanted, strict=True)
    async with services.database.transaction() as connection:
        rows = await connection.execute(
            named("stream_heads"),
            {"tenant_ids": list(tenants), "execution_ids": list(executions), "streams": list(streams)},
        )
        return {(row.tenant_id, row.execution_id, row.stream): (row.size_bytes, row.final) for row in rows}
