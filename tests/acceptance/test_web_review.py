"""Reviewing in a real browser: the queue, a change with hostile text, and candidates to choose from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pullyard.protocol.worker import ErrandReport
from tests.browser import BROWSER_TEST, browser, look_at, open_page, press_pair
from tests.coordinator import RunningCoordinator, WireWorker
from tests.web_review import deliver, make_review, work_of

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, Page, expect

pytestmark = BROWSER_TEST
__all__ = ["browser"]
LOOKS = [("light", 1440, 900), ("dark", 1440, 900), ("dark", 390, 844), ("light", 390, 844)]


async def send_back(page: Page, worker: WireWorker) -> None:
    """Has an agent go on with the change, by keyboard."""
    await page.keyboard.press("r")
    await page.get_by_label("What should be different?").fill("Nearly.")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("An agent is at it:")).to_be_visible()
    grant = await worker.claim()
    assert grant.task.description.startswith(
        'Nearly.\n\n1. At shop/titles.py, line 1:\n\n> TITLE = "shop"\n\nCall it NAME again.'
    )
    work = work_of(grant, "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n one\n+two\n")
    work = msgspec.structs.replace(work, commit="d" * 40, branch=grant.branch)
    await deliver(worker, grant, work, cost=80_000)
    await expect(page.get_by_role("region", name="a.py")).to_contain_text("+two")
    await expect(page.get_by_text("$0.50")).to_be_visible()


async def look_at_the_other(page: Page, coordinator: RunningCoordinator) -> None:
    """The change that has collided is brought up to date, and says why."""
    open_ = (await coordinator.get("/changes?state=open"))["items"]
    other = next(one["id"] for one in open_ if one["title"].startswith("Name the titles"))
    await page.goto(f"{coordinator.url}/changes/{other}")
    since = page.locator(".rounds").get_by_role("listitem").filter(has_text="Bring up to date")
    await expect(since).to_contain_text("Merged first: #2 Round the totals")
    at_it = page.get_by_text("An agent is at it:")
    await expect(at_it).to_contain_text("since #2 Round the totals came into")


async def test_a_change_is_reviewed_and_merged_by_keyboard(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    scene = await make_review(coordinator)
    page, complaints = await open_page(browser, coordinator)
    queued = page.get_by_role("region", name="Queued")
    await expect(queued).to_contain_text("overlaps with 4 others in shop/totals.py")
    review = page.get_by_role("region", name="In review").get_by_role("listitem")
    await expect(review.filter(has_text="Round the totals")).to_contain_text("collides with 1")
    keys = page.keyboard
    await press_pair(page, "g r", page.get_by_role("heading", name="Review", level=1))
    ready = page.get_by_role("region", name="Ready for review")
    # The one with the higher priority, though it is younger.
    await expect(ready.get_by_role("link").first).to_have_text("Round the totals")
    await page.get_by_role("region", name="Choose one").get_by_role("link").wait_for()
    await keys.press("j")
    await keys.press("j")
    await expect(ready.get_by_role("link").first).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="Round the totals")).to_be_visible()

    first = page.get_by_role("region", name="shop/totals.py")
    await expect(first.get_by_text("rounded", exact=True)).to_have_attribute("data-changed", "true")
    await keys.press("n")
    await keys.press("v")
    await expect(page.get_by_text("1 of 5 viewed")).to_be_visible()
    await keys.press("n")
    second = page.get_by_role("region", name="shop/titles.py")
    await expect(second.locator(".file-fold")).to_be_focused()
    await expect(second).to_contain_text("was shop/names.py")
    await keys.press("j")
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await keys.type("Call it NAME again.")
    await keys.press("Control+Enter")
    await page.reload()
    await expect(page.get_by_text("1 of 5 viewed")).to_be_visible()
    await expect(second.get_by_text("Call it NAME again.")).to_be_visible()

    await send_back(page, scene.worker)

    await expect(page.get_by_role("button", name="Approve", exact=True)).to_be_enabled()
    await keys.press("a")
    await expect(page.get_by_text("approved by owner")).to_be_visible()
    await expect(page.get_by_role("button", name="Merge")).to_be_enabled()
    await keys.press("m")
    await expect(page.get_by_role("list", name="Before you merge")).to_contain_text("1 file not marked")
    await keys.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="merge this change")).to_be_visible()
    errand = (await scene.worker.poll(slots=0, wait=10.0)).errands[0]
    done = ErrandReport(fence=errand.fence, done=True, commit="e" * 40)
    await scene.worker.post(f"/errands/{errand.id}", done)
    await expect(page.locator(".heading .state-mark")).to_have_text("merged")
    await look_at_the_other(page, coordinator)
    assert complaints == []


async def test_what_is_reviewed_does_no_harm_and_fits(
    browser: Browser, coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    scene = await make_review(coordinator)
    page, complaints = await open_page(browser, coordinator)
    problems: list[str] = []

    async def look(name: str, looks: Sequence[tuple[Any, int, int]] = (LOOKS[0], LOOKS[2])) -> None:
        await page.wait_for_load_state("networkidle")
        for theme, width, height in looks:
            await page.set_viewport_size({"width": width, "height": height})
            await page.emulate_media(color_scheme=theme)
            await page.locator(f"html[data-mantine-color-scheme={theme}]").wait_for(state="attached")
            problems.extend(await look_at(page, f"{name}-{theme}-{width}", tmp_path))

    await page.goto(f"{coordinator.url}/review")
    await page.get_by_role("region", name="Choose one").wait_for()
    await look("review")
    await page.goto(f"{coordinator.url}/changes/{scene.change}")
    await expect(page.get_by_text("A binary file: look at it on the branch.")).to_be_visible()
    await expect(page.locator(".file-name").nth(3)).to_contain_text("ö<img src=x onerror=alert(3)>nnn")
    await expect(page.locator("[data-met=true]")).to_contain_text("pytest shop passed")
    await page.get_by_role("button", name="Say something of line 2", exact=True).first.click()
    await expect(page.get_by_label("Remark on line 2")).to_be_focused()
    await look("change", LOOKS)
    await page.set_viewport_size({"width": 1440, "height": 900})
    await page.get_by_text("split", exact=True).click()
    await look("change-split", LOOKS[:2])
    await page.get_by_role("button", name="Show 500 lines").click()
    await expect(page.get_by_text("line 500", exact=True)).to_have_count(1)
    await page.goto(f"{coordinator.url}/comparisons/{scene.comparison['id']}")
    await look("comparison")
    assert await page.locator("main :is(img, script)").count() == 0
    problems += complaints
    assert problems == [], "\n".join(problems)


async def test_one_of_several_candidates_is_chosen(browser: Browser, coordinator: RunningCoordinator) -> None:
    scene = await make_review(coordinator)
    page, _ = await open_page(browser, coordinator, "/review?show=choose")
    await expect(page.get_by_role("link", name="Mend the sorting of prices")).to_be_visible()
    await page.get_by_role("button", name="Notifications").click()
    bell = page.get_by_role("dialog", name="Notifications")
    await bell.locator("a[href='/comparisons/" + scene.comparison["id"] + "']").click()
    first, second = (page.get_by_role("listitem", name=f"Candidate {number}") for number in (3, 4))
    await expect(first).to_contain_text("$0.84")
    await expect(second).to_contain_text("$0.31best")
    await expect(second).to_contain_text("not passed")
    await second.get_by_role("button", name="Choose #4").click()
    # Somebody else is faster.
    wish = {"task_id": scene.comparison["candidates"][0]["task_id"]}
    await coordinator.post(f"/comparisons/{scene.comparison['id']}/choose", wish, 200)
    await page.get_by_role("dialog").get_by_role("button", name="Choose #4").click()
    await expect(page.get_by_role("alert")).to_contain_text(
        "This comparison is decided: owner chose task #3."
    )
    await expect(first).to_contain_text("chosen")
    await expect(page.get_by_role("button", name="Choose")).to_have_count(0)


async def test_agents_are_compared_from_the_first_wish_on(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    await coordinator.project(name="acme/shop")
    page, complaints = await open_page(browser, coordinator)
    await expect(page.get_by_role("button", name="New task")).to_be_enabled()
    await page.keyboard.press("c")
    await page.get_by_role("textbox", name="Title").fill("Mend the sorting of prices")
    await page.get_by_role("button", name="Criteria, priority, labels…").click()
    agents = page.get_by_role("combobox", name="Agents to compare")
    await agents.fill("claude-code")
    await agents.press("Enter")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("alert")).to_contain_text("candidates")
    await agents.fill("command:make it, please")
    await agents.press("Enter")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("heading", name="Mend the sorting of prices")).to_be_visible()
    await expect(page.get_by_role("listitem", name="Candidate 2")).to_contain_text("command: make it, please")
    [made] = (await coordinator.get("/comparisons"))["items"]
    assert [one["agent"]["name"] for one in made["candidates"]] == ["claude-code", "command"]
    assert len(complaints) == 1
    assert "422" in complaints[0]


async def test_what_is_about_the_same_files_waits_where_the_project_wants_that(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    await make_review(coordinator)
    page, complaints = await open_page(browser, coordinator, "/settings")
    await page.get_by_role("button", name="Change acme/shop").click()
    await page.get_by_label("When tasks are about the same files").select_option("queue")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await press_pair(page, "g b", page.get_by_role("heading", name="Tasks", level=1))
    await page.keyboard.press("c")
    await page.get_by_role("button", name="Criteria, priority, labels…").click()
    await page.get_by_role("textbox", name="Title").fill("Sort the totals")
    await page.get_by_label("Files that it is about").fill("shop/*.py\n")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("It waits for 4 others on the same files")).to_be_visible()
    backlog = page.get_by_role("region", name="Backlog").get_by_role("listitem")
    card = backlog.filter(has_text="Sort the totals")
    await expect(card).to_contain_text("waits for work on the same files")
    await card.get_by_role("button", name="Actions for Sort the totals").click()
    await page.get_by_role("menuitem", name="Run it all the same").click()
    await expect(page.get_by_role("region", name="Queued")).to_contain_text("Sort the totals")
    assert complaints == []
