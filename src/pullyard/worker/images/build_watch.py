"""What a build does while it goes on: which step it is at, how large it grows, how many processes it has.

The engine's words and a step's own output come in one stream, so a step can forge what the engine says of
itself. Only what people read is taken from there: a build's containers are found by asking the engine.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.worker.images.choose import BuildPlan
from pullyard.worker.images.errors import ImageRefused, one_line
from pullyard.worker.images.room import DiskWatch, Room
from pullyard.worker.images.shared import Progress

STEP_LABEL = "pullyard.build"
"""On whatever a build leaves behind, and with the build's key after a hyphen on what that build does."""
OUTPUT_BYTES = 4 << 20
LOOK_SECONDS = 0.5
ROUNDS_A_SIZE = 4
"""The engine counts files to tell a size, so not every look asks for it."""
_STEP = re.compile(r"(?:\[\d+/\d+\] )?step (\d+)/(\d+)\s?: (.*)", re.IGNORECASE)
_NOISE = re.compile(r" ---> |\s*\Z|Removing intermediate container |Successfully (built|tagged) ")


def step_label(key: str) -> str:
    """A label's name, since a Dockerfile can change a label's value and can't take its name away."""
    return f"{STEP_LABEL}-{key}"


def mark_of(key: str) -> str:
    """The instruction after each FROM by which all of the build's containers and layers are known."""
    return f'LABEL "{STEP_LABEL}"="" "{step_label(key)}"=""'


class BuildWatch:
    """``follow`` it while the engine builds."""

    def __init__(self, engine: Engine, plan: BuildPlan, key: str, processes: int, progress: Progress) -> None:
        self.engine = engine
        self.plan = plan
        self.key = key
        self.processes = processes
        self.progress = progress
        self.position = -1
        self.printed = 0
        self.bounded: set[str] = set()

    def refuse(self, what: str) -> ImageRefused:
        at = "The build"
        if self.position >= 0:
            line, step = self.plan.recipe.steps[self.position]
            at = f"line {line} ({one_line(step)[:80]})"
        return ImageRefused(f"{self.plan.dockerfile}: {at} {what}.")

    async def follow(self, told: AsyncIterator[dict[str, Any]], disk: DiskWatch) -> None:
        measuring = asyncio.create_task(self.measure(disk))
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
            self.step(step[3].strip())
        elif not _NOISE.match(said) and self.printed < OUTPUT_BYTES:
            # At the limit the rest is dropped, as of a program that talks too much.
            content = said.encode("utf-8", "replace")
            self.printed += len(content)
            self.progress.output(content)

    def step(self, text: str) -> None:
        """The engine repeats the instruction; of several that read alike the next one is meant."""
        if text == mark_of(self.key):
            return
        steps = self.plan.recipe.steps
        later = range(self.position + 1, len(steps))
        found = next((at for at in later if steps[at][1] == text), self.position + 1)
        if found == len(steps):
            # Its own last step, which gives the image its label.
            return
        self.position = found
        line, step = steps[self.position]
        self.progress.line(f"Step {self.position + 1} of {len(steps)}, line {line}: {one_line(step)[:120]}")

    async def measure(self, disk: DiskWatch) -> None:
        """Ends where the build takes more room than it may; runs for ever else."""
        rounds = 0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            rounds += 1
            # An engine that shows no containers of a build, such as Podman, leaves only this look.
            if problem := disk.problem():
                raise self.refuse(problem)
            with suppress(EngineRefused):
                await self.look(disk.room, sizes=rounds % ROUNDS_A_SIZE == 0)

    async def look(self, room: Room, *, sizes: bool) -> None:
        query = {"filters": {"label": [step_label(self.key)]}, "size": sizes}
        for container in await self.engine.call("GET", "/containers/json", query=query) or []:
            if int(container.get("SizeRootFs") or 0) > room.image_bytes:
                raise self.refuse(f"wrote more than {room.image_bytes >> 20} MiB")
            await self.bound(str(container["Id"]))

    async def bound(self, container: str) -> None:
        """A build takes no bound of processes beforehand; memory and processors hold the first moment."""
        if container not in self.bounded:
            await self.engine.call("POST", f"/containers/{container}/update", {"PidsLimit": self.processes})
            self.bounded.add(container)
