"""The pages without a connection: what was read is shown, what is asked for waits, nothing happens twice; and
what a device is told while no page is open."""

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.browser import BROWSER_TEST, browser, look_at
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.fault_proxy import FaultProxy
from tests.push_service import Device, push_service
from tests.web_scene import asks, enrol

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

# This browser has no push service of its own: the subscription is one of ours.
SUBSCRIBED = """
const subscription = { endpoint: ENDPOINT, toJSON: () => (SUBSCRIPTION), unsubscribe: async () => true };
PushManager.prototype.subscribe = async () => subscription;
PushManager.prototype.getSubscription = async () => subscription;
"""
SHOWN = """
async () => {
    for (let look = 0; look < 50; look += 1) {
        if ((await self.registration.getNotifications()).length) return true;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
}
"""
CHOOSE = """
async () => {
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
    return notification.title;
}
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


async def test_a_device_is_told_and_opens_the_right_page(browser: Browser, database_url: str) -> None:
    async with (
        push_service() as service,
        running_coordinator(database_url, push_allow_private=(service.place,)) as coordinator,
    ):
        device = Device(f"{service.url}/send/one")
        wish = device.wish()
        subscription = {
            "endpoint": device.endpoint,
            "keys": {name: wish[name] for name in ("p256dh", "auth")},
        }
        context = await browser.new_context(permissions=["notifications"])
        script = SUBSCRIBED.replace("ENDPOINT", json.dumps(device.endpoint))
        await context.add_init_script(script.replace("SUBSCRIPTION", json.dumps(subscription)))
        page = await context.new_page()
        await log_in(page, coordinator, coordinator.url)
        await page.goto(coordinator.url + "/settings")
        await page.get_by_label("Budget").uncheck()
        await page.get_by_label("Send them to this device").click()
        told = page.get_by_role("list", name="Devices that are told")
        await expect(told.get_by_text("not told of anything yet")).to_be_visible()
        [known] = (await coordinator.get("/push"))["devices"]
        assert "budget.near" not in known["events"]
        assert "execution.waiting_input" in known["events"]

        await asks(coordinator, await enrol(coordinator, "build-07"), await coordinator.project())
        _, body = await service.next()
        devtools = await context.new_cdp_session(page)
        found: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        devtools.on("ServiceWorker.workerRegistrationUpdated", found.put_nowait)
        await devtools.send("ServiceWorker.enable")
        async with asyncio.timeout(20):
            while not (registrations := (await found.get())["registrations"]):
                pass
        message = {"origin": coordinator.url, "registrationId": registrations[0]["registrationId"]}
        message["data"] = json.dumps(device.open(body))
        [worker] = context.service_workers
        # The browser loses some of what its tools hand to it; what is told twice is shown once.
        while not await worker.evaluate(SHOWN):
            await devtools.send("ServiceWorker.deliverPushMessage", message)
        assert await worker.evaluate(CHOOSE) == "Needs you: Postgres advisory lock leaks"
        await expect(page.get_by_role("heading", name="Postgres advisory lock leaks")).to_be_visible()

        await page.goto(coordinator.url + "/settings")
        await expect(told.get_by_text("told just now")).to_be_visible()
        await page.get_by_label("Send them to this device").click()
        await expect(told.get_by_role("listitem")).to_have_count(0)
        assert (await coordinator.get("/push"))["devices"] == []
