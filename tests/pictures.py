"""Takes the pictures of all pages for the documentation, and writes the page that shows them.

Usage: make pictures. A page of the web interface that has no picture here ends it with an error.
"""

import asyncio
import base64
import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from pullyard.coordinator.pages import STATIC
from tests.browser import CHROMIUM, FLAGS
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.picture_scene import PictureScene, make_picture_scene
from tests.postgres import TEMPLATE, fast_directory, fresh_database, shared_server

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/pictures"
DOCUMENT = ROOT / "docs/reference/pages.md"
ROUTER = ROOT / "web/src/router.tsx"
QUALITY = 78
MOST_BYTES = 6_000_000
THEMES = ("light", "dark")
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
Deed = Callable[[Page], Awaitable[None]]


async def nothing(page: Page) -> None:
    """The page as it opens."""


def pressing(key: str) -> Deed:
    async def press(page: Page) -> None:
        await page.keyboard.press(key)
        await page.get_by_role("dialog").wait_for()

    return press


def reading(line: str) -> Deed:
    """The log comes after the page, by the live connection."""

    async def read(page: Page) -> None:
        await page.get_by_text(line).wait_for()

    return read


async def open_bell(page: Page) -> None:
    await page.get_by_role("button", name="Notifications").click()
    await page.get_by_role("dialog").wait_for()


@dataclass(frozen=True)
class Picture:
    name: str
    title: str
    words: str
    """What it shows, for the page and for those who can't see it."""
    route: str | None
    """Of web/src/router.tsx; None for what is no page of its own."""
    path: str
    """With the fields of the scene in braces."""
    deed: Deed = nothing
    logged_in: bool = True


ALL = [
    Picture("board", "Board", "all tasks, in columns by what becomes of them next", "/", "/"),
    Picture(
        "task",
        "Task",
        "a task that an agent works on: its phases, its live log, what it costs, and what it reached",
        "/tasks/$taskId",
        "/tasks/{task}",
        reading("I'll add a test for the other direction"),
    ),
    Picture(
        "conversation",
        "Conversation",
        "what the agent said and did, with its plan, its calls of tools and its edits",
        None,
        "/tasks/{task}?view=conversation",
    ),
    Picture(
        "question",
        "Question",
        "a task that waits for a person's answer",
        None,
        "/tasks/{asking}",
        reading("The table needs a column for that"),
    ),
    Picture("review", "Review", "the open changes, the most urgent first", "/review", "/review"),
    Picture(
        "change",
        "Change",
        "a change with its receipt, what collides with it, and its files",
        "/changes/$changeId",
        "/changes/{change}",
    ),
    Picture(
        "comparison",
        "Comparison",
        "what two agents made of the same task, side by side",
        "/comparisons/$comparisonId",
        "/comparisons/{comparison}",
    ),
    Picture(
        "automations",
        "Automation",
        "where the automation of each project stands",
        "/automation",
        "/automation",
    ),
    Picture(
        "automation",
        "Automation of a project",
        "what runs, what comes next, and what stops it",
        "/automation/$projectId",
        "/automation/{shop}",
    ),
    Picture("workers", "Workers", "the machines that take tasks, with their slots", "/workers", "/workers"),
    Picture("add-worker", "Add a worker", "how another machine joins", None, "/workers#add"),
    Picture("costs", "Costs", "what was spent, and the budgets that bound it", "/costs", "/costs"),
    Picture(
        "settings", "Settings", "projects, notifications, keys, tokens and members", "/settings", "/settings"
    ),
    Picture("start", "Set up", "what is there and what is missing before the first task", "/start", "/start"),
    Picture("create", "New task", "how a task is written", None, "/", pressing("c")),
    Picture(
        "palette",
        "Search",
        "the search for pages, tasks, open changes, projects and workers",
        None,
        "/",
        pressing("Control+k"),
    ),
    Picture("keys", "Keys", "all keys of a page", None, "/", pressing("?")),
    Picture(
        "bell", "Notifications", "what needs you, what is ready, what is in trouble", None, "/", open_bell
    ),
    Picture("login", "Login", "what a login link opens", None, "/login?token=", logged_in=False),
    Picture(
        "logged-out",
        "Without a login",
        "how somebody who is not logged in gets in",
        None,
        "/",
        logged_in=False,
    ),
]


def routes() -> set[str]:
    """The paths of all pages."""
    return set(re.findall(r'^  path: "([^"]+)"', ROUTER.read_text(), re.MULTILINE))


