"""Reused environments: one container and one volume for a project, shared by its tasks one after the other.

The volume is the home directory inside, so what tools keep there (downloads, compiled parts) is there for the
next task. Working copies are never in it, so no work is lost with it. On the host the volume is a directory
of the worker's, where it can be measured and given to the account of the next task's slot.

A project's environment is one task's at a time: it holds the lock ``<root>/<project>.lock``, under which
others may empty the home, but not replace it: containers have it mounted. Its container runs on between
tasks, as long as it is found healthy: it runs, nothing but its own processes is in it, and it was tidied.
Else the next task has another one, over the same volume.
"""

import contextlib
import os
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from pullyard.files.locks import FileLock, take
from pullyard.sandboxes.children import Child, Streams
from pullyard.sandboxes.docker.container import ENVIRONMENT_LABEL, WORKER_LABEL, Container
from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.sandboxes.docker.pool import Mold, runs
from pullyard.sandboxes.docker.workspace import remove_volume
from pullyard.sandboxes.protocol import SandboxUnavailable

logger = structlog.get_logger(__name__)

HOME = "/home/agent"
KEPT_SECONDS = 7 * 86400.0
"""After its last use."""
RUNNING = 16
"""So many containers run on between tasks; the volumes of the others stay."""
USED, VOLUME = "used", "home"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Claim:
    """A project's environment, until it is given back."""

    project: str
    home: Path
    volume: str

    def mount(self) -> dict[str, Any]:
        options = {"NoCopy": True}
        return {"Type": "volume", "Source": self.volume, "Target": HOME, "VolumeOptions": options}


