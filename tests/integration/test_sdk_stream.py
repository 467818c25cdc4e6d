"""The Python client of the live stream, over a network that breaks and freezes."""

import asyncio
import threading
import time

import pytest

from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import TaskInput
from pullyard.protocol.stream import ExecutionUpdate, Subscribed, SubscribeEvents
from pullyard.sdk import stream as sdk_stream
from pullyard.sdk.stream import Stream
from tests.coordinator import PATIENCE_SECONDS, RunningCoordinator, running_coordinator
from tests.fault_proxy import FaultProxy
from tests.live import until


async def test_what_is_heard_goes_on_after_every_break(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    heard: list[int] = []
    enough = threading.Event()

    def listen(url: str) -> None:
        with Stream(url, coordinator.token) as stream:
            stream.subscribe(SubscribeEvents(id="events", project_id=project_id, cursor=0))
            for one in stream.hear(0.5):
                if isinstance(one, ExecutionUpdate):
                    heard.append(one.cursor)
                if len(heard) >= 21:
                    enough.set()
                    return

    async with FaultProxy(coordinator.url) as proxy:
        listening = asyncio.create_task(asyncio.to_thread(listen, proxy.url))
        for number in range(20):
            await coordinator.task(project_id)
            if number % 4 == 0:
                proxy.break_off()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await listening
    stored = await coordinator.events(project_id)
    assert heard == [one["cursor"] for one in stored]


async def test_a_coordinator_that_froze_is_left_for_a_new_connection(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine with much to do must not be taken for one that froze.
    monkeypatch.setattr(sdk_stream, "DEAD_SECONDS", 2.0)
    async with running_coordinator(database_url, stream_ping_seconds=0.1) as coordinator:
        project_id = await coordinator.project()
        live, heard = threading.Event(), threading.Event()

        def listen(url: str) -> None:
            with Stream(url, coordinator.token) as stream:
                stream.subscribe(SubscribeEvents(id="events", project_id=project_id))
                for one in stream.hear(0.1):
                    if isinstance(one, Subscribed):
                        # From now on it knows where to go on.
                        live.set()
                    if isinstance(one, ExecutionUpdate):
                        heard.set()
                        return

        async with FaultProxy(coordinator.url) as proxy, asyncio.timeout(PATIENCE_SECONDS):
            listening = asyncio.create_task(asyncio.to_thread(listen, proxy.url))
            await asyncio.to_thread(live.wait)
            hub = coordinator.served.services.hub
            before, connections = hub.clients, proxy.accepted
            proxy.freeze()
            await coordinator.task(project_id)
            await until(lambda: proxy.accepted > connections)
            proxy.mend()
            await listening
            assert heard.is_set()
            await until(lambda: before[0] not in hub.clients)


async def test_a_client_that_answers_the_pings_stays(database_url: str) -> None:
    silence = 3600.0
    settings = {"stream_ping_seconds": 0.1, "stream_silence_seconds": silence}
    async with running_coordinator(database_url, **settings) as coordinator:
        hub, loop = coordinator.served.services.hub, asyncio.get_running_loop()
        followed, other = await coordinator.project(), await coordinator.project()

        def listen() -> None:
            with Stream(coordinator.url, coordinator.token) as stream:
                wish = SubscribeEvents(id="events", project_id=followed)
                stream.subscribe(wish)
                silences = stream.hear(0.05)
                while wish.cursor is None:
                    next(silences)
                first, began, cursor = hub.clients, time.monotonic(), wish.cursor
                # Of what happens elsewhere only a ping tells.
                asyncio.run_coroutine_threadsafe(coordinator.task(other), loop).result()
                while wish.cursor == cursor:
                    next(silences)
                # Its answer is on the way: while this one is made, the coordinator reads it.
                asyncio.run_coroutine_threadsafe(coordinator.get("/projects"), loop).result()
                # As if so much time had passed since then, and all before its first answer were forgotten.
                loop.call_soon_threadsafe(first[0].beat, began + silence)
                for _ in range(5):
                    next(silences)
                assert hub.clients == first

        await asyncio.to_thread(listen)


async def test_a_task_is_asked_for_once_over_a_break(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()

    def ask(url: str) -> list[str]:
        with Stream(url, coordinator.token) as stream:
            stream.subscribe(SubscribeEvents(id="events", project_id=project_id, cursor=0))
            made = [stream.create_task(project_id, TaskInput(title=f"Task {n}")).id for n in range(10)]
            with pytest.raises(RequestError, match="no such project"):
                stream.create_task("proj_nobodys", TaskInput(title="x"))
            # The events that came meanwhile were kept.
            missing = set(made)
            for one in stream.hear(1):
                if isinstance(one, ExecutionUpdate):
                    missing.discard(one.task_id or "")
                if not missing:
                    return made
            return []

    async with FaultProxy(coordinator.url) as proxy, asyncio.timeout(PATIENCE_SECONDS):
        asking = asyncio.create_task(asyncio.to_thread(ask, proxy.url))
        for number in range(8):
            await asyncio.wait([asking], timeout=0.02 * number)
            proxy.break_off()
        made = await asking
    tasks = (await coordinator.get(f"/tasks?project_id={project_id}"))["items"]
    assert sorted(one["id"] for one in tasks) == sorted(made)
