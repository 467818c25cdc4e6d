"""A log that can't be sent costs nothing but itself."""

import asyncio
from pathlib import Path

from pullyard.worker.client import CoordinatorClient
from pullyard.worker.logs import LogShipper, ship


async def test_logs_that_can_not_be_watched_do_not_keep_the_end_from_being_told(tmp_path: Path) -> None:
    client = CoordinatorClient("http://127.0.0.1:9")
    shipper = LogShipper(
        client, tmp_path / "gone", execution_id="exec_1", fence=1, limit_bytes=1, watched=lambda: False
    )
    shipping = asyncio.create_task(ship(shipper))
    await asyncio.wait({shipping}, timeout=60)
    assert shipping.done()
    assert shipping.exception() is None
    await client.close()
