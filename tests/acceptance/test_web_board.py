"""The board in a real browser: what it shows, and what can be done there by pointer and by keyboard."""

import asyncio
from typing import TYPE_CHECKING, Any

from tests.browser import BROWSER_TEST, browser, open_page
from tests.coordinator import RunningCoordinator

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, expect

pytestmark = BROWSER_TEST
__all__ = ["browser"]


def column(page: "Page", name: str) -> "Locator":
    return page.get_by_role("region", name=name)


def titles(page: "Page", name: str) -> "Locator":
    return column(page, name).locator(".card-title")


async def waiting(coordinator: RunningCoordinator, project: str) -> list[str]:
    """The titles in the order of the claim."""
    tasks = (await coordinator.get(f"/tasks?project_id={project}&state=queued"))["items"]
    return [one["title"] for one in sorted(tasks, key=lambda one: (-one["priority"], one["position"]))]


async def until_waiting(coordinator: RunningCoordinator, project: str, expected: list[str]) -> None:
    cursor = 0
    async with asyncio.timeout(60):
        while await waiting(coordinator, project) != expected:
            cursor = int((await coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5"))["next"])


async def drag(page: "Page", card: "Locator", onto: "Locator", part: float) -> None:
    """Drops ``card`` on the lower or upper ``part`` of another element."""
    box: Any = await onto.bounding_box()
    await card.hover()
    await page.mouse.down()
    # The first move begins the dragging, and only one after it is over the target.
    for height in (0.5, part):
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * height, steps=4)
    await page.mouse.up()


async def test_tasks_are_put_in_order_by_pointer_and_by_menu(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    project = await coordinator.project()
    for title in ("one", "two", "three"):
        await coordinator.task(project, title=title)
    page, complaints = await open_page(browser, coordinator)
    await expect(titles(page, "Queued")).to_have_text(["one", "two", "three"])

    cards = column(page, "Queued").locator(".card")
    await drag(page, cards.nth(2), cards.nth(0), 0.1)
    await expect(titles(page, "Queued")).to_have_text(["three", "one", "two"])
    await until_waiting(coordinator, project, ["three", "one", "two"])

    await page.get_by_role("button", name="Actions for two").press("Enter")
    await page.get_by_role("menuitem", name="Up").press("Enter")
    await expect(titles(page, "Queued")).to_have_text(["three", "two", "one"])
    await until_waiting(coordinator, project, ["three", "two", "one"])

    await drag(page, cards.nth(0), column(page, "Backlog"), 0.5)
    await expect(titles(page, "Backlog")).to_have_text(["three"])
    assert complaints == []


async def test_a_move_that_is_refused_is_taken_back(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    mine, other = await coordinator.project(), await coordinator.project()
    await coordinator.task(mine, title="mine")
    await coordinator.task(other, title="theirs")
    page, _ = await open_page(browser, coordinator)
    cards = column(page, "Queued").locator(".card")
    await expect(titles(page, "Queued")).to_have_text(["mine", "theirs"])
    await drag(page, cards.nth(1), cards.nth(0), 0.1)
    await expect(page.locator(".toast[data-tone=bad]")).to_be_visible()
    await expect(titles(page, "Queued")).to_have_text(["mine", "theirs"])


async def test_filters_are_in_the_address_and_last(browser: Browser, coordinator: RunningCoordinator) -> None:
    shop, infra = await coordinator.project(name="shop"), await coordinator.project(name="infra")
    await coordinator.task(shop, title="Paint the door", labels=["gpu"])
    await coordinator.task(shop, title="Mend the roof")
    await coordinator.task(infra, title="Count the bricks", agent={"name": "claude-code"})
    page, complaints = await open_page(browser, coordinator)
    await expect(titles(page, "Queued")).to_have_count(3)
    await page.get_by_label("Project").select_option("shop")
    await expect(titles(page, "Queued")).to_have_count(2)
    await page.get_by_label("Label").select_option("gpu")
    await expect(titles(page, "Queued")).to_have_text(["Paint the door"])
    await page.reload()
    await expect(titles(page, "Queued")).to_have_text(["Paint the door"])
    await page.go_back()
    await expect(titles(page, "Queued")).to_have_count(2)
    await page.get_by_role("button", name="Clear").click()
    await page.keyboard.press("/")
    await page.keyboard.type("brick count")
    await expect(titles(page, "Queued")).to_have_text(["Count the bricks"])
    assert "q=brick" in page.url
    await page.get_by_role("link", name="Count the bricks").click()
    await expect(page.get_by_role("heading", name="Count the bricks")).to_be_visible()
    await page.go_back()
    await expect(titles(page, "Queued")).to_have_text(["Count the bricks"])
    assert complaints == []


async def test_the_board_is_used_without_a_pointer(browser: Browser, coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    page, complaints = await open_page(browser, coordinator)
    await expect(page.get_by_text("There is no task yet.")).to_be_visible()
    for title in ("one", "two"):
        await page.keyboard.press("c")
        await page.get_by_label("Title").fill(title)
        await page.keyboard.press("Control+Enter")
        await expect(titles(page, "Queued").filter(has_text=title)).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="two")).to_be_focused()
    await page.keyboard.press("x")
    await page.keyboard.press("k")
    await page.keyboard.press("x")
    chosen = page.get_by_role("region", name="Chosen tasks")
    await expect(chosen).to_contain_text("2 chosen")
    await chosen.get_by_role("button", name="Cancel them").press("Enter")
    await expect(titles(page, "Failed")).to_have_count(2)
    assert await waiting(coordinator, project) == []
    assert complaints == []


async def test_thousands_of_tasks_are_shown_by_and_by(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    project = await coordinator.project(max_running=9)
    many = [{"title": f"Task {number}"} for number in range(170)]
    for _ in range(3):
        await coordinator.post(f"/projects/{project}/automation/inject", {"tasks": many, "place": "end"})
    page, complaints = await open_page(browser, coordinator)
    queued = column(page, "Queued")
    await expect(queued.get_by_role("heading")).to_contain_text("100+")
    shown = await titles(page, "Queued").count()
    assert shown < 100
    more = queued.get_by_role("button", name="Show more")
    for _ in range(8):
        await more.click()
    await expect(queued.get_by_role("heading")).to_contain_text("510")
    await expect(titles(page, "Queued")).to_have_count(510)
    await expect(more).to_have_count(0)
    assert complaints == []


async def test_a_phone_comes_back_to_where_it_was(browser: Browser, coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    for number in range(12):
        await coordinator.task(project, title=f"Task {number}")
    page, complaints = await open_page(
        browser, coordinator, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    await page.get_by_role("button", name="Queued 12").tap()
    last = page.get_by_role("link", name="Task 11")
    await last.scroll_into_view_if_needed()
    await expect(last).to_be_in_viewport(ratio=0.9)
    await last.tap()
    await expect(page.get_by_role("heading", name="Task 11")).to_be_visible()
    await page.go_back()
    await expect(last).to_be_in_viewport(ratio=0.9)
    assert complaints == []
