"""Bubblewrap with all that makes it safe, from nothing to the first byte of a command."""

import asyncio
from pathlib import Path

from bench.figures import Figure, Goal, median_ms, percentile_ms
from bench.first_byte import UID, Times, layers, one
from bench.sandbox_start import bare_start
from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.protocol import SandboxSpec

START = Goal(30, of_value=True)
REPETITIONS = 40


def measure(place: Path) -> list[Figure]:
    return asyncio.run(measure_starts(place))


async def measure_starts(place: Path) -> list[Figure]:
    times, bare = Times(), []
    for _ in range(REPETITIONS):
        await one(Bubblewrap, SandboxSpec(layers(place), uid=UID), times)
        bare.append(await bare_start())
    against = "bare bwrap, start to exit"
    return [
        Figure(
            "bubblewrap to first byte, p50", median_ms(times.first), "ms", against, median_ms(bare), START
        ),
        Figure("- p95", percentile_ms(times.first, 95), "ms"),
        Figure("- a further command in it, p50", median_ms(times.further), "ms"),
        Figure("- its end, p50", median_ms(times.destroy), "ms"),
    ]
