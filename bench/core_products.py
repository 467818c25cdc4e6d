"""Whole products beside our coordinator: the resident set of Prefect's server, Buildbot's builds a second."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.figures import Figure, Goal, not_measured
from bench.idle import family, memory
from bench.installation import BenchFailed
from bench.peers import rate_of
from bench.stage import Stage

SLOW = True
PROGRAMS = Path(".venv-bench/slow/bin").absolute()
CONFIGURATION = Path(__file__).with_name("peer_programs") / "buildbot_master.py"
SETTLE_SECONDS = 10.0
START_SECONDS = 120.0
BUILDS = 60
MEMORY = Goal(0.4)
never = threading.Event()


def measure(stage: Stage) -> list[Figure]:
    if not (PROGRAMS / "prefect").exists():
        return [not_measured("Prefect and Buildbot", "their environment is not installed")]
    with stage.coordinator() as coordinator:
        never.wait(SETTLE_SECONDS)
        ours = memory([coordinator.pid], "Rss:")
    said = f"idle, {SETTLE_SECONDS:.0f} s after the start; Postgres is not counted, Prefect has SQLite inside"
    theirs, builds = prefect(stage), buildbot(stage)
    alone = f"SQLite; one worker, 10 at once; {BUILDS} builds"
    return [
        Figure("coordinator's resident set", ours, "MiB", "Prefect server", theirs, MEMORY, conditions=said),
        Figure("Buildbot: builds that do nothing", builds, "/s", conditions=alone),
    ]


def prefect(stage: Stage) -> float:
    """MiB of its server and what that starts."""
    port = free_port()
    environment = os.environ | {
        "PREFECT_HOME": str(stage.place / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    words = [str(PROGRAMS / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(words, stage.place, environment) as process:
        await_answer(f"http://127.0.0.1:{port}/api/health")
        never.wait(SETTLE_SECONDS)
        return memory(family(process.pid), "Rss:")


def buildbot(stage: Stage) -> float:
    """Builds a second, of so many that are requested at once."""
    place = stage.place / "buildbot"
    (place / "master").mkdir(parents=True)
    file = place / "done"
    file.touch()
    environment = os.environ | {
        "BENCH_FILE": str(file),
        "BENCH_BUILDS": str(BUILDS),
        "BENCH_PORT": str(free_port()),
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
    }
    run(["buildbot", "create-master", "master"], place, environment)
    (place / "master" / "master.cfg").write_text(CONFIGURATION.read_text())
    where = f"127.0.0.1:{environment['BENCH_PORT']}"
    run(["buildbot-worker", "create-worker", "worker", where, "worker", "secret"], place, environment)
    master = ["twistd", "--nodaemon", "--no_save", "-y", "buildbot.tac"]
    with running(master, place / "master", environment), running(master, place / "worker", environment):
        return rate_of(file, BUILDS)


@contextmanager
def running(words: list[str], place: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words, cwd=place, env=environment, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        for one in reversed(family(process.pid)):
            os.kill(one, 15)
        process.wait()


def run(words: list[str], place: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"{words[0]}: {done.stderr[-300:]}{done.stdout[-300:]}")


def await_answer(url: str) -> None:
    for _ in range(int(START_SECONDS)):
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        never.wait(1.0)
    raise BenchFailed(f"Nothing answers at {url}.")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
