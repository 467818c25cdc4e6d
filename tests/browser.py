"""The built web interface in a real Chromium: ``open_page`` logs in, ``look_at`` judges what is shown."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pullyard.coordinator.pages import STATIC
from tests.coordinator import PATIENCE_SECONDS, RunningCoordinator

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parents[1] / "web/node_modules/axe-core/axe.min.js"
PAIR_SHOWN_MS = 5_000
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSER_TEST = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not (STATIC / "index.html").is_file(), reason="run 'make web' first"),
]
"""The marks of a module with such tests, as its ``pytestmark``."""
WIDE = """
[...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > innerWidth)
    .map(one => one.outerHTML.slice(0, 120))
"""
VIOLATIONS = """
axe.run().then(found => found.violations.map(one => {
    const nodes = one.nodes.slice(0, 3).map(node => node.html + (node.any[0]?.message ?? ""));
    return `${one.id}: ${nodes.join(" | ")}`;
}))
"""


@pytest.fixture
async def browser() -> "AsyncIterator[Browser]":
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    # Its own limit is five seconds, for what a loaded machine may take longer to show.
    playwright.expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    async with playwright.async_playwright() as running:
        launched = await running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        await launched.close()


async def open_page(
    browser: "Browser", coordinator: RunningCoordinator, path: str = "/", **options: Any
) -> "tuple[Page, list[str]]":
    """A page of somebody who is logged in, and what its console and its scripts complain of from now on."""
    # It would fetch all files of the pages, beside each test.
    page = await browser.new_page(**{"service_workers": "block", **options})
    await page.goto(await coordinator.served.login_url())
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("heading", level=1, name="Tasks").wait_for()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(coordinator.url + path)
    await page.get_by_role("heading", level=1).first.wait_for()
    return page, complaints


async def press_pair(page: "Page", pair: str, shown: "Locator") -> None:
    """Two keys, such as "g b", until that is shown: after a pause between them they count for nothing."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for key in pair.split():
                await page.keyboard.press(key)
            with suppress(playwright.TimeoutError):
                return await shown.wait_for(timeout=PAIR_SHOWN_MS)
            # The second key may mean something by itself.
            await page.keyboard.press("Escape")


async def look_at(page: "Page", name: str, pictures: Path) -> list[str]:
    """Takes a picture. Returns what does not fit the window, and what keeps somebody from using it."""
    await page.screenshot(path=Path(os.environ.get("PULLYARD_TEST_PICTURES", pictures)) / f"{name}.png")
    window = (page.viewport_size or {})["width"]
    found: list[str] = []
    if await page.evaluate("document.documentElement.scrollWidth") > window:
        found += [f"too wide: {one}" for one in await page.evaluate(WIDE)]
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(AXE.read_text())
    found += await page.evaluate(VIOLATIONS)
    return [f"{name}: {one}" for one in found]
