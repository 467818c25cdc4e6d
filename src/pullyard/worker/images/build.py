"""Building an image from one directory of the base commit, bounded in time, memory and size.

The engine gets a tar that git wrote, and in it the Dockerfile as we read it: no path of this machine. Steps
run with the engine's usual confinement, which is weaker than a sandbox's, and by default without a network.
"""

import asyncio
import io
import json
import re
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullyard.sandboxes.children import own_mark
from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.worker.images.choose import BuildPlan
from pullyard.worker.images.engine_news import engine_news
from pullyard.worker.images.errors import ImageRefused, one_line
from pullyard.worker.images.pull import find_image
from pullyard.worker.images.shared import Progress

LABEL = "pullyard.image"
REPOSITORY = "pullyard/project"
TAR_BLOCK_BYTES = 512
PIECE_BYTES = 1 << 18
OUTPUT_BYTES = 4 << 20
WATCH_SECONDS = 2.0
CPU_PERIOD_MICROSECONDS = 100_000
_STEP = re.compile(r"(?:\[\d+/\d+\] )?step (\d+)/(\d+)\s?: (.*)", re.IGNORECASE)
_NOISE = re.compile(r" ---> |\s*\Z|Removing intermediate container |Successfully (built|tagged) ")
_RUNNING = re.compile(r" ---> Running in ([0-9a-f]{12,64})")


@dataclass(frozen=True)
class BuildLimits:
    network: bool = False
    """Whether steps may reach whatever the engine's network reaches."""
    seconds: float = 1800.0
    context_bytes: int = 256 << 20
    image_bytes: int = 16 << 30
    memory_bytes: int = 4 << 30
    cpus: float = 2.0


def tag_of(key: str) -> str:
    return f"{REPOSITORY}:{key}"


async def build(
    engine: Engine, plan: BuildPlan, key: str, limits: BuildLimits, platform: str | None, progress: Progress
) -> dict[str, Any]:
    """What the engine then has. The base images are there already. Raises ImageRefused, EngineRefused."""
    progress.line(f"Building an image by {plan.dockerfile}: {len(plan.recipe.steps)} steps.")
    watch = _BuildWatch(engine, plan, limits, progress)
    try:
        async with (
            asyncio.timeout(limits.seconds),
            packed(plan, key, limits) as content,
            engine_news(engine, "/build", query_of(plan, key, limits, platform), content) as told,
        ):
            await watch.follow(told)
    except TimeoutError:
        raise watch.refuse(f"was not done after {limits.seconds:g} seconds") from None
    except EngineRefused as refused:
        # The engine reads the file once more before it begins.
        if refused.status == 0:
            raise
        raise watch.refuse(f"was refused: {one_line(str(refused))}") from refused
    found = await find_image(engine, tag_of(key), platform)
    if found is None:
        raise watch.refuse("ended without an image")
    progress.line(f"The image is built: {found.get('Size', 0) >> 20} MiB.")
    return found


def query_of(plan: BuildPlan, key: str, limits: BuildLimits, platform: str | None) -> dict[str, str]:
    query = {
        "dockerfile": name_inside(key),
        "t": tag_of(key),
        "rm": "1",
        "forcerm": "1",
        "networkmode": "default" if limits.network else "none",
        "memory": str(limits.memory_bytes),
        "memswap": str(limits.memory_bytes),
        "cpuperiod": str(CPU_PERIOD_MICROSECONDS),
        "cpuquota": str(int(limits.cpus * CPU_PERIOD_MICROSECONDS)),
        "buildargs": json.dumps(dict(plan.arguments)),
        "labels": json.dumps({LABEL: key}),
    }
    optional = {"target": plan.target, "platform": platform}
    return query | {name: value for name, value in optional.items() if value}


def name_inside(key: str) -> str:
    """No file of the directory has it, since the key depends on all of them."""
    return f".pullyard-{key}"


