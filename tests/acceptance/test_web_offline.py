"""The pages without a connection: what was read is shown, what is asked for waits, nothing happens twice."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser import BROWSER_TEST, browser, look_at
from tests.coordinator import RunningCoordinator
from tests.fault_proxy import FaultProxy

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = BROWSER_TEST
__all__ = ["browser"]

KEPT = """
() => new Promise(done => {
    const opening = indexedDB.open("keyval-store");
    opening.onsuccess = () => {
        const all = opening.result.transaction("keyval").objectStore("keyval").getAll();
        all.onsuccess = () => { opening.result.close(); done(JSON.stringify(all.result)); };
    };
})
"""
UNTIL_KEPT = f"""
async part => {{ while (!(await ({KEPT})()).includes(part)) await new Promise(requestAnimationFrame) }}
"""


async def log_in(page: "Page", coordinator: RunningCoordinator, url: str) -> None:
    """By way of ``url``, until the service worker has all that the pages need."""
    link = urlsplit(await coordinator.served.login_url())
    await page.goto(f"{url}{link.path}?{link.query}")
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("heading", level=1, name="Tasks").wait_for()
    await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")


async def create(page: "Page", title: str) -> None:
    await page.get_by_role("button", name="New task").first.click()
    await page.get_by_label("Title").fill(title)
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_phone_works_without_a_connection(
    browser: Browser, coordinator: RunningCoordinator, tmp_path: "Path"
) -> None:
    project = await coordinator.project(name="shop")
    task = await coordinator.task(project, title="Mend the roof", description="It leaks.")
    task_id = task["id"]
    async with FaultProxy(coordinator.url) as line:
        context = await browser.new_context(viewport={"width": 390, "height": 844})
        page = await context.new_page()
        await log_in(page, coordinator, line.url)
        await page.get_by_role("link", name="Mend the roof").click()
        await expect(page.get_by_text("It leaks.")).to_be_visible()
        key = f'["tasks","{task_id}"'
        await page.evaluate(UNTIL_KEPT, key)

        line.cut_off()
        await page.goto(f"{line.url}/tasks/{task_id}")
        await expect(page.get_by_text("It leaks.")).to_be_visible()
        await expect(page.get_by_text("Offline since")).to_be_visible()
        await create(page, "Paint the door")
        await create(page, "Sell the house")
        await page.get_by_text("2 kept on this device").click()
        assert await look_at(page, "offline-phone", tmp_path) == []
        await page.get_by_role("button", name="Remove: New task: Sell the house").click()
        other = await context.new_page()
        await other.goto(line.url)
        await expect(other.get_by_text("1 kept on this device")).to_be_visible()

        line.mend()
        for one in (page, other):
            await one.evaluate("window.dispatchEvent(new Event('online'))")
        for one in (page, other):
            await expect(one.get_by_text("kept on this device")).to_have_count(0)
            await expect(one.get_by_text("Offline since")).to_have_count(0)
        await expect(other.get_by_role("link", name="Paint the door")).to_be_visible()
        titles = [one["title"] for one in (await coordinator.get("/tasks"))["items"]]
        assert sorted(titles) == ["Mend the roof", "Paint the door"]

        await page.get_by_role("button", name="You and how it looks").click()
        await page.get_by_role("menuitem", name="Log out").click()
        await expect(page.get_by_text("You are not logged in.")).to_be_visible()
        assert "It leaks." not in await page.evaluate(KEPT)
        line.cut_off()
        await page.reload()
        await expect(page.get_by_text("can't be reached")).to_be_visible()
        await expect(page.get_by_text("roof")).to_have_count(0)
