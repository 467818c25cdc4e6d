"""A whole Pullyard, started as any user starts it, and the repositories that it works on."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pullyard.lifecycle.task import FINAL_TASK_STATES
from pullyard.lifecycle.worker import WorkerState
from pullyard.protocol.resources import Task, TaskInput
from pullyard.protocol.stream import ExecutionUpdate, SubscribeEvents
from pullyard.sdk.client import Client
from pullyard.sdk.stream import Silence, Stream

SILENCE_SECONDS = 30.0
FILES_IN_A_DIRECTORY = 100
PERSON = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Bench"), ("EMAIL", "bench@example.invalid"))
}


class BenchFailed(Exception):
    """The system did not do what was to be measured."""


@dataclass
class Installation:
    process: subprocess.Popen[bytes]
    data: Path
    client: Client
    token: str
    stream: Stream

    def run_task(self, project_id: str, wish: TaskInput) -> tuple[Task, float]:
        """The ended task, and the seconds from just before its POST to the word that it has ended."""
        began = time.perf_counter()
        task = self.client.add_task(project_id, wish)
        for heard in self.stream.hear(SILENCE_SECONDS):
            if isinstance(heard, Silence):
                raise BenchFailed(f"A task did not end; see {self.data}.")
            if isinstance(heard, ExecutionUpdate) and heard.task_id == task.id and has_ended(heard):
                seconds = time.perf_counter() - began
                ended = self.client.task(task.id)
                if ended.change_id is None:
                    raise BenchFailed(f"A task ended as {ended.state}: {ended.message}")
                return ended, seconds
        raise AssertionError("a stream never ends")


def has_ended(update: ExecutionUpdate) -> bool:
    return update.type == "task-update" and update.payload.get("state") in FINAL_TASK_STATES


@contextmanager
def scratch() -> Iterator[Path]:
    """On the disk, not in memory, and open for the accounts of the sandboxes."""
    place = Path(tempfile.mkdtemp(prefix="pullyard-bench-", dir="/var/tmp"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def installation(data: Path) -> Iterator[Installation]:
    """``pullyard up`` on ``data``, with its worker waiting for work."""
    words = [sys.executable, "-m", "pullyard.cli", "up", "--json", "--port", "0", "--data", str(data)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        token = json.loads((data / "profile.json").read_text())["token"]
        with Client(said["url"], token) as client, client.stream() as stream:
            stream.subscribe(SubscribeEvents(id="events", project_id=None, cursor=None))
            await_worker(client, stream)
            yield Installation(process, data, client, token, stream)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def await_worker(client: Client, stream: Stream) -> None:
    for _ in stream.hear(0.5):
        if any(worker.state is WorkerState.IDLE for worker in client.workers()):
            return


def git(*words: str, directory: Path | None = None) -> str:
    environment = {**os.environ, **PERSON, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *words], cwd=directory, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def make_repository(place: Path, files: int) -> Path:
    """A bare repository at ``place`` with one commit of so many small source files on ``main``."""
    work = place.with_name(place.name + ".work")
    for number in range(files):
        folder = work / f"part{number // FILES_IN_A_DIRECTORY:03}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"def work_{number}_{line}():\n    return {line}\n" for line in range(20))
        (folder / f"file{number}.py").write_text(lines)
    git("init", "-q", "-b", "main", str(work))
    git("add", "-A", directory=work)
    git("commit", "-q", "-m", "First", directory=work)
    git("clone", "-q", "--bare", str(work), str(place))
    shutil.rmtree(work)
    return place
