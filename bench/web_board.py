"""A board of 5,000 tasks, with a processor four times slower: its load, its scrolling, keys and clicks."""

import asyncio
import dataclasses
import statistics
from collections.abc import Sequence

from playwright.async_api import Page

from bench.figures import Figure, Goal, median_ms, percentile_ms
from bench.fill import fill
from bench.pages import DESK, browser, opened, settled
from bench.stage import Coordinator, Stage

TASKS = 5_000
SHORT = 50
ROUNDS = 3
PAGES = 8
SLOW_DESK = dataclasses.replace(DESK, name="slow desk", slower=4)
INPUT = Goal(200, of_value=True)
"""What is called good of web pages in general: up to the next paint, of the slowest of fifty."""
SCROLL = """
async () => {
    const frames = [];
    let last = performance.now();
    for (let step = 0; step < 120; step++) {
        scrollBy(0, 60);
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - last);
        last = now;
    }
    return frames.sort((left, right) => left - right).at(-2);
}
"""
TYPED = ("/", "n", "o", "t", "Backspace", "Backspace", "Backspace")
DIALOGS = ("Control+k", "c", "?")
CARDS = ("j", "j", "k", "x", "x")


def measure(stage: Stage) -> list[Figure]:
    with stage.coordinator() as coordinator:
        return asyncio.run(measure_board(coordinator))


async def measure_board(coordinator: Coordinator) -> list[Figure]:
    await fill(coordinator, projects=5, tasks=TASKS)
    small = coordinator.add_project("small")
    for number in range(SHORT):
        coordinator.post(f"/projects/{small}/tasks", {"title": f"Task {number}"})
    async with browser() as chromium, opened(chromium, coordinator, SLOW_DESK) as page:
        few = [await load(page, f"{coordinator.url}/?project={small}") for _ in range(ROUNDS)]
        many = [await load(page, coordinator.url) for _ in range(ROUNDS)]
        for _ in range(PAGES):
            await page.get_by_role("button", name="Show more").click()
            await settled()
        await page.evaluate("measured.inputs.length = 0")
        frame = await page.evaluate(SCROLL)
        await use(page)
        inputs = [milliseconds / 1000 for milliseconds in await page.evaluate("measured.inputs")]
    slowest = percentile_ms(inputs, 98)
    said = f"{TASKS:,} tasks that wait, {PAGES * 60} of them on the page, processor 4 times slower"
    return [
        Figure(
            "board, load until its tasks are painted",
            statistics.median(many),
            "ms",
            f"a board of {SHORT} tasks",
            statistics.median(few),
            conditions=said,
        ),
        Figure("board, longest frame but one of 2 s of scrolling", frame, "ms", conditions=said),
        Figure("board, key or click to paint, p98", slowest, "ms", goal=INPUT, conditions=said),
        Figure("- median of those", median_ms(inputs), "ms"),
    ]


async def load(page: Page, url: str) -> float:
    await page.goto(url, wait_until="commit")
    shown = await page.evaluate("untilShown('.card').then(at => at - performance.timeOrigin)")
    await settled()
    return shown


async def press(page: Page, keys: Sequence[str]) -> None:
    for key in keys:
        await page.keyboard.press(key)
        await page.evaluate("painted()")


async def use(page: Page) -> None:
    for _ in range(ROUNDS):
        await press(page, TYPED)
        await page.evaluate("document.activeElement.blur()")
        for key in DIALOGS:
            await press(page, [key])
            await page.get_by_role("dialog").wait_for()
            await press(page, ["Escape"])
            await page.get_by_role("dialog").wait_for(state="hidden")
        await press(page, CARDS)
        await page.get_by_label("Choose Nothing to do").first.click()
    await settled()
