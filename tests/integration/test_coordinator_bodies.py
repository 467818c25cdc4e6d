"""How long a body may be: a change is never lost for its size, and nothing is read without end."""

import msgspec

from pullyard.worker.take_work import DIFF_BYTES
from tests.coordinator import RunningCoordinator, change_of


async def test_the_longest_diff_is_taken_whatever_json_makes_of_it(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    change = msgspec.structs.replace(change_of(grant), diff="\x01" * DIFF_BYTES)
    assert (await worker.finish(grant, change=change)).status_code == 200


async def test_a_heartbeat_may_not_be_that_long(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    answer = await worker.post("/heartbeat", b" " * (17 << 20))
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-long")
