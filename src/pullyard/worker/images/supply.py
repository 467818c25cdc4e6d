"""The images of this worker's engine: each there when an execution needs it, pulled or built once."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from pullyard.lifecycle.reasons import Reason
from pullyard.sandboxes.docker.engine import Engine, EngineLost, EngineRefused
from pullyard.sandboxes.docker.leftovers import settle
from pullyard.sandboxes.docker.remedies import explain, lost
from pullyard.sandboxes.protocol import SandboxLost
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.images.build import BuildLimits, build, tag_of
from pullyard.worker.images.choose import BuildPlan, ImageChoice
from pullyard.worker.images.errors import ImageRefused
from pullyard.worker.images.old import mark_used
from pullyard.worker.images.pull import find_image, pull
from pullyard.worker.images.shared import Progress, SharedWork, Tell


@dataclass(frozen=True)
class SupplyLimits:
    pull_seconds: float = 1800.0
    builds: bool = True
    build: BuildLimits = field(default_factory=BuildLimits)


class ImageSupply:
    """``close`` at the end: it gives up what is under way."""

    def __init__(self, engine: Engine, limits: SupplyLimits) -> None:
        self.engine = engine
        self.limits = limits
        self.work = SharedWork()

    async def provide(self, choice: ImageChoice, platform: str | None, tell: Tell) -> str:
        """The id of the chosen image, once the engine has it; ``tell`` hears of the progress.

        Work that was begun goes on also when whoever waits is cancelled. Raises ImageRefused where the choice
        is at fault, another PhaseFailed where the engine or a registry is, SandboxLost where the engine went
        away meanwhile.
        """
        try:
            await settle(self.engine, self.engine.patience_seconds)
        except EngineRefused as refused:
            sentence = explain("engine", choice.name or "the project's image", refused)
            raise PhaseFailed(Reason.SANDBOX_UNAVAILABLE, sentence) from refused
        try:
            if choice.build is None:
                assert choice.name is not None
                return await self.named(choice.name, platform, tell)
            return await self.built(choice.build, platform, tell)
        except EngineLost as refused:
            raise SandboxLost(lost(refused)) from refused
        except EngineRefused as refused:
            raise PhaseFailed(Reason.SANDBOX_UNAVAILABLE, str(refused)) from refused

    async def named(self, name: str, platform: str | None, tell: Tell) -> str:
        found = await find_image(self.engine, name, platform)
        if found is None:
            found = await self.work.join(
                f"pull {name} {platform}", lambda progress: self.pull(name, platform, progress), tell
            )
        return found["Id"]

    async def built(self, plan: BuildPlan, platform: str | None, tell: Tell) -> str:
        if not self.limits.builds:
            raise ImageRefused(
                f"This worker builds no images, and {plan.dockerfile} needs one: set the project's image, "
                "or image_builds on the worker."
            )
        key = plan.key(platform, str(self.limits.build.network))
        found = await find_image(self.engine, tag_of(key), platform)
        if found is None:
            found = await self.work.join(
                f"build {key}", lambda progress: self.build(plan, key, platform, progress), tell
            )
        else:
            await mark_used(self.engine, key)
        return found["Id"]

    async def pull(self, name: str, platform: str | None, progress: Progress) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.limits.pull_seconds):
                return await pull(self.engine, name, platform, self.limits.build.room, progress)
        except TimeoutError:
            raise PhaseFailed(
                Reason.SANDBOX_UNAVAILABLE,
                f"The image {name} was not there after {self.limits.pull_seconds:g} seconds: pull it on the "
                "worker by hand, or raise image_pull_seconds.",
            ) from None

    async def build(
        self, plan: BuildPlan, key: str, platform: str | None, progress: Progress
    ) -> dict[str, Any]:
        for name in plan.recipe.images:
            found = await find_image(self.engine, name, platform) or await self.pull(name, platform, progress)
            if (found.get("Config") or {}).get("OnBuild"):
                # They would run as if they stood in the Dockerfile, and nobody has checked them.
                raise ImageRefused(f"{plan.dockerfile}: the image {name} has ONBUILD steps: take another.")
        return await build(self.engine, plan, key, self.limits.build, platform, progress)

    async def close(self) -> None:
        await self.work.close()
