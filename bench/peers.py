"""Others' queues, on the same machine and in the same run: how soon a job starts, how many, how large."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.idle import family, memory
from bench.installation import BenchFailed
from bench.stage import DURABLE, Stage

PROGRAMS = Path(__file__).with_name("peer_programs")
PYTHON = Path(".venv-bench/fast/bin/python").absolute()
SETTLE_SECONDS = 2.0
PATIENCE_SECONDS = 120.0
IN_MEMORY = "Redis without fsync, so that a crash loses jobs"


@dataclass(frozen=True)
class Peer:
    name: str
    program: str
    broker: str
    """``redis`` or ``postgres``."""
    jobs: int
    """So many are worked off for the rate: some seconds' worth."""
    starts: int = 300
    pause_seconds: float = 0.015
    """On average between two jobs that are timed; not regular, or a poll would fall into step with it."""
    worker: tuple[str, ...] = ()
    """Where its worker is no mode of the program: the words after ``python -m``."""

    @property
    def conditions(self) -> str:
        return IN_MEMORY if self.broker == "redis" else DURABLE


CELERY_WORDS = ("celery", "-A", "celery_program", "worker", "-c", "10", "-l", "error", "--without-gossip")
CELERY = Peer("Celery, threads", "celery_program", "redis", 4000, worker=(*CELERY_WORDS, "-P", "threads"))
PREFORK = Peer("Celery, prefork", "celery_program", "redis", 4000, worker=(*CELERY_WORDS, "-P", "prefork"))
ARQ = Peer("ARQ", "arq_program", "redis", 800, starts=60, pause_seconds=0.3)
PROCRASTINATE = Peer("Procrastinate", "procrastinate_program", "postgres", 2000)
PGQUEUER = Peer("PgQueuer", "pgqueuer_program", "postgres", 10_000)
PEERS = (CELERY, PREFORK, ARQ, PROCRASTINATE, PGQUEUER)


@dataclass(frozen=True)
class Measured:
    starts: list[float]
    """Seconds from the call that enqueues to the job's first statement."""
    rate: float
    """Jobs a second, of jobs that do nothing."""
    resident: float
    """MiB of the worker with its children, after the work."""


class NotInstalled(Exception):
    """The message says what is missing."""


@cache
def measured(stage: Stage, peer: Peer) -> Measured:
    """Once a run, whichever row asks first. Raises NotInstalled."""
    if not PYTHON.exists():
        raise NotInstalled("the peers' environment is not installed")
    environment = os.environ | {"BENCH_FILE": str(stage.place / f"{peer.program}-{time.monotonic_ns()}")}
    if peer.broker == "redis":
        environment["BENCH_REDIS"] = redis_of(stage)
    else:
        environment["BENCH_POSTGRES"] = stage.database()
        call(peer, environment, "install")
    with worker(peer, environment) as process:
        threading.Event().wait(SETTLE_SECONDS)
        starts = json.loads(call(peer, environment, "time", str(peer.starts), str(peer.pause_seconds)))
    call(peer, environment, "fill", str(peer.jobs))
    file = Path(environment["BENCH_FILE"])
    file.write_bytes(b"")
    with worker(peer, environment) as process:
        rate = rate_of(file, peer.jobs)
        resident = memory(family(process.pid), "Rss:")
    return Measured(starts, rate, resident)


def call(peer: Peer, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [str(PYTHON), f"{peer.program}.py", *words],
        cwd=PROGRAMS,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchFailed(f"{peer.name}: {done.stderr[-500:]}")
    return done.stdout


@contextmanager
def worker(peer: Peer, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    own: Sequence[str] = ("-m", *peer.worker) if peer.worker else (f"{peer.program}.py", "worker")
    process = subprocess.Popen(
        [str(PYTHON), *own],
        cwd=PROGRAMS,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        for one in reversed(family(process.pid)):
            os.kill(one, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def rate_of(file: Path, jobs: int) -> float:
    """From when a twentieth is done, so that the start of the worker is not in it, to the last one."""
    first, began = jobs // 20, 0.0
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    never = threading.Event()
    counted = 0
    while time.monotonic() < give_up_at:
        done = file.stat().st_size
        if not began and done >= first:
            began, counted = time.monotonic(), done
        if done >= jobs:
            return (done - counted) / (time.monotonic() - began)
        never.wait(0.002)
    raise BenchFailed(f"Only {file.stat().st_size} of {jobs} jobs were done in {PATIENCE_SECONDS:.0f} s.")


@cache
def redis_of(stage: Stage) -> str:
    """The address of a server for all rows. Raises NotInstalled."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotInstalled("redis-server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*words, "--dir", str(stage.place)], stdout=subprocess.DEVNULL)
    stage.closing.callback(process.wait)
    stage.closing.callback(process.terminate)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"redis://127.0.0.1:{port}/0"
        threading.Event().wait(0.02)
    raise BenchFailed("redis-server does not answer")