@asynccontextmanager
async def packed(plan: BuildPlan, key: str, limits: BuildLimits) -> AsyncIterator[AsyncIterator[bytes]]:
    """The tar for the engine. Raises ImageRefused where it is larger than allowed."""
    with tempfile.TemporaryDirectory(prefix=f"pullyard-{own_mark()}build-") as place:
        archive = Path(place) / "context.tar"
        git = plan.base.git.within(("prlimit", f"--fsize={limits.context_bytes}"))
        words = ("archive", "--format=tar", f"--output={archive}", plan.tree)
        done = await git.run(*words, git_dir=plan.base.mirror, timeout_seconds=limits.seconds)
        if done.exit_code:
            raise ImageRefused(
                f"The directory that {plan.dockerfile} is built with is larger than "
                f"{limits.context_bytes >> 20} MiB: choose a smaller build.context."
            )
        yield pieces(header(plan, key), archive)


def header(plan: BuildPlan, key: str) -> bytes:
    """The Dockerfile as a tar's first member, without an end."""
    written = io.BytesIO()
    content = plan.recipe.text.encode()
    member = tarfile.TarInfo(name_inside(key))
    member.size = len(content)
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(content))
        return written.getvalue()[: tar.offset]


async def pieces(first: bytes, archive: Path) -> AsyncIterator[bytes]:
    yield first
    with archive.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


class _BuildWatch:
    """Follows what the engine says: which step it is at, what that prints, how large it grows."""

    def __init__(self, engine: Engine, plan: BuildPlan, limits: BuildLimits, progress: Progress) -> None:
        self.engine = engine
        self.plan = plan
        self.limits = limits
        self.progress = progress
        self.position = -1
        self.container: str | None = None
        self.printed = 0

    def refuse(self, what: str) -> ImageRefused:
        at = "The build"
        if self.position >= 0:
            line, step = self.plan.recipe.steps[self.position]
            at = f"line {line} ({one_line(step)[:80]})"
        return ImageRefused(f"{self.plan.dockerfile}: {at} {what}.")

    async def follow(self, told: AsyncIterator[dict[str, Any]]) -> None:
        measuring = asyncio.create_task(self.measure())
        reading = asyncio.create_task(self.read(told))
        try:
            done, _ = await asyncio.wait({measuring, reading}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (measuring, reading):
                task.cancel()
            await asyncio.gather(measuring, reading, return_exceptions=True)

    async def read(self, told: AsyncIterator[dict[str, Any]]) -> None:
        async for news in told:
            if problem := news.get("error"):
                raise self.refuse(f"failed: {one_line(str(problem))}")
            if said := str(news.get("stream", "")):
                self.hear(said)

    def hear(self, said: str) -> None:
        if step := _STEP.match(said):
            self.container = None
            self.step(step[3].strip())
        elif running := _RUNNING.match(said):
            self.container = running[1]
        elif not _NOISE.match(said) and self.printed < OUTPUT_BYTES:
            # At the limit the rest is dropped, as of a program that talks too much.
            content = said.encode("utf-8", "replace")
            self.printed += len(content)
            self.progress.output(content)

    def step(self, text: str) -> None:
        """The engine repeats the instruction; of several that read alike the next one is meant."""
        steps = self.plan.recipe.steps
        later = range(self.position + 1, len(steps))
        found = next((at for at in later if steps[at][1] == text), self.position + 1)
        if found == len(steps):
            # Its own last step, which gives the image its label.
            return
        self.position = found
        line, step = steps[self.position]
        self.progress.line(f"Step {self.position + 1} of {len(steps)}, line {line}: {one_line(step)[:120]}")

    async def measure(self) -> None:
        """Ends where a step has written more than an image may have; runs for ever else."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(EngineRefused):
                if self.container and await self.size(self.container) > self.limits.image_bytes:
                    raise self.refuse(f"wrote more than {self.limits.image_bytes >> 20} MiB")

    async def size(self, container: str) -> int:
        found = await self.engine.call("GET", f"/containers/{container}/json", query={"size": "1"})
        return int(found.get("SizeRootFs") or 0)
