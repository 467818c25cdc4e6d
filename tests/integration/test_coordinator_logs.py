"""Log frames: appended exactly at the end by whoever holds the fence, read by any byte range."""

import asyncio
import os
from typing import Any

import httpx
import pytest
import zstandard

from pullyard.coordinator.logs.append import MAX_STREAMS
from pullyard.coordinator.logs.frames import MAX_FRAME_BYTES
from pullyard.protocol.worker import Grant
from tests.coordinator import RunningCoordinator, WireWorker, running_coordinator


async def begin(coordinator: RunningCoordinator) -> tuple[WireWorker, Grant]:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    return worker, await worker.claim()


async def post_frame(worker: WireWorker, grant: Grant, frame: bytes) -> httpx.Response:
    path = f"/executions/{grant.execution_id}/logs/implement?fence={grant.fence}&offset=0"
    return await worker.post(path, frame)


async def read(coordinator: RunningCoordinator, grant: Grant, **query: Any) -> bytes:
    path = f"/api/v1/executions/{grant.execution_id}/logs/implement"
    answer = await coordinator.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_a_gap_and_an_overlap_are_told_the_end_and_write_nothing(
    coordinator: RunningCoordinator,
) -> None:
    worker, grant = await begin(coordinator)
    assert (await worker.log(grant, b"one\n")).json() == {"end": 4}
    for offset in (0, 3, 5, 2**40):
        refused = await worker.log(grant, b"two\n", offset=offset)
        problem = refused.json()
        told = (refused.status_code, problem["code"], problem["details"])
        assert told == (409, "log-offset", {"end": 4}) or refused.status_code == 413
    assert (await worker.log(grant, b"two\n", offset=4)).json() == {"end": 8}
    assert await read(coordinator, grant) == b"one\ntwo\n"


