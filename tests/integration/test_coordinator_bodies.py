"""How long a body may be: a change is never lost for its size, nothing is read without end, and answers are
compressed where that pays."""

import asyncio

import msgspec

from pullyard.worker.take_work import DIFF_BYTES
from tests.coordinator import PATIENCE_SECONDS, RunningCoordinator, change_of

LONG_TASK = {"title": "Mend it", "description": "It leaks. " * 100}


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


async def test_long_answers_are_compressed_for_who_takes_that(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project()
    for _ in range(5):
        posted = await coordinator.http.post(f"/api/v1/projects/{project_id}/tasks", json=LONG_TASK)
        # What a change is answered may be a secret, beside what its request held.
        assert int(posted.headers["content-length"]) > 1400
        assert "content-encoding" not in posted.headers
    grant = await worker.claim()
    await worker.log(grant, b"a line of a log\n" * 30_000)
    log = f"/api/v1/executions/{grant.execution_id}/logs/implement"
    found = {}
    for path in ("/api/v1/tasks", f"{log}/lines", "/api/v1/tenant", f"{log}/raw", log):
        plain = await coordinator.http.get(path, headers={"accept-encoding": "identity"})
        answer = await coordinator.http.get(path, headers={"accept-encoding": "br, gzip"})
        assert answer.content == plain.content
        assert "content-encoding" not in plain.headers
        found[path] = answer.headers.get("content-encoding")
        if found[path]:
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.num_bytes_downloaded * 5 < len(plain.content)
    assert list(found.values()) == ["gzip", "gzip", None, None, None]
    stream = coordinator.http.stream("GET", "/api/v1/events/stream?cursor=0")
    async with stream as events, asyncio.timeout(PATIENCE_SECONDS):
        assert "content-encoding" not in events.headers
        assert "event: " in await anext(events.aiter_text())
