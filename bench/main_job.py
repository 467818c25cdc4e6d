"""The main job on one machine: what a task, a start, a sandbox, an idle system and the demo cost."""

import asyncio
from collections.abc import Sequence

from bench import demo_time, grant_time, idle, prepare_time, sandbox_start, whole_task
from bench.figures import Figure
from bench.installation import installation, scratch

LARGE = 20_000
REPETITIONS = {20: 15, LARGE: 2}
"""By the number of files in the repository."""


def measure(_words: Sequence[str]) -> list[Figure]:
    figures: list[Figure] = []
    with scratch() as place:
        figures += asyncio.run(sandbox_start.measure(place))
        with installation(place / "data") as system:
            figures += idle.measure(system)
            figures += asyncio.run(grant_time.measure(system, place))
            for files, repetitions in REPETITIONS.items():
                times, repository = whole_task.measure(system, place, files, repetitions)
                figures += whole_task.figures(times, files)
                if files == LARGE:
                    figures.append(prepare_time.measure(times, repository, place, files))
        figures += demo_time.measure(place)
    return figures
