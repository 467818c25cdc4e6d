"""What every page of the web interface has around it: the search, the keys, the connection, notifications."""

from typing import TYPE_CHECKING

import pytest

from tests.browser import BROWSER_TEST, browser, open_page, press_pair
from tests.coordinator import RunningCoordinator
from tests.web_scene import asks, delivered, enrol

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, expect

if TYPE_CHECKING:
    from playwright.async_api import WebSocketRoute

pytestmark = BROWSER_TEST
__all__ = ["browser"]


async def test_everything_is_found_and_reached_by_keys(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    project = await coordinator.project(name="shop")
    await delivered(coordinator, await enrol(coordinator, "build-07"), project, "Paint the wall")
    await coordinator.task(project, title="Mend the roof")
    page, complaints = await open_page(browser, coordinator, color_scheme="light")
    for key, heading in (
        ("w", "Workers"),
        ("a", "Automation"),
        ("c", "Costs"),
        ("s", "Settings"),
        ("b", "Tasks"),
    ):
        await press_pair(page, f"g {key}", page.get_by_role("heading", name=heading, level=1))

    await page.keyboard.press("?")
    help_ = page.get_by_role("dialog")
    await expect(help_).to_contain_text("Choose the task")
    await page.keyboard.press("Escape")
    await expect(help_).to_have_count(0)

    await page.keyboard.press("Control+k")
    search = page.get_by_role("combobox", name="Search or jump to")
    await expect(search).to_be_focused()
    await search.fill("dark col")
    await search.press("Enter")
    await expect(page.locator("html[data-mantine-color-scheme=dark]")).to_have_count(1)
    await page.get_by_role("button", name="Search or jump to").click()
    await search.fill("roof")
    await expect(page.get_by_role("listbox").get_by_role("option").first).to_contain_text("Mend the roof")
    await search.press("Enter")
    await expect(page.get_by_role("heading", name="Mend the roof")).to_be_visible()
    await page.keyboard.press("Control+k")
    await search.fill("change wall")
    await search.press("Enter")
    await expect(page.get_by_role("heading", name="Paint the wall")).to_be_visible()
    await expect(page.get_by_role("button", name="Merge")).to_be_visible()
    await page.reload()
    await expect(page.locator("html[data-mantine-color-scheme=dark]")).to_have_count(1)
    assert complaints == []


async def test_a_lost_connection_is_told_and_nothing_is_missed(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    project = await coordinator.project()
    page, _ = await open_page(browser, coordinator)
    routes: list[WebSocketRoute] = []
    broken = True

    async def stand_between(route: "WebSocketRoute") -> None:
        routes.append(route)
        if broken and len(routes) > 1:
            await route.close()
        else:
            route.connect_to_server()

    await page.route_web_socket("**/api/v1/stream", stand_between)
    await page.reload()
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    await coordinator.task(project, title="before")
    await expect(page.get_by_role("link", name="before")).to_be_visible()
    await routes[0].close()
    banner = page.get_by_text("Offline since")
    await expect(banner).to_be_visible()
    await coordinator.task(project, title="meanwhile")
    broken = False
    await expect(page.get_by_role("link", name="meanwhile")).to_be_visible()
    await expect(banner).to_have_count(0)


async def test_what_needs_somebody_is_told_on_every_page(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    project = await coordinator.project()
    worker = await enrol(coordinator, "build-07")
    page, complaints = await open_page(browser, coordinator, "/settings")
    await asks(coordinator, worker, project)
    bell = page.get_by_role("button", name="Notifications, 1 new")
    await bell.click()
    row = page.get_by_role("link", name="Needs you: Postgres advisory lock leaks")
    await expect(row).to_contain_text("May the migration take a lock")
    await row.click()
    await expect(page.get_by_role("heading", name="Postgres advisory lock leaks")).to_be_visible()
    await expect(page.get_by_role("button", name="Notifications", exact=True)).to_be_visible()
    await page.goto(coordinator.url + "/settings")
    await page.get_by_label("Needs you").uncheck()
    await page.get_by_role("button", name="Notifications").click()
    await expect(page.get_by_text("Nothing to tell.")).to_be_visible()
    assert complaints == []


async def test_the_pages_can_be_installed(browser: Browser, coordinator: RunningCoordinator) -> None:
    page, complaints = await open_page(browser, coordinator)
    devtools = await page.context.new_cdp_session(page)
    manifest = await devtools.send("Page.getAppManifest")
    assert (manifest["url"], manifest["errors"]) == (f"{coordinator.url}/app.webmanifest", [])
    wrong = (await devtools.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    # This browser keeps nothing, and installs nothing either.
    assert [one["errorId"] for one in wrong if one["errorId"] != "in-incognito"] == []
    assert complaints == []
