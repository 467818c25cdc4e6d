"""A whole task of an agent that does nothing, against a shell script that does the same git work."""

import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Figure, Goal, median_ms
from bench.installation import PERSON, Installation, git, make_repository
from pullyard.protocol.resources import ProjectInput, TaskInput

SCRIPT = Path(__file__).with_name("shell_task.sh")
FILE = "made-by-the-agent"
PROJECT = {
    "agent": {"name": "command", "settings": {"command": f"date +%s%N >{FILE}"}},
    "verify_commands": [["true"]],
}
OVERHEAD = Goal(1.5)
START_MS = Goal(150, of_value=True)


@dataclass
class Times:
    """Seconds, one entry a repetition."""

    task: list[float] = field(default_factory=list)
    script: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    prepare: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)


def measure(system: Installation, place: Path, files: int, repetitions: int) -> tuple[Times, Path]:
    """Both ways in turn on a repository of so many files, after one round that warms both up."""
    repository = make_repository(place / f"repository-{files}.git", files)
    mirror = place / f"mirror-{files}.git"
    git("clone", "-q", "--mirror", str(repository), str(mirror))
    project = system.client.add_project(
        ProjectInput.model_validate({**PROJECT, "name": f"bench-{files}", "repository": str(repository)})
    )
    times = Times()
    for number in range(repetitions + 1):
        run_one(system, project.id, repository, times)
        times.script.append(run_script(mirror, repository, place, f"script-{number}"))
    for series in (times.task, times.script, times.start, times.prepare, times.phases):
        del series[0]
    return times, repository


def run_one(system: Installation, project_id: str, repository: Path, times: Times) -> None:
    posted_at = time.time_ns()
    task, seconds = system.run_task(project_id, TaskInput.model_validate({"title": "No-op"}))
    assert task.execution_id is not None
    assert task.change_id is not None
    branch = system.client.change(task.change_id).branch
    started_at = int(git(f"--git-dir={repository}", "show", f"{branch}:{FILE}"))
    phases = system.client.execution(task.execution_id).phase_seconds
    times.task.append(seconds)
    times.start.append((started_at - posted_at) / 1e9)
    times.prepare.append(phases["prepare"])
    times.phases.append(phases)


def run_script(mirror: Path, repository: Path, place: Path, branch: str) -> float:
    place = place / f"{repository.stem}-{branch}"
    place.mkdir()
    environment = {**os.environ, **PERSON}
    words = ["sh", str(SCRIPT), str(mirror), str(repository), str(place), branch]
    began = time.perf_counter()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def figures(times: Times, files: int) -> list[Figure]:
    where = f"{files:,} files"
    task = median_ms(times.task)
    phases = {name: median_ms([one[name] for one in times.phases]) for name in times.phases[0]}
    return [
        Figure(f"whole no-op task, {where}", task, "ms", "shell script", median_ms(times.script), OVERHEAD),
        Figure(
            f"POST to agent started, {where}",
            statistics.median(times.start) * 1000,
            "ms",
            goal=START_MS,
        ),
        *(Figure(f"- phase {name}, {where}", value, "ms") for name, value in phases.items()),
    ]
