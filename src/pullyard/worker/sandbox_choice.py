"""The sandboxes that this worker has measured, and the one for an execution among them."""

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pullyard.files.writes import replace_file
from pullyard.protocol.isolation import Level, SandboxWish
from pullyard.sandboxes.docker.makers import Stock
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.protocol import (
    ContainerSettings,
    Limits,
    Mount,
    Probe,
    Sandbox,
    SandboxSpec,
    SandboxUnavailable,
    Workspace,
)
from pullyard.sandboxes.registry import SANDBOXES

REUSED = "reused"
"""A value of ``SandboxWish.environment``."""
LOCK_FILE, MARK_FILE = "lock", "mark"
MARK_BYTES = 6
MARK_PATTERN = re.compile(f"[0-9a-f]{{{2 * MARK_BYTES}}}")


def worker_mark(data_directory: Path) -> str:
    """What everything that a worker starts outside of itself is marked with; its next start has it again.

    By chance and not by the directory's path: two containers may each have a worker at the same path, on one
    engine and one kernel. A copy of the directory is another worker's: it has another lock file, whose number
    stands beside the mark. Whoever asks first holds that lock.
    """
    file, lock = data_directory / MARK_FILE, data_directory / LOCK_FILE
    lock.touch(mode=0o600)
    place = str(lock.stat().st_ino)
    with suppress(FileNotFoundError):
        mark, _, known = file.read_bytes().decode("ascii", "replace").partition(" ")
        if MARK_PATTERN.fullmatch(mark) and known == place:
            return mark
    mark = secrets.token_hex(MARK_BYTES)
    replace_file(file, f"{mark} {place}".encode())
    return mark


class SandboxChoice:
    """``probes`` are what may be used here, the best first; ``worker`` is its ``worker_mark``."""

    def __init__(
        self,
        probes: Sequence[Probe],
        worker: str = "",
        containers: ContainerSettings | None = None,
        stock: Stock | None = None,
    ) -> None:
        self.probes = {probe.name: probe for probe in probes}
        self.best = probes[0]
        self.worker = worker
        self.containers = containers or ContainerSettings()
        self.stock = stock

    def probe(self, wish: SandboxWish) -> Probe:
        """The best that fits. Raises SandboxUnavailable where the wanted backend is none of this worker's, or
        none was measured to hold the level.
        """
        if wish.backend is not None and wish.backend not in self.probes:
            raise SandboxUnavailable(
                f"This worker has no sandbox '{wish.backend}', only {', '.join(self.probes)}: "
                "look at 'pullyard doctor' there."
            )
        for probe in self.probes.values():
            if wish.backend in (None, probe.name) and wish.level in (None, *levels_of(probe)):
                return probe
        raise SandboxUnavailable(
            f"This worker's {wish.backend or 'sandboxes'} did not reach the level {wish.level} when it "
            "started: look at 'pullyard doctor' there."
        )

    def make(
        self,
        wish: SandboxWish,
        workspace: Workspace,
        mounts: Sequence[Mount],
        *,
        uid: int | None,
        owner: str,
        image: str | None = None,
        project: str | None = None,
    ) -> Sandbox:
        """Not provisioned yet. ``owner`` is the execution's id, ``image`` what was found for the wish,
        ``project`` whose environment may be used, where it wants a reused one.
        """
        spec = SandboxSpec(
            workspace=workspace,
            mounts=mounts,
            limits=limits_of(wish),
            uid=uid,
            image=image or wish.image,
            platform=wish.platform,
            owner=owner,
            environment=project if wish.environment == REUSED else None,
            worker=self.worker,
            containers=self.containers,
        )
        return self.make_by(spec, self.probe(wish).name)

    def make_by(self, spec: SandboxSpec, name: str) -> Sandbox:
        backend = SANDBOXES[name]
        return DockerSandbox(spec, self.stock) if backend is DockerSandbox else backend(spec)

    def ready(self) -> bool:
        """False while the engine is away that all sandboxes of this worker need."""
        return bool(self.at_hand())

    def labels(self) -> list[str]:
        """What the worker says of itself, so that a project can demand it: less while its engine is away."""
        probes = self.at_hand()
        levels = {level for probe in probes for level in levels_of(probe)}
        return sorted(
            [*(f"sandbox={probe.name}" for probe in probes), *(f"level={level}" for level in levels)]
        )

    def at_hand(self) -> list[Probe]:
        """Those whose engine is not away just now, the best first."""
        away = {DockerSandbox.name} if self.stock is not None and self.stock.engine.lost else set[str]()
        return [probe for probe in self.probes.values() if probe.name not in away]


def levels_of(probe: Probe) -> list[Level]:
    isolated = probe.available and bool(probe.escapes) and all(probe.escapes.values())
    if not isolated:
        return []
    return (
        [Level.ISOLATED, Level.HARDENED] if probe.bounds and all(probe.bounds.values()) else [Level.ISOLATED]
    )


def limits_of(wish: SandboxWish) -> Limits:
    return Limits(
        processes=wish.processes,
        cpus=wish.cpus,
        memory_bytes=wish.memory_bytes,
        disk_bytes=wish.disk_bytes,
        inodes=wish.inodes,
    )
