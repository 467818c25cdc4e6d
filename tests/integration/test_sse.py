"""Server-sent events: what a simple client gets with one GET, over every break."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from pullyard.coordinator import server
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.live import begin, data_of, until

PIECE = b"0123456789abcde\n" * (2**16 - 1)


@dataclass
class Event:
    """``id`` is None where the client's place stays as it was."""

    id: str | None
    type: str
    data: dict[str, Any]


@asynccontextmanager
async def streaming(
    coordinator: RunningCoordinator, path: str, **headers: str
) -> AsyncIterator[AsyncIterator[Event]]:
    async with (
        asyncio.timeout(60),
        coordinator.http.stream("GET", "/api/v1" + path, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events_of(response)


async def events_of(response: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            fields[name] = value
        elif not line and fields:
            yield Event(fields.get("id"), fields["event"], json.loads(fields["data"]))
            fields = {}


async def test_events_go_on_after_the_last_one_that_came(coordinator: RunningCoordinator) -> None:
    project_id, other = await coordinator.project(), await coordinator.project()
    place, heard = "0", []

    async def write() -> None:
        for _ in range(12):
            await coordinator.task(project_id)
            await coordinator.task(other)

    writing = asyncio.create_task(write())
    while len(heard) < 13:
        path = f"/events/stream?project_id={project_id}"
        async with streaming(coordinator, path, **{"last-event-id": place}) as events:
            async for event in events:
                if event.type == "subscribed":
                    assert event.id == place
                    continue
                assert event.id == str(event.data["cursor"])
                heard.append(event)
                place = event.id
                if len(heard) % 3 == 0 or len(heard) == 13:
                    break
    await writing
    # The project's own event is the first.
    stored = (await coordinator.get(f"/events?project_id={project_id}&limit=500"))["items"]
    assert [one.data["cursor"] for one in heard] == [one["cursor"] for one in stored]


async def test_a_log_goes_on_after_the_last_piece_and_says_when_it_is_complete(
    coordinator: RunningCoordinator,
) -> None:
    worker, grant = await begin(coordinator)
    path = f"/executions/{grant.execution_id}/logs/implement/stream"
    whole, heard, place = b"", b"", ""
    for number in range(5):
        piece = b"%d\xff\n" % number
        await worker.log(grant, piece, offset=len(whole))
        whole += piece
        async with streaming(coordinator, path, **{"last-event-id": place}) as events:
            async for event in events:
                place = event.id or place
                if event.type == "execution-log":
                    heard += data_of(event.data)
                    assert event.id == str(len(heard))
                    break
    assert heard == whole
    await worker.finish(grant, reason="no_change")
    async with streaming(coordinator, path) as events:
        # It ends by itself.
        types = [event.type async for event in events]
    assert types == ["subscribed", "execution-log", "completion"]
    answer = await coordinator.http.get("/api/v1" + path, headers={"last-event-id": place})
    assert answer.status_code == 204


async def test_a_log_is_followed_live(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    async with streaming(coordinator, f"/executions/{grant.execution_id}/logs/implement/stream") as events:
        assert (await anext(events)).type == "subscribed"
        await worker.log(grant, b"one\n")
        assert data_of((await anext(events)).data) == b"one\n"
        await worker.finish(grant, reason="no_change")
        assert (await anext(events)).type == "completion"


async def test_a_quiet_stream_gives_signs_of_life(database_url: str) -> None:
    async with (
        running_coordinator(database_url, stream_ping_seconds=0.05) as coordinator,
        coordinator.http.stream("GET", "/api/v1/events/stream") as response,
    ):
        text = ""
        async for piece in response.aiter_text():
            text += piece
            if text.count(": still here\n\n") >= 3:
                break
        assert text.count(": still here\n\n") >= 3


WRONG = {
    "/events/stream?cursor=-1": 422,
    "/events/stream?cursor=4611686018427387904": 422,
    "/events/stream?project_id=proj_nobodys": 404,
    "/events/stream?project_id=a&task_id=b": 422,
    "/events/stream?task_id=%00": 422,
    "/executions/exec_nobodys/logs/implement/stream": 404,
    "/executions/exec_nobodys/logs/..%2Fx/stream": 404,
}


@pytest.mark.parametrize("path", WRONG)
async def test_wrong_wishes_are_refused_before_anything_streams(
    coordinator: RunningCoordinator, path: str
) -> None:
    answer = await coordinator.http.get("/api/v1" + path)
    assert answer.status_code == WRONG[path], answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("place", ["x", "-1", "99999999999999999999", "1.5", "²"])
async def test_an_id_that_never_came_is_refused(coordinator: RunningCoordinator, place: str) -> None:
    headers = {"last-event-id": place.encode()}
    answer = await coordinator.http.get("/api/v1/events/stream", headers=headers)
    assert answer.status_code == 422, answer.text


async def test_nobody_streams_without_a_token(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    for client in (coordinator.client(), worker.http):
        for path in ("/events/stream", f"/executions/{grant.execution_id}/logs/implement/stream"):
            assert (await client.get("/api/v1" + path)).status_code == 401


async def test_streams_end_with_the_coordinator(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By themselves: an end that cuts them off would be waited for."""
    monkeypatch.setattr(server, "STOP_SECONDS", 3600)
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        async with running_coordinator(database_url) as coordinator:
            headers = {"authorization": f"Bearer {coordinator.token}"}
            request = client.build_request("GET", f"{coordinator.url}/api/v1/events/stream", headers=headers)
            response = await client.send(request, stream=True)
            pieces = response.aiter_raw()
            await anext(pieces)
        # An orderly end, as of any other response.
        assert [piece async for piece in pieces] == []


async def test_a_client_that_never_reads_costs_a_bounded_buffer_and_is_cut_off(database_url: str) -> None:
    async with running_coordinator(database_url, stream_silence_seconds=1.0) as coordinator:
        hub = coordinator.served.services.hub
        worker, grant = await begin(coordinator)
        path = f"/api/v1/executions/{grant.execution_id}/logs/implement/stream"
        # httpx reads only when it is asked to.
        response = await coordinator.http.send(coordinator.http.build_request("GET", path), stream=True)
        most = 0
        for number in range(12):
            assert (await worker.log(grant, PIECE, offset=number * len(PIECE))).status_code == 200
            most = max([most, *(client.subscriber.outlet.buffered_bytes for client in hub.clients)])
        assert 0 < most < 2**21
        await until(lambda: not len(hub))
        await response.aclose()