async def test_a_wrong_fence_and_an_ended_execution_take_no_frame(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    path = f"/executions/{grant.execution_id}/logs/implement?fence={grant.fence + 1}&offset=0"
    refused = await worker.post(path, zstandard.compress(b"forged"))
    assert refused.json()["code"] == "lost-lease"
    await worker.finish(grant, reason="no_change")
    assert (await worker.log(grant, b"late")).json()["code"] == "lost-lease"
    assert (await coordinator.get(f"/executions/{grant.execution_id}/logs"))["items"] == []


async def test_later_frames_are_guarded_like_the_first(coordinator: RunningCoordinator) -> None:
    """All but a stream's first frame go another way, in groups."""
    worker, grant = await begin(coordinator)
    stranger = await coordinator.worker()
    await worker.log(grant, b"one\n")
    path = f"/executions/{grant.execution_id}/logs/implement?fence={{}}&offset=4"
    frame = zstandard.compress(b"forged")
    for who, fence in ((worker, grant.fence + 1), (worker, grant.fence - 1), (stranger, grant.fence)):
        assert (await who.post(path.format(fence), frame)).json()["code"] == "lost-lease"
    for offset in (1, 3, 5):
        refused = await worker.log(grant, b"two\n", offset=offset)
        assert (refused.status_code, refused.json()["details"]) == (409, {"end": 4})
    assert await read(coordinator, grant) == b"one\n"
    assert (await worker.log(grant, b"two\n", offset=4)).status_code == 200
    await worker.finish(grant, reason="no_change")
    assert (await worker.log(grant, b"late\n", offset=8)).json()["code"] == "lost-lease"
    assert await read(coordinator, grant) == b"one\ntwo\n"


def lying_frame() -> bytes:
    """Says that it holds 4 bytes, and holds a megabyte."""
    bomb = bytearray(zstandard.compress(b"\0" * 2**20))
    single = zstandard.compress(b"abcd")
    return single[:6] + bytes(bomb[10:])


BROKEN = {
    "bomb": zstandard.compress(b"\0" * (64 * 2**20)),
    "one byte too many": zstandard.compress(b"\0" * (MAX_FRAME_BYTES + 1)),
    "size untold": zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100),
    "lying size": lying_frame(),
    "torn": zstandard.compress(os.urandom(1000))[:-20],
    "two frames": zstandard.compress(b"a") * 2,
    "trailing bytes": zstandard.compress(b"a") + b"rest",
    "gzip": b"\x1f\x8b\x08" + bytes(20),
    "plain text": b"hello\n",
    "nothing": b"",
    "empty frame": zstandard.compress(b""),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_not_one_whole_small_frame_is_refused(
    coordinator: RunningCoordinator, kind: str
) -> None:
    worker, grant = await begin(coordinator)
    refused = await post_frame(worker, grant, BROKEN[kind])
    assert refused.status_code in (413, 422)
    assert refused.json()["code"] in ("frame-size", "frame-broken")
    assert await read(coordinator, grant) == b""


async def test_a_log_has_a_limit(database_url: str) -> None:
    async with running_coordinator(database_url, log_stream_bytes=10) as coordinator:
        worker, grant = await begin(coordinator)
        assert (await worker.log(grant, b"12345")).status_code == 200
        refused = await worker.log(grant, b"678901", offset=5)
        assert (refused.status_code, refused.json()["code"]) == (413, "log-full")
        assert (await worker.log(grant, b"67890", offset=5)).status_code == 200


async def test_an_execution_has_few_streams_of_plain_names(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    for name in ("Upper", "-x", "a_b", "a" * 51, "%00", "a%2Fb", "a%0A"):
        assert (await worker.log(grant, b"x", stream=name)).status_code in (404, 422)
    for number in range(MAX_STREAMS):
        assert (await worker.log(grant, b"x", stream=f"s{number}")).status_code == 200
    refused = await worker.log(grant, b"x", stream="one-more")
    assert refused.json()["code"] == "too-many-streams"
    assert (await worker.log(grant, b"y", stream="s0", offset=1)).status_code == 200
    shown = (await coordinator.get(f"/executions/{grant.execution_id}/logs"))["items"]
    assert len(shown) == MAX_STREAMS


async def test_offsets_and_fences_that_are_no_numbers_are_refused(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    for query in ("", "fence=1", "fence=x&offset=0", "fence=1&offset=-1", f"fence={10**30}&offset=0"):
        path = f"/executions/{grant.execution_id}/logs/implement?{query}"
        assert (await worker.post(path, zstandard.compress(b"x"))).status_code in (409, 422)


async def test_any_range_of_bytes_is_read_across_frames(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    pieces = [b"a" * 7, "zwölf\n".encode(), b"\x00\xff\xfe", b"end"]
    whole = b"".join(pieces)
    offset = 0
    for piece in pieces:
        offset = (await worker.log(grant, piece, offset=offset)).json()["end"]
    for start in range(len(whole) + 2):
        for limit in (0, 1, 5, 100):
            assert await read(coordinator, grant, offset=start, limit=limit) == whole[start : start + limit]


async def test_a_reader_is_told_the_end_and_whether_more_may_come(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    await worker.log(grant, b"one\n")
    path = f"/api/v1/executions/{grant.execution_id}/logs/implement"
    live = (await coordinator.http.get(path)).headers
    assert (live["pullyard-log-end"], live["pullyard-log-final"]) == ("4", "false")
    await worker.finish(grant, reason="no_change")
    assert (await coordinator.http.get(path)).headers["pullyard-log-final"] == "true"


async def test_many_writers_at_once_share_commits_and_mix_nothing_up(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)

    async def write(stream: str) -> bytes:
        whole = b""
        for number in range(10):
            data = f"{stream} {number}\n".encode()
            answers = await asyncio.gather(
                worker.log(grant, data, offset=len(whole), stream=stream),
                worker.log(grant, data, offset=len(whole), stream=stream),
                worker.log(grant, b"too early", offset=len(whole) + 1, stream=stream),
            )
            # The same frame twice at once is appended once, and the other one is told where to go on.
            assert sorted(one.status_code for one in answers) == [200, 409, 409]
            whole += data
        return whole

    streams = [f"s{number}" for number in range(8)]
    written = await asyncio.gather(*(write(stream) for stream in streams))
    for stream, whole in zip(streams, written, strict=True):
        path = f"/api/v1/executions/{grant.execution_id}/logs/{stream}"
        assert (await coordinator.http.get(path)).content == whole


async def test_frames_that_are_refused_take_no_other_frame_with_them(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    await worker.log(grant, b"one\n")
    frame = zstandard.compress(b"x")
    bad = (f"exec%00/logs/a?fence={grant.fence}&offset=1", f"{grant.execution_id}/logs/b?fence=5&offset=9")
    answers = await asyncio.gather(
        *(worker.post(f"/executions/{path}", frame) for path in bad * 5),
        worker.log(grant, b"two\n", offset=4),
    )
    assert {one.status_code for one in answers[:-1]} == {404, 409}
    assert answers[-1].json() == {"end": 8}
