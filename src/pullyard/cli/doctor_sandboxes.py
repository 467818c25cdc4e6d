"""The part of ``pullyard doctor`` about sandboxes: each backend measured, as one row, and how to mend it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from pullyard.cli.terminal import Terminal
from pullyard.protocol.isolation import Level
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import ContainerSettings, Probe
from pullyard.sandboxes.registry import SANDBOXES
from pullyard.sandboxes.remedies import mend_bound, mend_escape
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory
from pullyard.worker.sandbox_choice import levels_of

HEADS = ("BACKEND", "LEVEL", "START", "ONCE", "ESCAPES", "BOUNDS", "WHAT TO DO")
QUIET_SECONDS = 1.0


async def measure_sandboxes(
    terminal: Terminal, names: Sequence[str], containers: ContainerSettings
) -> list[Probe]:
    """One after the other, as they would disturb each other's times."""
    probes: list[Probe] = []
    for name in names:
        async with said_where_slow(terminal, name) as heard:
            probes.append(await probe(SANDBOXES[name], heard=heard, containers=containers))
    return probes


@asynccontextmanager
async def said_where_slow(terminal: Terminal, name: str) -> AsyncIterator[Callable[[str], None]]:
    """Each part of the measuring goes to stderr, once there is something to wait for."""
    parts: list[str] = []
    slow = asyncio.get_running_loop().time() + QUIET_SECONDS

    def heard(part: str) -> None:
        parts.append(part)
        if asyncio.get_running_loop().time() >= slow:
            say()

    def say() -> None:
        terminal.warn(f"Measuring {name}: {parts[-1] if parts else 'starts'} ...")

    waiting = asyncio.get_running_loop().call_at(slow, say)
    try:
        yield heard
    finally:
        waiting.cancel()


def level_of(found: Probe) -> Level | None:
    return max(levels_of(found), key=list(Level).index, default=None)


def reaches(found: Probe, level: Level) -> bool:
    return level in levels_of(found)


def row(found: Probe) -> tuple[str, ...]:
    to_do = "see below" if remedies(found) else ""
    if not found.available:
        return (found.name, "-", "-", "-", "-", "-", to_do)
    once = sum(seconds for name, seconds in found.phases.items() if name != "first")
    return (
        found.name,
        level_of(found) or "none",
        milliseconds(found.start_seconds or 0.0),
        milliseconds(once),
        held(found.escapes),
        held(found.bounds),
        to_do,
    )


def held(tried: Any) -> str:
    return f"{sum(tried.values())}/{len(tried)} held" if tried else "not tried"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def remedies(found: Probe) -> list[str]:
    """A sentence for each thing that is missing or does not hold."""
    if not found.available:
        return [found.remedy or f"{found.name} can't be used here."]
    if found.name == UnsafeDirectory.name:
        return ["It isolates nothing: allow it only for code that you trust as your own account."]
    leaks = [mend_escape(name) for name, kept in found.escapes.items() if not kept]
    loose = [mend_bound(name) for name, kept in found.bounds.items() if not kept]
    untried = [] if found.bounds else [found.remedy or mend_bound("")]
    copied = [] if found.overlay or found.name != "bubblewrap" else [NO_OVERLAY]
    return list(dict.fromkeys([*leaks, *loose, *untried, *copied]))


NO_OVERLAY = (
    "Overlays can't be mounted here, so each working copy is a full copy: a kernel of 5.11 or newer mounts "
    "them for every account, on a disk with extended attributes."
)


def document(found: Probe) -> dict[str, Any]:
    return asdict(found) | {"level": level_of(found), "remedies": remedies(found)}