def check_list() -> None:
    """Raises SystemExit where the list has too few or too many pages."""
    listed = {one.route for one in ALL if one.route is not None}
    if missing := sorted(routes() - listed):
        raise SystemExit(f"tests/pictures.py has no picture of {', '.join(missing)}: add a line to ALL.")
    if gone := sorted(listed - routes()):
        raise SystemExit(f"There is no page {', '.join(gone)} any more: take it out of tests/pictures.py.")


def file_name(name: str, size: str, theme: str) -> str:
    return f"{name}-{size}-{theme}.webp"


def image(one: Picture, size: str, theme: str) -> str:
    file = file_name(one.name, size, theme)
    return f"![{one.title}, {size}, {theme}: {one.words}](../pictures/{file})"


def document() -> str:
    """The page that shows all pictures."""
    parts = [
        "# Pages of the web interface",
        "All of them in light and dark colours, on a desk and on a phone. "
        "[How to use them](../how-to/use-the-web-interface.md). `make pictures` makes the pictures and this "
        "page.",
    ]
    for one in ALL:
        shown = [[image(one, size, theme) for theme in THEMES] for size in SIZES]
        rows = "\n".join(f"| {' | '.join(row)} |" for row in shown)
        parts.append(
            f"## {one.title}\n\nShows {one.words}.\n\n| {' | '.join(THEMES)} |\n| --- | --- |\n{rows}"
        )
    return "\n\n".join(parts) + "\n"


async def take(page: Page, one: Picture, where: str) -> bytes:
    """The picture, once everything on it is there."""
    await page.goto(where)
    await page.get_by_role("heading", level=1).first.wait_for()
    if one.logged_in:
        # The feed of what happened comes after the page.
        await page.get_by_role("button", name="Notifications, ").wait_for()
    await one.deed(page)
    await page.wait_for_load_state("networkidle")
    await page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")
    devtools = await page.context.new_cdp_session(page)
    shot = await devtools.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    await devtools.detach()
    return base64.b64decode(shot["data"])


async def context_of(browser: Browser, theme: Any, size: str, **options: Any) -> BrowserContext:
    width, height = SIZES[size]
    return await browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=size == "phone",
        has_touch=size == "phone",
        color_scheme=theme,
        reduced_motion="reduce",
        locale="en",
        timezone_id="UTC",
        service_workers="block",
        **options,
    )


async def take_all(
    browser: Browser, coordinator: RunningCoordinator, scene: PictureScene, place: Path
) -> None:
    now = datetime.now(UTC)
    entering = await browser.new_page(service_workers="block")
    await entering.goto(await coordinator.served.login_url())
    await entering.get_by_role("button", name="Log in").click()
    await entering.get_by_role("heading", level=1, name="Tasks").wait_for()
    session = await entering.context.storage_state()
    for theme in THEMES:
        for size in SIZES:
            known = await context_of(browser, theme, size, storage_state=session)
            stranger = await context_of(browser, theme, size)
            for one in ALL:
                page = await (known if one.logged_in else stranger).new_page()
                # Else "12 min ago" is 13 in the last pictures.
                await page.clock.set_fixed_time(now)
                picture = await take(page, one, coordinator.url + one.path.format(**vars(scene)))
                (place / file_name(one.name, size, theme)).write_bytes(picture)
                await page.close()


async def main(place: Path) -> None:
    with (
        shared_server(fast_directory() / f"pullyard-tests-{uuid4().hex[:12]}") as server,
        fresh_database(server, TEMPLATE) as database_url,
    ):
        async with (
            # Nobody beats for the workers.
            running_coordinator(database_url, lease_seconds=3600) as coordinator,
            async_playwright() as playwright,
        ):
            scene = await make_picture_scene(coordinator, database_url)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            await take_all(browser, coordinator, scene, place)
            await browser.close()


def run() -> None:
    check_list()
    if CHROMIUM is None:
        raise SystemExit("The pictures need Chromium: install it, such as by 'apt install chromium'.")
    if not (STATIC / "index.html").is_file():
        raise SystemExit("The web interface was not built: run 'make web'.")
    # What the coordinator writes of each request helps nobody here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(dir=PICTURES.parent) as name:
        made = Path(name)
        asyncio.run(main(made))
        size = sum(one.stat().st_size for one in made.iterdir())
        if size > MOST_BYTES:
            raise SystemExit(f"The pictures take {size} bytes, and at most {MOST_BYTES} are wanted.")
        shutil.rmtree(PICTURES, ignore_errors=True)
        made.chmod(0o755)
        made.rename(PICTURES)
        made.mkdir()
    DOCUMENT.write_text(document())
    sys.stdout.write(f"{len(list(PICTURES.iterdir()))} pictures, {size / 1e6:.1f} MB.\n")


if __name__ == "__main__":
    run()
