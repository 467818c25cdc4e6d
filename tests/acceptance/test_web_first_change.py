"""A new user's way from the login link to a merged change, by keys alone and by touch alone.

A picture of every step is kept, in ``PULLYARD_TEST_PICTURES`` where that names a directory.
"""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import BROWSER_TEST, browser, look_at, press_pair
from tests.repositories import git_in
from tests.system import System

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.async_api import Browser, Page, expect

if TYPE_CHECKING:
    from playwright.async_api import Locator

pytestmark = BROWSER_TEST
__all__ = ["browser"]

# What touches continuous integration has to be approved by a person.
AGENT = (
    "echo Greeting the world; echo hello > greeting.txt; "
    "mkdir -p .github/workflows; echo 'on: push' > .github/workflows/check.yml"
)
MOST_TABS = 60


async def value_of(target: "Locator", option: str) -> str:
    """Of the option that begins with this word."""
    value = await target.locator("option", has_text=f"{option}:").get_attribute("value")
    assert value is not None
    return value


@dataclass
class Hands(ABC):
    page: Page
    pictures: Path
    taken: list[str] = field(default_factory=list)

    async def picture(self, step: str) -> None:
        self.taken.append(f"first-change-{type(self).__name__.lower()}-{len(self.taken) + 1:02}-{step}.png")
        await self.page.screenshot(path=self.pictures / self.taken[-1])

    @abstractmethod
    async def press(self, target: "Locator") -> None: ...

    @abstractmethod
    async def write(self, target: "Locator", text: str) -> None: ...

    @abstractmethod
    async def choose(self, target: "Locator", option: str) -> None: ...

    @abstractmethod
    async def to_review(self) -> None: ...

    @abstractmethod
    async def approve_and_merge(self) -> None: ...


class Keyboard(Hands):
    """Tab leads to everything, and there is no pointer at all."""

    async def go(self, target: "Locator") -> None:
        await expect(target).to_be_enabled()
        for _ in range(MOST_TABS):
            if await target.evaluate("one => one === document.activeElement"):
                await expect(target).to_be_in_viewport()
                return
            await self.page.keyboard.press("Tab")
        pytest.fail(f"{MOST_TABS} tabs do not lead to {target}")

    async def press(self, target: "Locator") -> None:
        await self.go(target)
        await self.page.keyboard.press("Enter")

    async def write(self, target: "Locator", text: str) -> None:
        await self.go(target)
        await self.page.keyboard.type(text)

    async def choose(self, target: "Locator", option: str) -> None:
        await self.go(target)
        wanted = await value_of(target, option)
        for _ in range(await target.locator("option").count()):
            if await target.input_value() == wanted:
                return
            await self.page.keyboard.press("ArrowDown")
        await expect(target).to_have_value(wanted)

    async def to_review(self) -> None:
        await press_pair(self.page, "g r", self.page.get_by_role("heading", level=1, name="Review"))

    async def approve_and_merge(self) -> None:
        keys = self.page.keyboard
        await keys.press("n")
        await keys.press("v")
        await keys.press("n")
        await keys.press("v")
        await expect(self.page.get_by_text("2 of 2 viewed")).to_be_visible()
        await expect(self.page.get_by_role("button", name="Approve", exact=True)).to_be_enabled()
        await keys.press("a")
        await expect(self.page.get_by_text("approved by owner")).to_be_visible()
        await self.picture("approved")
        await expect(self.page.get_by_role("button", name="Merge")).to_be_enabled()
        await keys.press("m")
        await expect(self.page.get_by_role("dialog").get_by_role("button", name="Merge")).to_be_focused()
        await keys.press("Enter")


class Touch(Hands):
    """A tap is a touch that begins and ends; the keys of the screen insert text."""

    async def press(self, target: "Locator") -> None:
        await target.tap()

    async def write(self, target: "Locator", text: str) -> None:
        await target.tap()
        await expect(target).to_be_focused()
        await self.page.keyboard.insert_text(text)

    async def choose(self, target: "Locator", option: str) -> None:
        # A phone's own list of options is none of the page's.
        await target.select_option(await value_of(target, option))

    async def to_review(self) -> None:
        await self.page.get_by_role("navigation").get_by_role("link", name="Review").tap()

    async def approve_and_merge(self) -> None:
        viewed = self.page.get_by_role("checkbox", name="Viewed")
        await viewed.first.tap()
        await viewed.last.tap()
        await expect(self.page.get_by_text("2 of 2 viewed")).to_be_visible()
        await self.page.get_by_role("button", name="Approve", exact=True).tap()
        await expect(self.page.get_by_text("approved by owner")).to_be_visible()
        await self.picture("approved")
        await self.page.get_by_role("button", name="Merge").tap()
        await self.page.get_by_role("dialog").get_by_role("button", name="Merge").tap()


DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


async def set_up(hands: Hands, repository: Path) -> None:
    """From the empty board to a project."""
    page = hands.page
    await hands.press(page.get_by_role("link", name="Set it up"))
    await expect(page.get_by_text("connected, with")).to_be_visible()
    await hands.picture("set-up")
    await hands.write(page.get_by_label("Repository"), str(repository))
    await hands.choose(page.get_by_label("Agent"), "command")
    await hands.write(page.get_by_label("Command"), AGENT)
    await hands.write(page.get_by_label("Verify with"), "test -f greeting.txt")
    await hands.picture("repository")
    await hands.press(page.get_by_role("button", name="Add the repository"))
    await expect(page.get_by_text("Your project is")).to_be_visible()


async def ask_for(hands: Hands, title: str) -> None:
    """Creates a task, and opens its page by way of the board."""
    page = hands.page
    await hands.press(page.get_by_role("button", name="Create a task"))
    await hands.write(page.get_by_label("Title"), title)
    await hands.write(page.get_by_label("What is wanted"), "A file with a greeting.")
    await hands.picture("new-task")
    await hands.press(page.get_by_role("button", name="Create", exact=True))
    await hands.press(page.get_by_role("link", name="See it on the board"))
    card = page.get_by_role("link", name=title)
    await expect(card).to_be_visible()
    await hands.picture("board")
    await hands.press(card)


async def answer(hands: Hands) -> None:
    """Watches what the agent says, and approves what it asks about."""
    page = hands.page
    question = page.get_by_role("region", name="Question")
    await expect(question).to_contain_text(".github/workflows/check.yml")
    await hands.press(question.get_by_text("The work so far"))
    await expect(question.get_by_text("on: push")).to_be_visible()
    await hands.picture("question")
    await hands.press(page.get_by_role("button", name="implement"))
    await expect(page.get_by_role("region", name="Log of implement")).to_contain_text("Greeting the world")
    await hands.picture("log")
    await hands.press(question.get_by_role("button", name="Approve"))
    await expect(page.locator(".heading .state-mark")).to_have_text("completed")
    await hands.picture("completed")


@pytest.mark.parametrize(("kind", "options"), [(Keyboard, DESK), (Touch, PHONE)], ids=["keyboard", "touch"])
async def test_from_the_login_link_to_a_merged_change(
    browser: Browser, system: System, tmp_path: Path, kind: type[Hands], options: dict[str, Any]
) -> None:
    repository = system.repository()
    await system.start_worker()
    page = await browser.new_page(service_workers="block", **options)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    pictures = Path(os.environ.get("PULLYARD_TEST_PICTURES", tmp_path))
    hands = kind(page, pictures)
    await page.goto(await system.coordinator.served.login_url())
    await hands.picture("login")
    # The one page that no other test looks at: it is none of the web interface's own.
    assert await look_at(page, f"login-{kind.__name__}", pictures) == []
    await hands.press(page.get_by_role("button", name="Log in"))
    await expect(page.get_by_role("heading", level=1, name="Tasks")).to_be_visible()
    await hands.picture("empty-board")
    await set_up(hands, repository)
    await ask_for(hands, "Greet the world")
    await answer(hands)
    await hands.to_review()
    await expect(page.get_by_role("heading", level=1, name="Review")).to_be_visible()
    await hands.picture("review")
    await hands.press(page.get_by_role("link", name="Greet the world"))
    await expect(page.get_by_role("region", name="greeting.txt")).to_contain_text("hello")
    await hands.picture("change")
    await hands.approve_and_merge()
    await expect(page.locator(".heading .state-mark")).to_have_text("merged")
    await hands.picture("merged")
    assert git_in(repository, "show", "main:greeting.txt") == "hello"
    assert complaints == []
