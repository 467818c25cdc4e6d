"""Containers: made for a sandbox, and taken from those that wait, from nothing to the first byte."""

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.docker_engine import BASE_IMAGE, DockerEngine, shared_engine

from bench.figures import Figure, Goal, median_ms, not_measured, percentile_ms
from bench.first_byte import UID, Times, layers, one
from pullyard.sandboxes.docker.engine import Engine
from pullyard.sandboxes.docker.makers import Stock
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.protocol import ContainerSettings, SandboxSpec

COLD, WARM = Goal(1000, of_value=True), Goal(150, of_value=True)
REPETITIONS = 12
IMAGE = "the image is there, of the host's own programs; overlay2; a Docker Engine that nobody else uses"


def measure(place: Path) -> list[Figure]:
    with shared_engine(place / "pullyard-docker-bench") as engine:
        if why := (engine.directory / "outcome").read_text():
            return [not_measured("docker", why)]
        os.environ["DOCKER_HOST"] = engine.host
        return asyncio.run(measure_starts(place, engine))


async def measure_starts(place: Path, engine: DockerEngine) -> list[Figure]:
    cold, warm, plain = Times(), Times(), []
    stock = Stock(Engine(engine.socket), place / "environments", worker="bench", warm=1)
    try:
        # The first of each fills caches, and makes the pool's first container.
        await one(DockerSandbox, spec_at(place), Times())
        await one(lambda spec: DockerSandbox(spec, stock), spec_at(place), Times())
        for _ in range(REPETITIONS):
            await one(DockerSandbox, spec_at(place), cold)
            await asyncio.gather(*stock.pool.filling)
            await one(lambda spec: DockerSandbox(spec, stock), spec_at(place), warm)
            await asyncio.gather(*stock.pool.filling)
            plain.append(plain_run(engine))
    finally:
        await stock.close()
    plain_ms = median_ms(plain) if all(plain) else None
    return [
        Figure(
            "container to first byte, cold, p50", median_ms(cold.first), "ms", "docker run", plain_ms, COLD
        ),
        Figure("- p95", percentile_ms(cold.first, 95), "ms"),
        Figure("container to first byte, warm pool, p50", median_ms(warm.first), "ms", goal=WARM),
        Figure("- p95", percentile_ms(warm.first, 95), "ms"),
        Figure("- a further command in it, p50", median_ms(cold.further), "ms"),
        Figure("- its end, p50", median_ms(cold.destroy), "ms", conditions=IMAGE),
    ]


def spec_at(place: Path) -> SandboxSpec:
    return SandboxSpec(layers(place), uid=UID, containers=ContainerSettings(image=BASE_IMAGE))


def plain_run(engine: DockerEngine) -> float:
    """Seconds to the first byte of the engine's own program, with no network and nothing mounted."""
    if shutil.which("docker") is None:
        return 0.0
    words = ["docker", "--host", engine.host, "run", "--rm", "--network", "none", BASE_IMAGE, "printf", "x"]
    began = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        return time.perf_counter() - began
