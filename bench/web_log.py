"""A live log of 1,000,000 lines: until its first lines show, a jump to others, a search of the whole."""

import asyncio
import statistics
import time
from collections.abc import Iterator

import zstandard
from playwright.async_api import Page

from bench.figures import Figure, Goal
from bench.pages import DESK, browser, opened, settled
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import WireWorker, enrol

LINES = 1_000_000
SHORT = 1_000
FRAME_LINES = 5_000
ROUNDS = 5
STREAM = "implement"
HALF_A_SECOND = Goal(500, of_value=True)
OPEN = """
async path => {
    const at = performance.timeOrigin + performance.now();
    document.querySelector(`a[href="${path}"]`).click();
    return await untilShown(".log-text", "line ") - at;
}
"""
JUMP = """
async part => {
    const box = document.querySelector(".log-box");
    const number = () => Number(document.querySelector(".log-number").textContent);
    const before = number();
    const at = performance.timeOrigin + performance.now();
    box.scrollTop = box.scrollHeight * part;
    const reads = () => number() === before || document.querySelector(".log-missing");
    while (reads()) await new Promise(requestAnimationFrame);
    return await painted() - at;
}
"""
HEAP = "performance.memory.usedJSHeapSize / 2 ** 20"


def measure(stage: Stage) -> list[Figure]:
    with stage.coordinator(archive_seconds=3600, lease_seconds=600) as coordinator:
        return asyncio.run(measure_log(coordinator))


async def measure_log(coordinator: Coordinator) -> list[Figure]:
    worker = await enrol(coordinator, coordinator.enrolment_token(), slots=2)
    project = coordinator.add_project("logs", max_running=2)
    long, short = [await printed(coordinator, worker, project, lines) for lines in (LINES, SHORT)]
    async with browser() as chromium, opened(chromium, coordinator, DESK) as page:
        opened_short = await open_log(page, coordinator, short)
        opened_long = await open_log(page, coordinator, long)
        jumps = [await page.evaluate(JUMP, (place + 1) / (ROUNDS + 1)) for place in range(ROUNDS)]
        searches = [await search(page, number) for number in range(ROUNDS)]
        heap = await page.evaluate(HEAP)
    worker.http.close()
    said = f"{DURABLE}; {LINES:,} lines, running; a search waits 150 ms for the next letter"
    beside = f"a log of {SHORT:,} lines"
    return [
        Figure(
            "log, from the board to its lines",
            statistics.median(opened_long),
            "ms",
            beside,
            statistics.median(opened_short),
            HALF_A_SECOND,
            conditions=said,
        ),
        Figure(
            "log, jump to other lines", statistics.median(jumps), "ms", goal=HALF_A_SECOND, conditions=said
        ),
        Figure(
            "log, search of the whole", statistics.median(searches), "ms", goal=HALF_A_SECOND, conditions=said
        ),
        Figure("- memory of the page's scripts", heap, "MiB"),
    ]


async def printed(coordinator: Coordinator, worker: WireWorker, project: str, lines: int) -> str:
    """The address of a task whose agent has printed so much, and goes on."""
    task = coordinator.post(f"/projects/{project}/tasks", {"title": f"{lines} lines"})
    (grant,) = await worker.claim()
    worker.held[grant.execution_id] = grant
    await worker.beat()
    await worker.begin(grant, "prepare", "implement")
    offset = 0
    for data in frames(lines):
        await worker.append(grant, STREAM, offset, zstandard.compress(data))
        offset += len(data)
    return f"/tasks/{task['id']}"


def frames(lines: int) -> Iterator[bytes]:
    """Each search finds one line, near the end."""
    for first in range(1, lines + 1, FRAME_LINES):
        numbers = range(first, min(first + FRAME_LINES, lines + 1))
        yield "".join(
            f"line {number} compiles the module {number * 7919 % 10_007}"
            f"{f' needle-{lines - number}' if lines - number < ROUNDS else ''}\n"
            for number in numbers
        ).encode()


async def open_log(page: Page, coordinator: Coordinator, path: str) -> list[float]:
    times: list[float] = []
    for _ in range(ROUNDS):
        await page.goto(coordinator.url)
        await page.evaluate("untilShown('.card')")
        await settled()
        times.append(await page.evaluate(OPEN, path))
    return times


async def search(page: Page, number: int) -> float:
    """From before the text is put in, as if it were typed at once."""
    field = page.get_by_label("Search the whole log")
    await field.fill("")
    # What was found before is forgotten as late as what is sought is asked for.
    await settled()
    began = time.time() * 1000
    await field.fill(f"needle-{number}")
    return await page.evaluate("untilShown('.log-matches', '1 of 1')") - began
