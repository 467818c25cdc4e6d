"""From a request that changes a task, and from a worker's append to a log, to pixels; 100 others watch."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import uvloop
import zstandard
from playwright.async_api import Page
from websockets.asyncio.client import ClientConnection, connect

from bench.figures import Figure, Goal, median_ms, percentile_ms
from bench.fill import fill
from bench.pages import DESK, STATIC_PAGE, browser, opened, settled
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import Http, enrol

WATCHERS = 100
ROUNDS = 100
TASKS = 200
INTERVAL_SECONDS = 0.25
STREAM = "implement"
P99 = Goal(150, of_value=True)
STATIC_TEXT = """
async () => { const at = Date.now(); document.body.append("x"); return (await painted() - at) / 1000 }
"""
SHOWN = "count => Object.values(measured.marks).filter(Boolean).length >= count"
Marked = Callable[[int], Awaitable[None]]
"""Makes the text ``mark-N`` show on the page."""


def measure(stage: Stage) -> list[Figure]:
    with stage.coordinator(max_running=WATCHERS, stream_connections=2 * WATCHERS) as coordinator:
        return uvloop.run(measure_pixels(coordinator))


async def measure_pixels(coordinator: Coordinator) -> list[Figure]:
    await fill(coordinator, projects=2, tasks=TASKS)
    async with browser() as chromium, opened(chromium, coordinator, DESK) as page:
        floor = await static_page(page, coordinator)
        alone = await changed_tasks(page, coordinator, 0)
        async with watching(coordinator):
            changed = await changed_tasks(page, coordinator, ROUNDS)
        printed = await printed_lines(page, coordinator)
    said = f"{DURABLE}; {WATCHERS} others hear and read what a page does, 4 changes a second"
    return [
        *to_pixels("task changed, request to pixels", changed, floor, said),
        Figure("- with nobody else, p50", median_ms(alone), "ms"),
        Figure("- with nobody else, p99", percentile_ms(alone, 99), "ms"),
        *to_pixels("line printed, append to pixels", printed, floor, said),
    ]


def to_pixels(name: str, seconds: list[float], floor: list[float], said: str) -> list[Figure]:
    beside = "text put onto a static page"
    p99 = percentile_ms(floor, 99)
    return [
        Figure(f"{name}, p50", median_ms(seconds), "ms", beside, median_ms(floor), conditions=said),
        Figure(f"{name}, p99", percentile_ms(seconds, 99), "ms", beside, p99, P99, conditions=said),
    ]


async def times_of(page: Page, show: Marked, first: int) -> list[float]:
    """Seconds from just before each text is asked for until it is painted."""
    began: list[float] = []
    for number in range(first, first + ROUNDS):
        await asyncio.sleep(INTERVAL_SECONDS * random.uniform(0.5, 1.5))
        began.append(time.time())
        await show(number)
    await page.wait_for_function(SHOWN, arg=ROUNDS)
    marks = await page.evaluate("measured.marks")
    return [marks[f"mark-{first + place}"] / 1000 - at for place, at in enumerate(began)]


async def static_page(page: Page, coordinator: Coordinator) -> list[float]:
    await page.goto(coordinator.url + STATIC_PAGE)
    return [await page.evaluate(STATIC_TEXT) for _ in range(ROUNDS)]


async def changed_tasks(page: Page, coordinator: Coordinator, first: int) -> list[float]:
    await page.goto(coordinator.url)
    await page.evaluate("untilShown('.card')")
    await settled()
    await page.evaluate("watchMarks()")
    ids = await page.evaluate("[...document.querySelectorAll('.card')].map(one => one.dataset.task)")
    http = Http(coordinator.url, coordinator.token)

    async def change(number: int) -> None:
        title = json.dumps({"title": f"mark-{number}"}).encode()
        status, answer = await http.ask("PATCH", f"/api/v1/tasks/{ids[number % len(ids)]}", title)
        assert status == 200, answer

    times = await times_of(page, change, first)
    http.close()
    return times


async def printed_lines(page: Page, coordinator: Coordinator) -> list[float]:
    worker = await enrol(coordinator, coordinator.enrolment_token())
    (grant,) = await worker.claim()
    worker.held[grant.execution_id] = grant
    await worker.beat()
    await worker.begin(grant, "prepare", "implement")
    size = 0

    async def print_line(number: int) -> None:
        nonlocal size
        line = f"mark-{number}\n".encode()
        await worker.append(grant, STREAM, size, zstandard.compress(line))
        size += len(line)

    await print_line(10 * ROUNDS)
    await page.goto(f"{coordinator.url}/tasks/{grant.task.id}")
    await page.evaluate("untilShown('.log-text', 'mark-')")
    await page.evaluate("watchMarks()")
    about = {"type": "subscribe-log", "id": "log", "execution_id": grant.execution_id, "stream": STREAM}
    async with watching(coordinator, about):
        times = await times_of(page, print_line, 2 * ROUNDS)
    worker.http.close()
    return times


@asynccontextmanager
async def watching(coordinator: Coordinator, *wishes: dict[str, str]) -> AsyncIterator[None]:
    """While the block runs so many others listen as pages do, and read what pages read."""
    address = coordinator.url.replace("http", "ws", 1) + "/api/v1/stream"
    headers = {"authorization": f"Bearer {coordinator.token}"}
    events = {"type": "subscribe-events", "id": "events", "resources": True}
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        watchers: list[asyncio.Task[None]] = []
        for _ in range(WATCHERS):
            socket = await stack.enter_async_context(
                connect(address, additional_headers=headers, ping_interval=None)
            )
            for wish in (events, *wishes):
                await socket.send(json.dumps(wish))
            watchers.append(
                group.create_task(Watcher(socket, Http(coordinator.url, coordinator.token)).run())
            )
        await settled()
        yield
        for watcher in watchers:
            watcher.cancel()


class Watcher:
    """Hears what a page hears, and reads what a page reads then: tasks that did not come with the news."""

    def __init__(self, socket: ClientConnection, http: Http) -> None:
        self._socket = socket
        self._http = http

    async def run(self) -> None:
        try:
            async for message in self._socket:
                news = json.loads(message)
                if news.get("task_id") and "task" not in news:
                    await self._http.ask("GET", f"/api/v1/tasks/{news['task_id']}")
        finally:
            self._http.close()
