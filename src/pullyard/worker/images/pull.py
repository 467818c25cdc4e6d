"""Pulling an image by its name, with what is known of its progress."""

import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from pullyard.lifecycle.reasons import Reason
from pullyard.sandboxes.docker.engine import Engine, EngineLost, EngineRefused
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.images.engine_news import engine_news
from pullyard.worker.images.errors import ImageRefused, one_line
from pullyard.worker.images.references import with_tag
from pullyard.worker.images.room import DiskWatch, Room, remove_image
from pullyard.worker.images.shared import Progress

TELL_SECONDS = 2.0
MISSING = (
    "not found",
    "manifest unknown",
    "does not exist",
    "repository name",
    "access denied",
    "no matching",
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


async def find_image(engine: Engine, name: str, platform: str | None = None) -> dict[str, Any] | None:
    """What the engine has under the name, for that platform; None where it has nothing."""
    try:
        found = await engine.call("GET", f"/images/{quote(name, safe='/:@')}/json")
    except EngineRefused as refused:
        if refused.status == 404:
            return None
        raise
    here = f"{found.get('Os', 'linux')}/{found.get('Architecture')}"
    return found if platform in (None, here) else None


async def pull(
    engine: Engine, name: str, platform: str | None, room: Room, progress: Progress
) -> dict[str, Any]:
    """What the engine then has.

    Raises ImageRefused where there is no such image or it is too large, EngineLost, PhaseFailed else.
    """
    progress.line(f"The image {name} is not on this worker yet: pulling it.")
    counter = _Counter(progress, name)
    query = {"fromImage": with_tag(name), **({"platform": platform} if platform else {})}
    problem = await follow(engine, query, counter, room)
    found = None if problem else await find_image(engine, name, platform)
    if found is None:
        raise refusal(name, platform, problem or "it was not there after it had been pulled")
    if found.get("Size", 0) > room.image_bytes:
        await remove_image(engine, quote(with_tag(name), safe="/:@"))
        raise too_large(name, "unpacked", room)
    progress.line(f"The image {name} is there: {found.get('Size', 0) >> 20} MiB.")
    return found


async def follow(engine: Engine, query: dict[str, str], counter: "_Counter", room: Room) -> str:
    """To the end of a pull; what went wrong, or nothing."""
    problem, name = "", counter.name
    disk = await DiskWatch.open(engine, room)
    try:
        async with engine_news(engine, "/images/create", query) as told:
            async for news in told:
                problem = problem or str(news.get("error", ""))
                counter.count(news)
                # The engine gives up a pull that nobody listens to any more.
                if counter.size() > room.image_bytes:
                    raise too_large(name, "packed", room)
                if full := disk.problem():
                    raise ImageRefused(f"The image {name} {full}: make room there, or take a smaller one.")
    except EngineLost:
        raise
    except EngineRefused as refused:
        return str(refused)
    return problem


def too_large(name: str, how: str, room: Room) -> ImageRefused:
    return ImageRefused(
        f"The image {name} has more than {room.image_bytes >> 20} MiB {how}: take a smaller one, "
        "or raise image_bytes of the worker."
    )


def refusal(name: str, platform: str | None, problem: str) -> PhaseFailed:
    said = one_line(problem).rstrip(".")
    wanted = f"{name} for {platform}" if platform else name
    if any(word in problem.lower() for word in MISSING):
        return ImageRefused(
            f"There is no image {wanted} ({said}): mend its name, or load it into the worker's engine, "
            "for example with 'docker load'."
        )
    return PhaseFailed(
        Reason.SANDBOX_UNAVAILABLE,
        f"The image {wanted} can't be pulled ({said}): see that the worker's engine reaches the registry, "
        "or load the image into it, for example with 'docker load'.",
    )


class _Counter:
    """Sums up the layers, and tells it every other second."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.progress = progress
        self.name = name
        self.layers: dict[str, tuple[int, int]] = {}
        self.told_at = time.monotonic()

    def count(self, news: dict[str, Any]) -> None:
        with suppress(KeyError, TypeError, ValueError):
            if news["status"] in ("Downloading", "Extracting"):
                detail = news["progressDetail"]
                self.layers[str(news["id"])] = (int(detail["current"]), int(detail.get("total", 0)))
        self.tell()

    def size(self) -> int:
        """Of the layers so far, as they are sent."""
        return sum(max(layer) for layer in self.layers.values())

    def tell(self) -> None:
        if self.layers and time.monotonic() - self.told_at >= TELL_SECONDS:
            self.told_at = time.monotonic()
            done, total = (sum(layer[part] for layer in self.layers.values()) >> 20 for part in (0, 1))
            self.progress.line(f"Pulling {self.name}: {done} of {max(done, total)} MiB.")
