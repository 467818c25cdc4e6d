"""The built web interface in a real browser, against a real coordinator."""

import asyncio
import json

import pytest

from tests.browser import BROWSER_TEST, browser, open_page
from tests.coordinator import PATIENCE_SECONDS, RunningCoordinator
from tests.live import until

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, Page, expect

pytestmark = BROWSER_TEST
__all__ = ["browser"]


async def listen_live(page: Page, coordinator: RunningCoordinator) -> None:
    """Opens the page again, until it is told of what happens: what it has to read for itself is over."""
    subscribed = asyncio.Event()

    def hear(frame: str | bytes) -> None:
        if json.loads(frame)["type"] == "subscribed":
            subscribed.set()

    page.on("websocket", lambda socket: socket.on("framereceived", hear))
    await page.reload()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await subscribed.wait()
    hub = coordinator.served.services.hub
    await until(lambda: all(client.subscriber.cursor is not None for client in hub.clients))


async def test_the_board_shows_a_task_that_somebody_else_creates(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    project_id = await coordinator.project()
    page, complaints = await open_page(browser, coordinator)
    await listen_live(page, coordinator)
    queued = page.get_by_role("region", name="Queued")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    task = await coordinator.task(project_id, title="Mend the roof")
    await expect(queued.get_by_text("Mend the roof")).to_be_visible()
    # It came with the news: many boards would ask for it at the same time.
    assert f"{coordinator.url}/api/v1/tasks/{task['id']}" not in asked
    assert complaints == []


async def test_a_task_is_created_by_keyboard(browser: Browser, coordinator: RunningCoordinator) -> None:
    await coordinator.project()
    page, complaints = await open_page(browser, coordinator)
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
    page, _ = await open_page(browser, coordinator)
    kept = await page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
    )
    assert "pyl_" not in kept


async def test_what_the_board_reads_first_is_sent_without_its_scripts_asking(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    """And is asked for once: the names in the page's header are those that the scripts ask for."""
    await coordinator.task(await coordinator.project(), title="Mend the roof")
    page, complaints = await open_page(browser, coordinator)
    # What is read again once the connection stands is another matter.
    await page.route_web_socket("**/api/v1/stream", lambda _: None)
    await page.reload()
    await expect(page.get_by_text("Mend the roof")).to_be_visible()
    reads = await page.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.name.includes('/api/'))"
        ".map(one => [new URL(one.name).pathname, one.initiatorType])"
    )
    for path in ("/api/v1/session", "/api/v1/board", "/api/v1/projects"):
        assert [by for name, by in reads if name == path] == ["link"], reads
    assert complaints == []
