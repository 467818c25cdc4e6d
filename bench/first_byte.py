"""How long a sandbox takes from nothing to the first byte of its command."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from pullyard.sandboxes.children import readable
from pullyard.sandboxes.protocol import Command, Sandbox, SandboxSpec, Workspace

UID = 210_000 if os.geteuid() == 0 else None
WORDS = ("printf", "x")
_numbers = count()


@dataclass
class Times:
    """Seconds, one entry a sandbox."""

    first: list[float] = field(default_factory=list)
    """From just before it is provisioned to the first byte."""
    further: list[float] = field(default_factory=list)
    """The same of its next command, which finds it provisioned."""
    destroy: list[float] = field(default_factory=list)


def layers(place: Path) -> Workspace:
    """Of an empty working copy."""
    own = place / str(next(_numbers))
    made = [own / name for name in ("upper", "work", "lower")]
    for layer in made:
        layer.mkdir(parents=True)
        if UID is not None:
            os.chown(layer, UID, UID)
    return Workspace(*made)


async def one(make: Callable[[SandboxSpec], Sandbox], spec: SandboxSpec, times: Times) -> None:
    sandbox = make(spec)
    try:
        began = time.perf_counter()
        await sandbox.provision()
        times.first.append(await first_byte(sandbox) - began)
        began = time.perf_counter()
        times.further.append(await first_byte(sandbox) - began)
    finally:
        began = time.perf_counter()
        await sandbox.destroy()
        times.destroy.append(time.perf_counter() - began)


async def first_byte(sandbox: Sandbox) -> float:
    """When it came; returns once the command is over."""
    reader, writer = os.pipe()
    try:
        process = await sandbox.start(Command(WORDS, stdout=writer))
        os.close(writer)
        async with asyncio.timeout(30):
            await readable(reader)
        came = time.perf_counter()
        await process.wait()
    finally:
        os.close(reader)
    return came
