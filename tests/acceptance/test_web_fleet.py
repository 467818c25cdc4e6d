"""Setting up, workers, automation and budgets in a real browser."""

import asyncio
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import BROWSER_TEST, browser, open_page
from tests.coordinator import RunningCoordinator
from tests.web_scene import FACTS, delivered, enrol

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, Page, Route, expect

if TYPE_CHECKING:
    from playwright.async_api import Locator

pytestmark = BROWSER_TEST
__all__ = ["browser"]


async def test_from_the_login_to_the_first_task(browser: Browser, coordinator: RunningCoordinator) -> None:
    page, complaints = await open_page(browser, coordinator)
    await page.get_by_role("link", name="Set it up").click()
    await page.get_by_label("Repository").fill("git@forge.example:acme/shop.git")
    await expect(page.get_by_label("Name")).to_have_value("shop")
    await page.get_by_label("Agent").select_option("codex")
    await page.get_by_label("Verify with").fill("make test\nnpm ci && npm test")
    await page.get_by_role("button", name="Add the repository").click()
    await expect(page.get_by_text("Your project is")).to_be_visible()
    project = (await coordinator.get("/projects"))["items"][0]
    assert project["verify_commands"] == [["make", "test"], ["sh", "-c", "npm ci && npm test"]]
    assert project["agent"]["name"] == "codex"
    await expect(page.get_by_text("No worker is connected.")).to_be_visible()

    await page.get_by_role("link", name="Add a worker").click()
    await page.get_by_label("Name").fill("build 07")
    await page.get_by_role("button", name="Make an invitation").click()
    first, second = (await page.locator(".command pre").inner_text()).splitlines()
    assert shlex.split(second)[:6] == ["pullyard", "worker", "--url", coordinator.url, "--name", "build 07"]
    await expect(page.get_by_text("Waiting for it to connect")).to_be_visible()
    coordinator.enrolment = first.partition("=")[2]
    await enrol(coordinator, "build 07", **FACTS)
    await expect(page.get_by_text("build 07 is connected.")).to_be_visible()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_text("Measured isolation").click()
    await expect(page.get_by_text("Escapes held: 4 of 4")).to_be_visible()

    await page.goto(coordinator.url + "/start")
    await expect(page.get_by_text("pullyard worker agents install codex")).to_be_visible()
    await page.get_by_role("button", name="Create a task").click()
    await page.get_by_label("Title").fill("Mend the roof")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_role("link", name="See it on the board")).to_be_visible()
    assert complaints == []


