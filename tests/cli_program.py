"""The program as a user has it: a process, with a home and a data directory of its own.

What lasts is the installed program; short commands are forked off a process that has imported it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.warm import Warm

PROGRAM = Path(sys.executable).parent / "pullyard"
STOP_SECONDS = 60


class Program:
    """``place`` is readable by the account that Postgres runs as, which pytest's own directories are not.

    With ``data`` it works with the system that has this directory.
    """

    def __init__(self, place: Path, warm: Warm, data: Path | None = None) -> None:
        self.place = place
        self.warm = warm
        self.home = place / "home"
        self.data = data or place / "data"
        self.home.mkdir()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PULLYARD_", "XDG_"))
        }
        self.environment = kept | {"HOME": str(self.home), "PULLYARD_DATA": str(self.data)}

    def run(
        self, *arguments: str, stdin: str = "", timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.warm.run(arguments, self.environment | environment, stdin=stdin, timeout=timeout)

    def ok(self, *arguments: str, **options: Any) -> str:
        done = self.run(*arguments, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *arguments: str, **options: Any) -> Any:
        return json.loads(self.ok(*arguments, "--json", **options).splitlines()[-1])

    @contextmanager
    def up(self, *arguments: str) -> Iterator["Up"]:
        running = Up(self, *arguments)
        try:
            yield running
        finally:
            running.stop()

    def git(self, *arguments: str | Path) -> str:
        isolation = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        who = {
            f"GIT_{role}_{what}": "test@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment | isolation | who,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def repository(self, name: str = "shop", files: dict[str, str] | None = None) -> Path:
        """A bare repository with one commit on main."""
        bare, work = self.place / f"{name}.git", self.place / f"{name}-work"
        self.git("init", "-q", "-b", "main", work)
        for path, text in (files or {"README.md": "hello\n"}).items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        self.git("-C", work, "add", ".")
        self.git("-C", work, "commit", "-q", "-m", "first")
        self.git("clone", "-q", "--bare", work, bare)
        return bare

    def passes_its_tests(self, repository: str | Path, branch: str) -> bool:
        """Whether the repository's own tests pass on a clean clone of the branch."""
        clone = Path(tempfile.mkdtemp(dir=self.place)) / "clone"
        self.git("clone", "-q", "--branch", branch, repository, clone)
        command = [sys.executable, "-m", "unittest", "-q"]
        return not subprocess.run(command, cwd=clone, capture_output=True, check=False).returncode

    def processes(self) -> list[int]:
        """Everything that runs with this program's directories on its command line or as its directory."""
        place = os.fsencode(self.place)
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if place in (entry / "cmdline").read_bytes() or place in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found


class Up:
    """A running ``pullyard up``; ready when this exists."""

    def __init__(self, program: Program, *arguments: str) -> None:
        with (program.place / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "up", "--json", *(arguments or ("--port", "0"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=program.environment,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (program.place / "up.log").read_text()
        self.said: dict[str, Any] = json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.stop()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(STOP_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return code


@contextmanager
def program_at(warm: Warm, data: Path | None = None) -> Iterator[Program]:
    place = Path(tempfile.mkdtemp(prefix="pullyard-cli-", dir="/tmp"))
    place.chmod(0o711)
    yield Program(place, warm, data)
    shutil.rmtree(place)


@pytest.fixture
def program(warm: Warm) -> Iterator[Program]:
    with program_at(warm) as made:
        yield made


@pytest.fixture(scope="session")
def running_system(warm: Warm) -> Iterator[Program]:
    # Pytest may be killed long before its end, and this would run on for ever.
    with program_at(warm) as made, made.up("--port", "0", "--exit-with-parent"):
        yield made


@pytest.fixture
def running(running_system: Program, warm: Warm) -> Iterator[Program]:
    """For a test that needs ``pullyard up`` to run and nothing more: its own home, and no names taken.

    The system is one for all tests of the process.
    """
    with program_at(warm, running_system.data) as made:
        yield made
        profile = json.loads((made.data / "profile.json").read_text())
        headers = {"authorization": f"Bearer {profile['token']}"}
        with httpx.Client(base_url=profile["url"] + "/api/v1", headers=headers) as http:
            projects = http.get("/projects").raise_for_status().json()["items"]
            for project in [one for one in projects if one["name"] != one["id"]]:
                # One that has tasks can't be removed, and its name is wanted again.
                http.patch(f"/projects/{project['id']}", json={"name": project["id"]}).raise_for_status()
