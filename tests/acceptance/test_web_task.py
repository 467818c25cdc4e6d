"""The page of a task in a real browser: its live log, what the agent said, and what people do there."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pullyard.protocol.worker import AskRequest
from tests.browser import BROWSER_TEST, browser, open_page
from tests.coordinator import PATIENCE_SECONDS, RunningCoordinator
from tests.fault_proxy import FaultProxy
from tests.live import data_of
from tests.web_task_scene import LINES, NEEDLE, RESULT, TaskScene, make_task_scene

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, expect

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, WebSocket

pytestmark = BROWSER_TEST
__all__ = ["browser"]


def row(page: "Page", number: int) -> "Locator":
    return page.locator(".log-row").filter(has=page.locator(f'[data-line="{number}"]'))


async def numbers(page: "Page") -> list[int]:
    """Of the lines that are shown."""
    return [int(one) for one in await page.locator(".log-number").all_inner_texts()]


async def test_a_live_log_is_followed_read_searched_and_linked(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    scene = await make_task_scene(coordinator)
    page, complaints = await open_page(browser, coordinator, scene.path)
    log = page.get_by_role("region", name="Log of implement")
    await log.scroll_into_view_if_needed()
    state = page.locator(".log-state")
    await expect(row(page, LINES)).to_be_in_viewport()
    await expect(state).to_have_text("live")
    await scene.print("the newest\n")
    await expect(row(page, LINES + 1)).to_contain_text("the newest")

    # Who moves upwards stays there, whatever comes.
    await log.hover()
    await page.mouse.wheel(0, -400)
    await expect(state).to_have_text("paused")
    await expect(row(page, LINES + 1)).to_have_count(0)
    before = await numbers(page)
    await scene.print("and another\n" * 3_000)
    await expect(page.locator(".log-count")).to_have_text(f"{LINES + 3_001:,} lines")
    assert await numbers(page) == before
    await scene.worker.walk(scene.grant, "verify")
    await expect(page.get_by_role("button", name="verify running")).to_be_visible()
    assert await numbers(page) == before
    await log.press("End")
    await expect(row(page, LINES + 3_001)).to_be_in_viewport()
    await expect(state).to_have_text("live")

    # The whole log is searched, also what was never here.
    await log.press("Control+f")
    await page.keyboard.type("NEEDLE in")
    found = row(page, NEEDLE)
    await expect(found).to_be_in_viewport()
    await expect(found.locator("mark")).to_have_text("needle in")
    await expect(page.locator(".log-matches")).to_have_text("1 of 1")
    await page.keyboard.press("Escape")
    await expect(log).to_be_focused()

    await found.get_by_role("link").first.click()
    await row(page, NEEDLE + 2).get_by_role("link").first.click(modifiers=["Shift"])
    await expect(page).to_have_url(re.compile(rf"phase=implement.*#L{NEEDLE}-L{NEEDLE + 2}$"))
    await page.reload()
    await expect(row(page, NEEDLE)).to_be_in_viewport()
    await expect(page.locator(".log-row[data-chosen]")).to_have_count(3)
    await expect(state).to_have_text("paused")
    assert complaints == []


@dataclass
class Heard:
    """What the page was told over all of its connections, in the order that it came."""

    log: bytes = b""
    log_ends: int = 0
    cursors: list[int] = field(default_factory=list[int])
    begins: int = 0
    wrong_offsets: list[int] = field(default_factory=list[int])
    sockets: list["WebSocket"] = field(default_factory=list["WebSocket"])
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self, socket: "WebSocket") -> None:
        self.sockets.append(socket)
        socket.on("framereceived", lambda frame: self.take(json.loads(frame)))
        socket.on("close", lambda _: self.news.set())

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "execution-log":
            if self.log and message["offset"] != self.log_ends:
                self.wrong_offsets.append(message["offset"])
            self.log += data_of(message)
            self.log_ends = message["offset"] + message["size_bytes"]
        elif message["type"] == "subscribed" and message["cursor"] is not None:
            self.begins = self.begins or message["cursor"]
        elif "kind" in message:
            self.cursors.append(message["cursor"])
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self.news.clear()
                await self.news.wait()


@pytest.mark.timeout(900)
async def test_nothing_is_missed_or_doubled_over_a_hundred_lost_connections(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    scene = await make_task_scene(coordinator, lines=3)
    page, _ = await open_page(browser, coordinator)
    heard = Heard()
    async with FaultProxy(coordinator.url) as line:
        page.on("websocket", heard.listen)
        await page.goto(line.url + scene.path)
        await expect(row(page, 3)).to_be_visible()
        for number in range(4, 104):
            # While the page hears it, while it is on its way, or while there is no connection.
            if number % 3:
                await scene.print(f"half of {number}")
            if number % 3 == 1:
                await heard.until(lambda: heard.log_ends >= scene.size_bytes)
                await scene.worker.beat()
            lost = heard.sockets[-1]
            line.break_off()
            if number % 3 == 0:
                await scene.print(f"half of {number}")
            if number % 2:
                await coordinator.task(scene.task["project_id"], title=f"Task {number}")
            await heard.until(lost.is_closed)
            # As a phone says that is back; else the page would wait a while before it tries.
            await page.evaluate("dispatchEvent(new Event('online'))")
            await heard.until(lambda lost=lost: heard.sockets[-1] is not lost)
            await scene.print(f", and the rest of {number}\n")
        await expect(row(page, 103)).to_contain_text("half of 103, and the rest of 103")
        await expect(page.locator(".log-count")).to_have_text("103 lines")
        stored = [one["cursor"] for one in await coordinator.events() if one["cursor"] > heard.begins]
        await heard.until(lambda: heard.cursors[-1] >= stored[-1])
    assert heard.cursors[: len(stored)] == stored
    assert heard.wrong_offsets == []
    said = [f"half of {number}, and the rest of {number}\n" for number in range(4, 104)]
    assert heard.log.decode().endswith("".join(said))
    shown = await page.locator(".log-text").all_inner_texts()
    assert "\n".join(shown) + "\n" == "".join(said[-len(shown) :])


async def test_what_an_agent_said_and_did_is_told(browser: Browser, coordinator: RunningCoordinator) -> None:
    scene = await make_task_scene(coordinator, lines=3)
    page, complaints = await open_page(browser, coordinator, scene.path)
    await page.get_by_role("tab", name="Conversation").press("Enter")
    await expect(page).to_have_url(re.compile("view=conversation"))
    said = page.get_by_role("region", name="Conversation")
    await scene.worker.log(
        scene.grant,
        b'{"kind":"message","at":80,"text":"It is done."}\n',
        offset=scene.said_bytes,
        stream="conversation",
    )
    await expect(said.get_by_text("It is done.")).to_be_in_viewport()
    edit = said.get_by_role("article").filter(has_text="invoices/totals.py")
    added = edit.locator("[data-kind=add]").first
    await expect(added.get_by_text("share, left = divmod(total, count)")).to_be_visible()
    tests = said.get_by_role("article").filter(has_text="make test failed")
    await expect(tests.get_by_text("test_39")).to_have_count(0)
    await tests.get_by_role("button", name="more lines").click()
    await expect(tests.locator("pre").last).to_have_text(RESULT)
    async with page.expect_download() as download:
        await tests.get_by_role("link", name="the whole result").click()
    assert (await (await download.value).path()).read_bytes() == b"the whole of"
    assert complaints == []


async def ask(scene: TaskScene, number: int, question: str, choices: list[str]) -> None:
    request = AskRequest(
        fence=scene.grant.fence,
        question_id=f"ask-{number}",
        node="implement",
        question=question,
        choices=choices,
        text=True,
        diff="diff --git a/a b/a\n@@ -1 +1 @@\n-one\n+two\n",
    )
    answer = await scene.worker.post(f"/executions/{scene.grant.execution_id}/ask", request)
    assert answer.status_code == 200, answer.text


async def test_a_question_is_answered_and_work_is_steered(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    scene = await make_task_scene(coordinator, lines=3)
    page, complaints = await open_page(browser, coordinator, scene.path)
    mark = page.locator(".heading .state-mark")
    question = page.get_by_role("region", name="Question")
    execution = f"/executions/{scene.grant.execution_id}"

    await page.get_by_role("button", name="Allow git.example.org:443").click()
    await expect(page.get_by_role("button", name="Allow git.example.org:443")).to_have_text("Allowed")
    project = await coordinator.get(f"/projects/{scene.task['project_id']}")
    assert [one["host"] for one in project["isolation"]["network"]["hosts"]] == ["git.example.org"]

    await ask(scene, 1, "May the migration take a lock?", ["approve", "reject"])
    await question.get_by_text("The work so far").wait_for()
    await expect(question.locator("[data-kind=add]")).to_have_count(0)
    await question.get_by_text("The work so far").click()
    await expect(question.locator("[data-kind=add]")).to_contain_text("two")
    await question.get_by_role("button", name="Approve").press("Enter")
    await expect(mark).to_have_text("running")
    assert (await coordinator.get(f"{execution}/question"))["answer"] == "approve"

    await scene.worker.walk(scene.grant, "implement")
    await ask(scene, 2, "The budget is spent: $1.00.", ["raise", "stop"])
    await question.get_by_label("Amount to add").fill("2.50")
    # Somebody else is faster.
    await coordinator.post(f"{execution}/answer", {"answer": "stop"}, status=200)
    await expect(question).to_have_count(0)
    assert (await coordinator.get(f"{execution}/question"))["answer"] == "stop"

    await page.get_by_role("button", name="Cancel").press("Enter")
    await page.get_by_role("button", name="Cancel the task").press("Enter")
    await expect(page.get_by_text("Its worker is told to stop")).to_be_visible()
    await scene.worker.finish(scene.grant, reason="cancelled", message="Cancelled by a person.")
    await expect(mark).to_have_text("cancelled")
    await page.get_by_role("button", name="Resume its saved work").press("Enter")
    await expect(mark).to_have_text("queued")
    more = page.get_by_role("button", name="More to do with this task")
    # A key is not waited with until the button is enabled, as a click is.
    await expect(more).to_be_enabled()
    await more.press("Enter")
    await page.get_by_role("menuitem", name="Priority 10").press("Enter")
    await expect(page.get_by_role("region", name="Facts")).to_contain_text("Priority10")
    grant = await scene.worker.claim()
    assert grant.resume_from is not None
    await expect(mark).to_have_text("running")
    await expect(more).to_be_enabled()
    await more.press("Enter")
    await page.get_by_role("menuitem", name="Take it back").press("Enter")
    await expect(mark).to_have_text("queued")
    assert complaints == []


async def test_what_is_wanted_is_shown_as_its_markdown_means_it(
    browser: Browser, coordinator: RunningCoordinator
) -> None:
    """As it stands in an issue that became a task; on the page of its change, too."""
    text = "Totals are **short**:\n\n- in instalments\n- [a thread](https://forge.example/7) <b>says</b> so\n"
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project(), description=text)
    assert (await worker.deliver(await worker.claim())).status_code == 200
    change = (await coordinator.until_task(task["id"], "completed"))["change_id"]
    page, complaints = await open_page(browser, coordinator, f"/tasks/{task['id']}")
    brief = page.get_by_role("region", name="Brief")
    for _ in range(2):
        await expect(brief.get_by_role("listitem")).to_have_text(
            ["in instalments", "a thread <b>says</b> so"]
        )
        await expect(brief.get_by_role("strong")).to_have_text("short")
        link = brief.get_by_role("link", name="a thread")
        await expect(link).to_have_attribute("rel", "noopener noreferrer")
        await page.goto(f"{coordinator.url}/changes/{change}")
        brief = page.get_by_role("region", name="What was wanted")
    assert complaints == []