async def test_a_worker_is_taken_out_of_service_and_back(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    worker = await enrol(coordinator, "build-07")
    await worker.beat()
    page, complaints = await open_page(browser, coordinator, "/workers")
    card = page.get_by_role("listitem", name="build-07")

    async def act(name: str, state: str) -> None:
        await card.get_by_role("button", name="Actions for build-07").click()
        await page.get_by_role("menuitem", name=name).click()
        await expect(card.locator(".state-mark")).to_have_text(state)

    await act("Drain", "draining")
    await act("Resume", "idle")
    await act("Quarantine", "quarantined")
    await act("Release from quarantine", "offline")
    await card.get_by_role("button", name="Actions for build-07").click()
    await page.get_by_role("menuitem", name="Revoke its access").click()
    await page.get_by_role("button", name="Revoke", exact=True).click()
    await expect(page.get_by_text("No worker has joined yet.")).to_be_visible()
    assert complaints == []


async def drop(page: Page, name: str, text: str) -> None:
    script = """([name, text]) => {
        const all = new DataTransfer();
        all.items.add(new File([text], name));
        return all;
    }"""
    carried = await page.evaluate_handle(script, [name, text])
    await page.locator(".inject").dispatch_event("drop", {"dataTransfer": carried})


async def send_twice(page: Page, field: "Locator") -> list[str | None]:
    """As whoever is impatient does. Returns what the page asks for, then and later."""
    pressed = asyncio.Event()
    asked: list[str | None] = []

    async def hold(route: Route) -> None:
        asked.append(route.request.post_data)
        await pressed.wait()
        await route.continue_()

    await page.route("**/automation/inject", hold)
    await field.press("Control+Enter")
    await expect(page.get_by_role("button", name="Inject")).to_be_disabled()
    await field.press("Control+Enter")
    pressed.set()
    return asked


async def test_automation_is_steered_and_fed(browser: Browser, coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(name="shop")
    worker = await coordinator.worker()
    page, complaints = await open_page(browser, coordinator, f"/automation/{project}")
    mark = page.locator(".heading .state-mark")
    await expect(mark).to_have_text("running")
    await page.get_by_role("button", name="Pause").click()
    await expect(mark).to_have_text("paused")

    field = page.get_by_label("Tasks, one a line")
    await field.fill("Round totals half up\n  They are cut now.\nMend the roof")
    asked = await send_twice(page, field)
    following = (
        page.locator(".panel").filter(has=page.get_by_role("heading", name="Next")).get_by_role("link")
    )
    await expect(following).to_have_count(2)
    await expect(following.first).to_contain_text("Round totals half up")
    assert len(asked) == 1
    await drop(page, "task_lists.md", "- [ ] From a file {#file}\n  - priority: high\n")
    await expect(field).to_have_value("- [ ] From a file {#file}\n  - priority: high\n")
    await page.get_by_role("button", name="Inject").click()
    await expect(following.first).to_contain_text("From a file")

    policy = page.get_by_label("When a task fails for good")
    await policy.select_option("skip")
    await expect(page.get_by_text("What waits for the failed task fails with it.")).to_be_visible()
    await expect(policy).to_be_enabled()
    assert (await coordinator.get(f"/projects/{project}"))["automation_policy"]["on_error"] == "skip"
    await policy.select_option("stop")
    await expect(page.get_by_text("Nothing new is begun until you resume.")).to_be_visible()
    await expect(policy).to_be_enabled()

    await page.get_by_role("button", name="Resume").click()
    await expect(mark).to_have_text("running")
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    await worker.finish(grant, reason="agent_failed", message="It gave up.")
    await expect(mark).to_have_text("halted")
    await expect(page.get_by_role("alert")).to_contain_text("It gave up.")
    await expect(page.get_by_role("link", name="the task that failed")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    await expect(mark).to_have_text("stopped")
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("dialog").get_by_role("button", name="Start").click()
    await expect(mark).to_have_text("running")
    assert complaints == []


async def test_budgets_are_set_changed_and_removed(browser: Browser, coordinator: RunningCoordinator) -> None:
    await coordinator.project(name="shop")
    page, complaints = await open_page(browser, coordinator, "/costs")

    async def set_budget(button: str, dollars: str) -> dict[str, Any]:
        await page.get_by_role("button", name=button, exact=True).click()
        await page.get_by_label("Dollars").fill(dollars)
        await page.get_by_role("dialog").get_by_role("button", name="it").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        return (await coordinator.get("/budgets"))["items"][0]

    made = await set_budget("Set a budget", "2.50")
    assert (made["scope"], made["period"], made["limit_micros"]) == ("project", "day", 2_500_000)
    await expect(page.get_by_text("$0.00 of $2.50")).to_be_visible()
    assert (await set_budget("Change", "4"))["limit_micros"] == 4_000_000
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("There is none.")).to_be_visible()
    assert complaints == []


async def test_costs_are_told_by_what_made_them(browser: Browser, coordinator: RunningCoordinator) -> None:
    worker = await enrol(coordinator, "build-07")
    await delivered(coordinator, worker, await coordinator.project(name="shop"), "Round totals half up")
    page, complaints = await open_page(browser, coordinator, "/costs")
    month = page.locator(".panel").filter(has=page.get_by_role("heading", name="This month"))
    await expect(month).to_contain_text("$1.26 in all, with 97,000 tokens")
    await month.get_by_label("Group the costs").select_option("project")
    await expect(month.get_by_role("listitem")).to_contain_text("shop")
    assert complaints == []