class Environments:
    """``root`` is a directory of the worker's own. ``close`` at the end; the volumes stay."""

    def __init__(self, engine: Engine, root: Path, worker: str) -> None:
        self.engine = engine
        self.root = root
        self.worker = worker
        self.held: dict[str, FileLock] = {}
        self.kept: dict[str, tuple[Mold, Container]] = {}
        """The one that was used last at the end."""

    async def claim(self, project: str, uid: int | None) -> Claim | None:
        """None where another task has it. Raises SandboxUnavailable, and EngineRefused."""
        if _NAME.fullmatch(project) is None:
            raise SandboxUnavailable(f"No environment can be named after the project {project[:80]!r}.")
        try:
            if not self.hold(project):
                return None
            home = self.root / project / VOLUME
            home.mkdir(parents=True, exist_ok=True)
            touch(home.parent)
            if uid is not None and home.stat().st_uid != uid:
                await give_to(home, uid)
            return Claim(project, home, await self.make_volume(project, home))
        except OSError as error:
            self.let_go(project)
            raise SandboxUnavailable(f"The project's environment can't be used: {error}.") from error
        except BaseException:
            self.let_go(project)
            raise

    def hold(self, project: str) -> bool:
        """Whether nobody else has it. Raises OSError."""
        if project in self.held:
            return False
        self.root.mkdir(parents=True, exist_ok=True)
        lock = take(lock_of(self.root / project))
        if lock is not None:
            self.held[project] = lock
        return lock is not None

    def let_go(self, project: str) -> None:
        if lock := self.held.pop(project, None):
            lock.release()

    async def make_volume(self, project: str, home: Path) -> str:
        wish: dict[str, Any] = {
            "Name": self.volume_of(project),
            "Driver": "local",
            "DriverOpts": {"type": "none", "o": "bind", "device": str(home.resolve())},
            "Labels": {WORKER_LABEL: self.worker, ENVIRONMENT_LABEL: project},
        }
        made = await self.engine.call("POST", "/volumes/create", wish)
        if (made.get("Options") or {}).get("device") != wish["DriverOpts"]["device"]:
            # One of that name is there already, and the engine keeps to what it was made with.
            await remove_volume(self.engine, wish["Name"])
            made = await self.engine.call("POST", "/volumes/create", wish)
        return made["Name"]

    def volume_of(self, project: str) -> str:
        return f"pullyard-{self.worker}-{project}"

    async def take(self, project: str, mold: Mold) -> Container | None:
        """Its container, where that is healthy and has the same image and bounds; another one is ended."""
        kept = self.kept.pop(project, None)
        if kept is None:
            return None
        if kept[0].key == mold.key and await is_healthy(kept[1]):
            return kept[1]
        with contextlib.suppress(EngineRefused):
            await kept[1].end()
        return None

    async def release(self, claim: Claim, kept: tuple[Mold, Container] | None) -> None:
        """``kept`` is clean, or None where there is nothing to be kept but the volume."""
        if kept is not None:
            self.kept[claim.project] = kept
        with contextlib.suppress(OSError):
            touch(claim.home.parent)
        self.let_go(claim.project)
        for project in list(self.kept)[:-RUNNING]:
            with contextlib.suppress(EngineRefused):
                await self.kept.pop(project)[1].end()

    async def end_dead(self) -> None:
        """Containers that no task will be given."""
        for project in [project for project, kept in self.kept.items() if not runs(kept[1])]:
            with contextlib.suppress(EngineRefused):
                await self.kept.pop(project)[1].end()

    async def remove_old(self, spared: Collection[str] = ()) -> list[str]:
        """Those that nobody has used for ``KEPT_SECONDS``, but not those of ``spared`` projects.

        One that can't be removed is passed over, and tried again the next time.
        """
        removed: list[str] = []
        for place in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if place.name in spared or not is_old(place):
                continue
            try:
                if await self.remove_unless_held(place):
                    removed.append(place.name)
            except (EngineRefused, OSError) as error:
                logger.warning(
                    "an old environment could not be removed", place=str(place), problem=str(error)
                )
        return removed

    async def remove_unless_held(self, place: Path) -> bool:
        """Raises EngineRefused, OSError."""
        if not self.hold(place.name):
            return False
        try:
            await self.remove(place)
        finally:
            self.let_go(place.name)
        return True

    async def discard(self, claim: Claim) -> None:
        """Instead of ``release``, once no container has it: it is too large, and would stay so."""
        try:
            await self.remove(claim.home.parent)
        except OSError as error:
            raise SandboxUnavailable(f"The project's environment can't be removed: {error}.") from error
        finally:
            self.let_go(claim.project)

    async def remove(self, place: Path) -> None:
        """Raises EngineRefused, OSError."""
        if kept := self.kept.pop(place.name, None):
            await kept[1].end()
        await remove_volume(self.engine, self.volume_of(place.name))
        # Of any depth.
        await ran(["rm", "--recursive", "--force", "--", str(place)], f"{place} can't be removed")

    async def close(self) -> None:
        kept, self.kept = self.kept, {}
        for _, container in kept.values():
            with contextlib.suppress(EngineRefused):
                await container.end()


async def is_healthy(container: Container) -> bool:
    if not runs(container) or not container.empty():
        return False
    try:
        found = await container.engine.call("GET", f"/containers/{container.name}/json")
    except EngineRefused:
        return False
    return bool(found["State"]["Running"])


def lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def touch(place: Path) -> None:
    used = place / USED
    used.touch()
    os.utime(used)


def is_old(place: Path) -> bool:
    try:
        return time.time() - (place / USED).stat().st_mtime > KEPT_SECONDS
    except OSError:
        # It was made a moment ago, or is not ours.
        return False


async def give_to(directory: Path, uid: int) -> None:
    """All of it; links are not followed. Raises OSError."""
    words = ["chown", "--recursive", "--no-dereference", f"{uid}:{uid}", "--", str(directory)]
    await ran(words, f"{directory} can't be given to the account {uid}")


async def ran(words: Sequence[str], problem: str) -> None:
    program = Child(words, Streams())
    try:
        if await program.wait() != 0:
            raise OSError(problem)
    finally:
        program.kill()
