"""Every page of the web interface, with life in it: it fits, all can use it, and its text does no harm."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser import BROWSER_TEST, browser, look_at, open_page
from tests.coordinator import RunningCoordinator
from tests.web_scene import make_scene
from tests.web_task_scene import make_task_scene

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = BROWSER_TEST
__all__ = ["browser"]


SIZES = """
performance.getEntriesByType("resource").map(one => [one.name, one.encodedBodySize, one.decodedBodySize])
"""
LOOKS: list[tuple[Any, int, int]] = [
    ("light", 1440, 900),
    ("dark", 1440, 900),
    ("dark", 390, 844),
    ("light", 390, 844),
]


async def test_every_page_is_accessible_and_fits(
    browser: "Browser", coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    work = await make_task_scene(coordinator)
    scene = await make_scene(coordinator)
    asks = (await coordinator.get("/tasks?state=waiting"))["items"][0]["id"]
    page, complaints = await open_page(browser, coordinator)
    problems: list[str] = []
    for name, path in (
        ("task", work.path),
        ("conversation", f"{work.path}?view=conversation"),
        ("question", f"/tasks/{asks}"),
        ("board", "/"),
        ("workers", "/workers"),
        ("add-worker", "/workers#add"),
        ("automations", "/automation"),
        ("automation", f"/automation/{scene.shop}"),
        ("costs", "/costs"),
        ("settings", "/settings"),
        ("start", "/start"),
        ("nowhere", "/automation/proj_00000000000000000000000000"),
    ):
        await page.goto(coordinator.url + path)
        await page.wait_for_load_state("networkidle")
        for theme, width, height in LOOKS:
            await page.set_viewport_size({"width": width, "height": height})
            await page.emulate_media(color_scheme=theme)
            await page.locator(f"html[data-mantine-color-scheme={theme}]").wait_for(state="attached")
            problems += await look_at(page, f"{name}-{theme}-{width}", tmp_path)
    # The browser itself tells of the project that is not there.
    problems += [one for one in complaints if "404" not in one]
    assert problems == [], "\n".join(problems)


async def test_what_opens_over_a_page_is_accessible_and_fits(
    browser: "Browser", coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    await make_scene(coordinator)
    page, complaints = await open_page(browser, coordinator)
    board = page.get_by_role("region", name="Queued")
    problems: list[str] = []

    async def look(name: str) -> None:
        for theme, width, height in LOOKS[:1] + LOOKS[2:3]:
            await page.set_viewport_size({"width": width, "height": height})
            await page.emulate_media(color_scheme=theme)
            await page.locator(f"html[data-mantine-color-scheme={theme}]").wait_for(state="attached")
            problems.extend(await look_at(page, f"{name}-{theme}-{width}", tmp_path))

    await board.get_by_role("checkbox").first.check()
    await look("bulk")
    await page.keyboard.press("Escape")
    await page.keyboard.press("c")
    await page.get_by_role("button", name="Criteria, priority, labels…").click()
    await look("create")
    for key, name in (("?", "help"), ("Control+k", "palette")):
        await page.keyboard.press("Escape")
        await page.get_by_role("dialog").wait_for(state="detached")
        await page.keyboard.press(key)
        await page.get_by_role("dialog").wait_for()
        await look(name)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="You and how it looks").click()
    await look("you")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Notifications").click()
    await page.get_by_role("dialog").wait_for()
    await look("bell")
    problems += complaints
    assert problems == [], "\n".join(problems)


async def test_the_first_load_is_small_and_compressed(
    browser: "Browser", coordinator: RunningCoordinator
) -> None:
    page, complaints = await open_page(browser, coordinator)
    session = await page.context.storage_state()
    context = await browser.new_context(storage_state=session)
    fresh = await context.new_page()
    await fresh.goto(coordinator.url)
    await fresh.wait_for_load_state("networkidle")
    sizes = await fresh.evaluate(SIZES)
    code = [size for name, *size in sizes if name.endswith(".js")]
    # Of a few bytes nothing can be made less.
    assert all(sent < whole for sent, whole in code if whole > 200)
    assert sum(sent for sent, _ in code) <= 200_000
    name = next(name for name, *_ in sizes if name.endswith(".js"))
    plain = await coordinator.http.get(name, headers={"accept-encoding": "identity"})
    packed = await coordinator.http.get(name, headers={"accept-encoding": "gzip, deflate"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert complaints == []
