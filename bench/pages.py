"""The web interface in a real Chromium, as rows measure it: on desks and phones, and until it is painted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, CDPSession, Page, async_playwright
from tests.browser import CHROMIUM, FLAGS

from bench.installation import BenchFailed
from bench.stage import Coordinator
from pullyard.coordinator.pages import STATIC

PATIENCE_MS = 30_000
SETTLE_SECONDS = 0.5
STATIC_PAGE = "/login"
"""Of the same coordinator: one small style sheet, nothing from the database, and its script shows nothing."""
SCRIPT = Path(__file__).with_suffix(".js")


@dataclass(frozen=True)
class Device:
    name: str
    size: tuple[int, int]
    slower: int = 1
    megabits: float = 0
    """Of the line, both ways; 0: as fast as the machine."""
    delay_ms: int = 0


DESK = Device("desk", (1440, 900))
PHONE = Device("phone", (390, 844), slower=4, megabits=10, delay_ms=40)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Raises BenchFailed where there is no browser, or no page to show."""
    if CHROMIUM is None:
        raise BenchFailed("Install Chromium: 'apt-get install chromium'.")
    if not (STATIC / "index.html").is_file():
        raise BenchFailed("Run 'make web'.")
    async with async_playwright() as running:
        launched = await running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        await launched.close()


@asynccontextmanager
async def opened(
    browser: Browser, coordinator: Coordinator, device: Device, *, service_worker: bool = True
) -> AsyncIterator[Page]:
    """An empty page of somebody who is logged in, with nothing kept of earlier ones."""
    width, height = device.size
    phone = device.slower > 1
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=phone,
        has_touch=phone,
        service_workers="allow" if service_worker else "block",
    )
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(path=SCRIPT)
    await context.add_cookies(
        [
            {"name": name, "value": value, "url": coordinator.url}
            for name, value in coordinator.session.items()
        ]
    )
    page = await context.new_page()
    await slow_down(await context.new_cdp_session(page), device)
    yield page
    await context.close()


async def slow_down(devtools: CDPSession, device: Device) -> None:
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": device.slower})
    if device.megabits:
        bytes_a_second = device.megabits * 1_000_000 / 8
        await devtools.send("Network.enable")
        await devtools.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": device.delay_ms,
                "downloadThroughput": bytes_a_second,
                "uploadThroughput": bytes_a_second,
            },
        )


async def settled() -> None:
    """What comes late is told late, and nothing says that it was the last."""
    await asyncio.sleep(SETTLE_SECONDS)
