"""Building an image from one directory of the base commit, bounded in time, memory, processes and size.

The engine gets a tar that git wrote, and in it the Dockerfile as we read it: no path of this machine. Steps
run with the engine's usual confinement, which is weaker than a sandbox's, and by default without a network.
"""

import asyncio
import io
import json
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pullyard.sandboxes.children import own_mark
from pullyard.sandboxes.docker.engine import Engine, EngineLost, EngineRefused
from pullyard.worker.images.build_watch import BuildWatch, mark_of, step_label
from pullyard.worker.images.choose import BuildPlan
from pullyard.worker.images.engine_news import engine_news
from pullyard.worker.images.errors import ImageRefused, one_line
from pullyard.worker.images.pull import find_image
from pullyard.worker.images.room import DiskWatch, Room, remove_image
from pullyard.worker.images.shared import Progress

LABEL = "pullyard.image"
REPOSITORY = "pullyard/project"
TAR_BLOCK_BYTES = 512
PIECE_BYTES = 1 << 18
CPU_PERIOD_MICROSECONDS = 100_000
ENDING_ROUNDS, ENDING_SECONDS = 50, 0.1


@dataclass(frozen=True)
class BuildLimits:
    network: bool = False
    """Whether steps may reach whatever the engine's network reaches."""
    seconds: float = 1800.0
    context_bytes: int = 256 << 20
    room: Room = field(default_factory=Room)
    memory_bytes: int = 4 << 30
    cpus: float = 2.0
    processes: int = 2048
    """Of a step."""


def tag_of(key: str) -> str:
    return f"{REPOSITORY}:{key}"


async def build(
    engine: Engine, plan: BuildPlan, key: str, limits: BuildLimits, platform: str | None, progress: Progress
) -> dict[str, Any]:
    """What the engine then has. The base images are there already. Raises ImageRefused, EngineRefused."""
    progress.line(f"Building an image by {plan.dockerfile}: {len(plan.recipe.steps)} steps.")
    watch = BuildWatch(engine, plan, key, limits.processes, progress)
    disk = await DiskWatch.open(engine, limits.room)
    built = False
    try:
        async with (
            asyncio.timeout(limits.seconds),
            packed(plan, key, limits) as content,
            engine_news(engine, "/build", query_of(plan, key, limits, platform), content) as told,
        ):
            await watch.follow(told, disk)
        built = True
    except TimeoutError:
        raise watch.refuse(f"was not done after {limits.seconds:g} seconds") from None
    except EngineLost:
        engine.owed.builds.add(step_label(key))
        raise
    except EngineRefused as refused:
        # The engine reads the file once more before it begins.
        raise watch.refuse(f"was refused: {one_line(str(refused))}") from refused
    finally:
        if not built:
            await remove_remains(engine, key)
    found = await find_image(engine, tag_of(key), platform)
    if found is None:
        raise watch.refuse("ended without an image")
    if found.get("Size", 0) > limits.room.image_bytes:
        await remove_image(engine, tag_of(key))
        raise ImageRefused(
            f"{plan.dockerfile}: the image is larger than {limits.room.image_bytes >> 20} MiB: "
            "make it smaller, or raise image_bytes of the worker."
        )
    progress.line(f"The image is built: {found.get('Size', 0) >> 20} MiB.")
    return found


async def remove_remains(engine: Engine, key: str) -> None:
    """The layers of a build that came to no image, which nothing would ever remove."""
    filters = {"label": [step_label(key)]}
    with suppress(EngineRefused):
        for _ in range(ENDING_ROUNDS):
            # The engine ends the step a moment after nobody listens any more, and its layers go after it.
            if not await engine.call("GET", "/containers/json", query={"all": True, "filters": filters}):
                break
            await asyncio.sleep(ENDING_SECONDS)
        await engine.call("POST", "/images/prune", query={"filters": {**filters, "dangling": ["true"]}})


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
    content = plan.recipe.marked(mark_of(key)).encode()
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
