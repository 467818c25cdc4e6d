"""A start in the sandbox, with all that makes it safe, against bubblewrap with nothing but a root."""

import os
import time
from pathlib import Path

from bench.figures import Figure, Goal, median_ms
from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.children import Child, Streams
from pullyard.sandboxes.protocol import Command, SandboxSpec, Workspace

BARE = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "true")
UID = 210_000 if os.geteuid() == 0 else None
START = Goal(2.5)
REPETITIONS = 60


async def measure(place: Path) -> list[Figure]:
    layers = [place / name for name in ("upper", "work", "lower")]
    for layer in layers:
        layer.mkdir()
        if UID is not None:
            os.chown(layer, UID, UID)
    spec = SandboxSpec(Workspace(*layers), uid=UID)
    ready, started, bare = [], [], []
    for _ in range(5):
        sandbox = Bubblewrap(spec)
        began = time.perf_counter()
        await sandbox.provision()
        ready.append(time.perf_counter() - began)
        try:
            for _ in range(REPETITIONS // 5):
                started.append(await in_sandbox(sandbox))
                bare.append(await bare_start())
        finally:
            await sandbox.destroy()
    return [
        Figure("sandbox start to exit", median_ms(started), "ms", "bare bwrap", median_ms(bare), START),
        Figure("- once per sandbox: its root", median_ms(ready), "ms"),
    ]


async def in_sandbox(sandbox: Bubblewrap) -> float:
    began = time.perf_counter()
    await (await sandbox.start(Command(["true"]))).wait()
    return time.perf_counter() - began


async def bare_start() -> float:
    began = time.perf_counter()
    await Child(BARE, Streams()).wait()
    return time.perf_counter() - began
