"""The first load on a desk and on a phone: what is transferred, when it is painted, and whether it moves."""

import asyncio
import statistics
from dataclasses import dataclass

from playwright.async_api import Browser, Page

from bench.figures import Figure, Goal
from bench.fill import fill
from bench.pages import DESK, PHONE, STATIC_PAGE, Device, browser, opened, settled
from bench.stage import Coordinator, Stage

ROUNDS = 7
TASKS = 200
PAGES = ("/", "/review", "/automation", "/workers", "/costs", "/settings", "/start")
SCRIPT_BYTES = """
() => performance.getEntriesByType("resource").filter(one => one.name.endsWith(".js"))
    .reduce((sum, one) => sum + one.encodedBodySize, 0)
"""
SCRIPT_KB = Goal(200, of_value=True)
PAINT = Goal(1500, of_value=True)
SHIFT = Goal(0, of_value=True)


@dataclass(frozen=True)
class Load:
    paint_ms: float
    """The largest paint, since the page was asked for."""
    shown_ms: float
    """When the board's first tasks were painted."""
    shift: float


def measure(stage: Stage) -> list[Figure]:
    with stage.coordinator() as coordinator:
        return asyncio.run(measure_loads(coordinator))


async def measure_loads(coordinator: Coordinator) -> list[Figure]:
    await fill(coordinator, projects=2, tasks=TASKS)
    async with browser() as chromium:
        # What a service worker keeps is not counted as it was sent.
        async with opened(chromium, coordinator, DESK, service_worker=False) as page:
            kilobytes = {path: await scripts_of(page, coordinator.url + path) for path in PAGES}
        most = max(kilobytes, key=lambda path: kilobytes[path])
        figures = [
            Figure("JavaScript of the first load, compressed", kilobytes["/"], "kB", goal=SCRIPT_KB),
            Figure(f"- of {most}, the page with most", kilobytes[most], "kB", goal=SCRIPT_KB),
        ]
        for device in (DESK, PHONE):
            figures += await loads_of(chromium, coordinator, device)
    return figures


async def scripts_of(page: Page, url: str) -> float:
    """What the page has asked for by itself, as it was sent."""
    await page.goto(url)
    await page.wait_for_load_state("networkidle")
    return await page.evaluate(SCRIPT_BYTES) / 1000


async def loads_of(chromium: Browser, coordinator: Coordinator, device: Device) -> list[Figure]:
    """Each with nothing in the browser's cache, by turns with the static page."""
    floors: list[float] = []
    loads: list[Load] = []
    for _ in range(ROUNDS):
        async with opened(chromium, coordinator, device) as page:
            await page.goto(coordinator.url + STATIC_PAGE)
            await settled()
            floors.append(await page.evaluate("measured.paint"))
        async with opened(chromium, coordinator, device) as page:
            loads.append(await load(page, coordinator.url))
    floor = statistics.median(floors)
    paint = statistics.median(one.paint_ms for one in loads)
    shown = statistics.median(one.shown_ms for one in loads)
    shift = max(one.shift for one in loads)
    said = f"{device.size[0]} x {device.size[1]}, processor {device.slower} times slower"
    said += f", {device.megabits} Mbit/s and {device.delay_ms} ms" if device.megabits else ""
    beside = "a static page's"
    return [
        Figure(f"{device.name}: largest paint", paint, "ms", beside, floor, PAINT, conditions=said),
        Figure(f"{device.name}: first tasks painted", shown, "ms", beside, floor, conditions=said),
        Figure(f"{device.name}: layout shift", shift, "", goal=SHIFT, conditions=said),
    ]


async def load(page: Page, url: str) -> Load:
    await page.goto(url, wait_until="commit")
    shown = await page.evaluate("untilShown('.card').then(at => at - performance.timeOrigin)")
    await page.wait_for_load_state("networkidle")
    await settled()
    found = await page.evaluate("measured")
    return Load(found["paint"], shown, found["shift"])
