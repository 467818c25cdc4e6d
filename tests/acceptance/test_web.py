"""The built web interface in a real browser, against a real coordinator."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pullyard.coordinator.pages import STATIC
from tests.coordinator import RunningCoordinator, WireWorker, change_of

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, Page, async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
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
DIFF = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n one\n+two\n"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not (STATIC / "index.html").is_file(), reason="run 'make web' first"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


async def log_in(browser: Browser, coordinator: RunningCoordinator, **options: Any) -> tuple[Page, list[str]]:
    """A page that shows the board, and what its console and its scripts complain of from now on."""
    page = await browser.new_page(**options)
    complaints: list[str] = []
    await page.goto(await coordinator.served.login_url())
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.reload()
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    return page, complaints


async def delivered(coordinator: RunningCoordinator) -> tuple[WireWorker, dict[str, Any]]:
    """A worker, and a task of its whose change is open."""
    task = await coordinator.task(await coordinator.project(), title="Retry with jitter")
    worker = await coordinator.worker()
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    await worker.log(grant, b"\x1b[31mworking\x1b[0m\n" * 50)
    await worker.walk(grant, "verify", "publish")
    change = change_of(grant)
    change.diff = DIFF
    assert (await worker.finish(grant, change=change)).status_code == 200
    return worker, await coordinator.until_task(task["id"], "completed")


async def test_the_board_shows_a_task_that_somebody_else_creates(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    project_id = await coordinator.project()
    page, complaints = await log_in(browser, coordinator)
    queued = page.get_by_role("region", name="Queued")
    await coordinator.task(project_id, title="Mend the roof")
    await expect(queued.get_by_text("Mend the roof")).to_be_visible()
    assert complaints == []


async def test_a_task_is_created_by_keyboard(browser: Browser, coordinator: RunningCoordinator) -> None:
    await coordinator.project()
    page, complaints = await log_in(browser, coordinator)
    button = page.get_by_role("button", name="New task")
    # A key is not waited with until the button is enabled, as a click is.
    await expect(button).to_be_enabled()
    await button.press("Enter")
    await page.get_by_label("Title").fill("Paint the door")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("region", name="Queued").get_by_text("Paint the door")).to_be_visible()
    assert complaints == []


async def test_nothing_secret_is_kept_where_scripts_can_read(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    page, _ = await log_in(browser, coordinator)
    kept = await page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
    )
    assert "pyl_" not in kept


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
async def test_every_page_is_accessible_and_fits(
    browser: Browser, coordinator: RunningCoordinator, tmp_path: Path, theme: Any, width: int
) -> None:
    _, task = await delivered(coordinator)
    page, complaints = await log_in(
        browser, coordinator, color_scheme=theme, viewport={"width": width, "height": 850}
    )
    pictures = Path(os.environ.get("PULLYARD_TEST_PICTURES", tmp_path))
    for path in (f"/tasks/{task['id']}",):
        await page.goto(coordinator.url + path)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=pictures / f"{path.split('/')[1]}-{theme}-{width}.png")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
        await page.evaluate(AXE.read_text())
        found = await page.evaluate(
            "axe.run().then(found => found.violations.map(one => one.id + one.nodes[0].html))"
        )
        assert found == [], path
    assert complaints == []
