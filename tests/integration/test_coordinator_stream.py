"""The one WebSocket: nothing lost or doubled over disconnects, and nobody in who may not be."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.hub import log_fanout
from pullyard.coordinator.hub.hub import Client
from pullyard.coordinator.hub.outlets import SseOutlet
from pullyard.coordinator.hub.socket import MAX_MESSAGE_BYTES
from pullyard.coordinator.hub.subscriber import Subscriber
from pullyard.coordinator.services import Services
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.live import begin, data_of, hear, listening, say, subscribe


async def refused_with(coordinator: RunningCoordinator, **options: object) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with listening(coordinator, **options):
            pass
    return caught.value.response.status_code


async def test_events_go_on_after_any_disconnect(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    cursor, heard = 0, []

    async def write() -> None:
        for _ in range(12):
            await coordinator.task(project_id)

    writing = asyncio.create_task(write())
    while len([one for one in heard if one["kind"].startswith("task.")]) < 12:
        async with listening(coordinator) as socket:
            told = await subscribe(socket, "subscribe-events", project_id=project_id, cursor=cursor)
            assert (told["type"], told["cursor"]) == ("subscribed", cursor)
            for _ in range(2):
                heard.append(await hear(socket))
                cursor = heard[-1]["cursor"]
                if len(heard) > 12:
                    break
            socket.transport.abort()
    await writing
    stored = (await coordinator.get(f"/events?project_id={project_id}&limit=500"))["items"]
    assert [one["cursor"] for one in heard] == [one["cursor"] for one in stored]


async def test_without_a_cursor_only_what_comes_next_is_told(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    await coordinator.task(project_id)
    async with listening(coordinator) as socket:
        await subscribe(socket, "subscribe-events")
        later = await coordinator.task(project_id)
        assert (await hear(socket))["task_id"] == later["id"]


async def test_a_log_goes_on_from_any_byte(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    whole = "aé\n€b".encode()
    await worker.log(grant, whole)
    await worker.finish(grant, reason="no_change")
    async with listening(coordinator) as socket:
        for offset in range(len(whole) + 1):
            about = {"execution_id": grant.execution_id, "stream": "implement", "offset": offset}
            await subscribe(socket, "subscribe-log", id=str(offset), **about)
            heard = b""
            while (message := await hear(socket))["type"] == "execution-log":
                assert message["offset"] == offset + len(heard)
                heard += data_of(message)
            assert heard == whole[offset:]
            assert (message["type"], message["offset"]) == ("completion", len(whole))


async def test_a_character_cut_by_a_frame_is_carried_whole(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    whole = "€".encode()
    async with listening(coordinator) as socket:
        await subscribe(socket, "subscribe-log", execution_id=grant.execution_id, stream="implement")
        heard = b""
        for place in range(3):
            await worker.log(grant, whole[place : place + 1], offset=place)
            message = await hear(socket)
            assert message["encoding"] == "base64"
            heard += data_of(message)
    assert heard == whole


async def test_many_subscriptions_share_a_connection(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    names = {str(number) for number in range(50)}
    async with listening(coordinator) as socket:
        for name in names:
            told = await subscribe(socket, "subscribe-events", id=name)
            assert told["type"] == "subscribed"
        assert (await subscribe(socket, "subscribe-events", id="0"))["code"] == "subscription-exists"
        await coordinator.task(project_id)
        heard = [await hear(socket) for _ in names]
        assert {one["subscription"] for one in heard} == names
        await say(socket, "unsubscribe", id="0")
        assert (await subscribe(socket, "subscribe-events", id="0"))["type"] == "subscribed"


WRONG = {
    "no JSON": "{",
    "no object": "[1]",
    "unknown type": '{"type": "shout"}',
    "unknown field": '{"type": "ping", "more": 1}',
    "other version": '{"type": "ping", "v": 2}',
    "negative cursor": '{"type": "subscribe-events", "id": "a", "cursor": -1}',
    "cursor too large": '{"type": "subscribe-events", "id": "a", "cursor": 99999999999999999999}',
    "NUL in a log": '{"type": "subscribe-log", "id": "a", "execution_id": "\\u0000", "stream": "x"}',
    "offset too large": '{"type": "subscribe-log", "id": "a", "execution_id": "b", "stream": "x", '
    '"offset": 1e30}',
    "wrong stream": '{"type": "subscribe-log", "id": "a", "execution_id": "b", "stream": "../x"}',
    "unknown execution": '{"type": "subscribe-log", "id": "a", "execution_id": "b", "stream": "x"}',
    "too long": '{"type": "ping", "v": "' + "x" * MAX_MESSAGE_BYTES + '"}',
}


async def test_a_wrong_message_is_told_so_and_the_connection_goes_on(
    coordinator: RunningCoordinator,
) -> None:
    async with listening(coordinator) as socket:
        for kind, message in WRONG.items():
            await socket.send(message)
            async with asyncio.timeout(60):
                answer = await hear(socket)
            while answer["type"] == "subscribed":
                answer = await hear(socket)
            assert answer.get("code") in ("invalid-message", "message-too-long", "not-found"), kind
            await say(socket, "ping")
            assert (await hear(socket))["type"] == "pong"
            await say(socket, "unsubscribe", id="a")


async def test_a_binary_message_is_answered_and_the_connection_goes_on(
    coordinator: RunningCoordinator,
) -> None:
    async with listening(coordinator) as socket:
        await socket.send(b"\xff\xfe")
        assert (await hear(socket))["code"] == "binary-message"
        await say(socket, "ping")
        assert (await hear(socket))["type"] == "pong"


async def test_a_message_beyond_the_frame_limit_closes_the_connection(
    coordinator: RunningCoordinator,
) -> None:
    async with listening(coordinator) as socket:
        await socket.send("x" * (2 * MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


async def test_a_slow_reader_gets_all_and_holds_nobody_up(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    piece = b"0123456789abcde\n" * (2**16 - 1)
    # The client's buffers are small and are not read, so the server has to wait for it.
    async with listening(coordinator, max_queue=1) as slow, listening(coordinator) as quick:
        about = {"execution_id": grant.execution_id, "stream": "implement"}
        await say(slow, "subscribe-log", id="one", **about)
        await subscribe(quick, "subscribe-events")
        for number in range(8):
            assert (await worker.log(grant, piece, offset=number * len(piece))).status_code == 200
        await worker.finish(grant, reason="no_change")
        assert (await hear(quick))["kind"].startswith("execution.")
        await hear(slow)
        length = 0
        while (message := await hear(slow))["type"] == "execution-log":
            assert message["offset"] == length
            length += message["size_bytes"]
    assert length == 8 * len(piece)


async def test_nobody_is_let_in_without_a_credential_of_a_person(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    for token in (None, "pyl_api_wrong", coordinator.enrolment, worker.http.headers["authorization"][7:]):
        assert await refused_with(coordinator, token=token) == 403


@pytest.mark.attack("live stream: a page of another site")
async def test_a_ticket_is_for_one_connection(coordinator: RunningCoordinator) -> None:
    ticket = (await coordinator.post("/stream/ticket"))["ticket"]
    async with listening(coordinator, query=f"?ticket={ticket}", token=None) as socket:
        await say(socket, "ping")
        assert (await hear(socket))["type"] == "pong"
    assert await refused_with(coordinator, query=f"?ticket={ticket}", token=None) == 403


@pytest.mark.attack("live stream: a page of another site")
async def test_a_page_of_another_site_is_refused_and_ours_is_not(coordinator: RunningCoordinator) -> None:
    link = (await coordinator.served.login_url()).partition("token=")[2]
    browser = coordinator.client()
    assert (await browser.post("/api/v1/session", json={"link_token": link})).status_code == 201
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for origin in ("https://evil.example", "null", None):
        headers = {"cookie": cookie}
        assert await refused_with(coordinator, additional_headers=headers, origin=origin) == 403
    headers = {"cookie": cookie}
    async with listening(coordinator, additional_headers=headers, origin=coordinator.url) as socket:
        await say(socket, "ping")
        assert (await hear(socket))["type"] == "pong"


@pytest.mark.attack("live stream: another tenant's news")
async def test_revoking_a_token_closes_its_connection(coordinator: RunningCoordinator) -> None:
    token = await coordinator.post("/tokens", {"name": "short"})
    async with listening(coordinator, token=token["secret"]) as socket:
        await subscribe(socket, "subscribe-events")
        await coordinator.http.delete(f"/api/v1/tokens/{token['id']}")
        async with asyncio.timeout(60):
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008


class Broken(Client):
    def __init__(self, principal: Principal, outlet: SseOutlet, services: Services) -> None:
        self.principal = principal
        self.subscriber = Subscriber(services.hub.followings, principal.tenant_id, outlet, outlet.close)
        self.beaten = asyncio.Event()

    async def refuse(self) -> None:
        """It stays."""

    def leave(self) -> None:
        """It stays."""

    def beat(self, now: float) -> None:
        self.beaten.set()
        raise LookupError(f"a bug at {now}")


async def test_a_client_with_a_bug_costs_the_others_nothing(database_url: str) -> None:
    async with (
        running_coordinator(database_url, stream_ping_seconds=0.1) as coordinator,
        listening(coordinator) as socket,
    ):
        project_id = await coordinator.project()
        await subscribe(socket, "subscribe-events", project_id=project_id)
        services = coordinator.served.services
        [client] = services.hub.clients
        broken = Broken(client.principal, SseOutlet(), services)
        with services.hub.admitted(broken):
            await broken.beaten.wait()
        task = await coordinator.task(project_id)
        assert (await hear(socket))["task_id"] == task["id"]


async def test_a_log_is_complete_whoever_ends_the_execution(
    coordinator: RunningCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What comes is told, and not found by a slow look.
    monkeypatch.setattr(log_fanout, "SLOW_LOOK_SECONDS", 3600.0)
    worker, grant = await begin(coordinator)
    async with listening(coordinator) as socket:
        await subscribe(socket, "subscribe-log", execution_id=grant.execution_id, stream="implement")
        # Nobody reports this end: the worker's access is taken away.
        assert (await coordinator.http.delete(f"/api/v1/workers/{worker.id}")).status_code < 300
        assert (await hear(socket))["type"] == "completion"
