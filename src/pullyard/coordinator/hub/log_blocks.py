"""Pieces of logs read once for all who catch up at the same time."""

import asyncio
from collections import OrderedDict

from pullyard.coordinator.hub.frames import Shared, log_message
from pullyard.coordinator.hub.subscriptions import LogKey
from pullyard.coordinator.logs.stored import StoredLog
from pullyard.coordinator.services import Services

BLOCK_BYTES = 256 * 1024
BLOCKS_KEPT = 32
BlockKey = tuple[str, LogKey, int]


class Block:
    """The bytes from ``start`` on; at most ``BLOCK_BYTES``, fewer only where the log ends."""

    def __init__(self, key: LogKey, start: int, data: bytes, *, final: bool) -> None:
        self._key = key
        self._start = start
        self._data = data
        self.end = start + len(data)
        self.final = final
        """Nothing will be appended to the log any more."""
        self._whole: Shared | None = None

    def data_from(self, offset: int) -> bytes:
        return self._data[offset - self._start :]

    def message(self, offset: int) -> Shared:
        """What is in the block from ``offset`` on. The whole is encoded once."""
        if offset > self._start:
            return log_message(*self._key, offset, self.data_from(offset))
        if self._whole is None:
            self._whole = log_message(*self._key, offset, self._data)
        return self._whole


class LogBlocks:
    """Full blocks never change, so the last ones read are kept; of others only the reading is shared."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: OrderedDict[BlockKey, Block] = OrderedDict()
        self._reading: dict[BlockKey, asyncio.Task[Block]] = {}

    async def read(self, tenant_id: str, key: LogKey, offset: int) -> Block:
        """The block that ``offset`` is in. Raises what ``StoredLog`` does."""
        block_key = (tenant_id, key, offset - offset % BLOCK_BYTES)
        kept = self._kept.get(block_key)
        if kept is not None:
            self._kept.move_to_end(block_key)
            return kept
        reading = self._reading.get(block_key)
        if reading is None:
            reading = asyncio.create_task(self._load(block_key))
            self._reading[block_key] = reading
            reading.add_done_callback(lambda task: self._loaded(block_key, task))
        # A reader that goes away must not take the reading from the others.
        return await asyncio.shield(reading)

    async def _load(self, block_key: BlockKey) -> Block:
        tenant_id, key, start = block_key
        log = StoredLog(self._services, tenant_id, *key)
        pieces: list[bytes] = []
        length = 0
        while True:
            part = await log.read(start + length, BLOCK_BYTES - length)
            pieces.append(part.data)
            length += len(part.data)
            if length >= BLOCK_BYTES or not part.data or start + length >= part.end:
                final = part.final and start + length >= part.end
                return Block(key, start, b"".join(pieces), final=final)

    def _loaded(self, block_key: BlockKey, task: asyncio.Task[Block]) -> None:
        del self._reading[block_key]
        if task.cancelled() or task.exception() is not None:
            return
        block = task.result()
        if block.end - block_key[2] == BLOCK_BYTES:
            self._kept[block_key] = block
            while len(self._kept) > BLOCKS_KEPT:
                self._kept.popitem(last=False)
