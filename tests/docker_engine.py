"""A real Docker engine for the tests: one for a whole run, with an image made of the host's own programs.

``docker_engine`` is the fixture to ask for; it skips with the reason where no engine can run. Everything that
the engine has lies below one temporary directory, and is gone when the run ends. The engine ends with the
process that started it, so a run that is killed leaves only files, which the next run removes.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from watchfiles import watch

from tests.docker_image import base_root
from tests.postgres import locked

BASE_IMAGE = "pullyard-tests/base:latest"
END_SECONDS = 30
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
PREFIX = "pullyard-docker-"


class NoEngine(Exception):
    """Why there is none here."""


class Refused(Exception):
    """What the engine answered."""


@dataclass(frozen=True)
class DockerEngine:
    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "engine.sock"

    @property
    def log(self) -> Path:
        return self.directory / "engine.log"

    @property
    def host(self) -> str:
        """As ``DOCKER_HOST`` has it."""
        return f"unix://{self.socket}"

    @property
    def image(self) -> str:
        """Holds a shell, the usual small programs, git and Python, all of the host's own."""
        return BASE_IMAGE

    def call(self, method: str, path: str, **request: Any) -> Any:
        """The engine's own API. Raises Refused with its words, httpx.HTTPError where it is gone."""
        transport = httpx.HTTPTransport(uds=str(self.socket), verify=False)
        with httpx.Client(transport=transport, timeout=60) as client:
            answer = client.request(method, f"http://engine{path}", **request)
            if answer.is_error:
                raise Refused(f"{method} {path} was answered {answer.status_code}: {answer.text[:500]}")
            return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    def import_image(self, name: str, content: bytes, changes: Sequence[str] = ()) -> None:
        """``content`` is a tar of the root directory; ``changes`` are lines as of a Dockerfile."""
        repository, _, tag = name.partition(":")
        wish = {"fromSrc": "-", "repo": repository, "tag": tag or "latest", "changes": list(changes)}
        self.call("POST", "/images/create", params=wish, content=content)

    def containers(self, *labels: str) -> list[dict[str, Any]]:
        """All there are, running or not, that carry these labels, each a name or ``name=value``."""
        filters = json.dumps({"label": list(labels)})
        return self.call("GET", "/containers/json", params={"all": "true", "filters": filters})

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the engine; SIGKILL leaves its containers running."""
        with suppress(FileNotFoundError, ProcessLookupError):
            end(int((self.directory / "engine.pid").read_text()), number)

    def start(self) -> None:
        """Raises NoEngine with the engine's own last words."""
        self.until_ready(self.launch())

    def launch(self) -> subprocess.Popen[bytes]:
        """In a thread that lasts: the engine ends with it."""
        # Of a killed one; where nobody asks how its containerd ended, that still looks alive.
        for leftover in ("engine.pid", "engine.sock", "exec/containerd/containerd.pid"):
            (self.directory / leftover).unlink(missing_ok=True)
        with self.log.open("wb") as written:
            return subprocess.Popen(
                # It ends in order with whoever started it.
                ["setpriv", "--pdeathsig", "TERM", "dockerd", *self.flags()],
                stdout=written,
                stderr=written,
                stdin=subprocess.DEVNULL,
                env={"PATH": PATH, "HOME": str(self.directory)},
                start_new_session=True,
            )

    def until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Raises NoEngine."""
        for _ in watch(self.directory, debounce=50, rust_timeout=50, yield_on_timeout=True, recursive=False):
            if process.poll() is not None:
                raise NoEngine(last_words(self.log))
            # The client would leave a socket open where nobody listens yet.
            with suppress(httpx.HTTPError, OSError):
                with socket.socket(socket.AF_UNIX) as trial:
                    trial.connect(str(self.socket))
                self.call("GET", "/_ping")
                # Whichever process ends it looks its number up: it is nobody's child to be waited for.
                process.returncode = 0
                return

    def flags(self) -> list[str]:
        own = self.directory
        return [
            *("--data-root", str(own / "data"), "--exec-root", str(own / "exec"), "--host", self.host),
            *("--pidfile", str(own / "engine.pid"), "--bridge=none", "--iptables=false"),
            *("--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"),
            *("--cgroup-parent", f"/{own.name}", "--shutdown-timeout", "1"),
        ]


def end(process_id: int, number: int) -> None:
    """Send the signal and wait until the process is gone."""
    descriptor = os.pidfd_open(process_id)
    signal.pidfd_send_signal(descriptor, number)
    select.select([descriptor], [], [], END_SECONDS)
    os.close(descriptor)
    with suppress(ChildProcessError):
        os.waitpid(process_id, 0)


def last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    return f"dockerd ended: {lines[-1][:500]}"


def clear_away(engine: DockerEngine) -> None:
    """End whatever of the engine still runs, and remove all it had."""
    engine.stop()
    words = str(engine.directory).encode()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # Containers that outlive their engine belong to shims, and these name its directory.
            if int(place.name) != os.getpid() and words in (place / "cmdline").read_bytes():
                end(int(place.name), signal.SIGKILL)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{engine.directory}/")]):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    # Not by glob, which stumbles over the groups that others remove meanwhile.
    for place, groups, _ in os.walk("/sys/fs/cgroup"):
        if engine.directory.name in groups:
            with suppress(OSError):
                Path(place, engine.directory.name).rmdir()
    for leftover in ("data", "exec"):
        shutil.rmtree(engine.directory / leftover, ignore_errors=True)


def remove_abandoned(directory: Path) -> None:
    for users in directory.parent.glob(f"{PREFIX}*/users"):
        with suppress(BlockingIOError, PermissionError, FileNotFoundError), users.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            clear_away(DockerEngine(users.parent))
            shutil.rmtree(users.parent)


def make_engine(engine: DockerEngine) -> None:
    """Raises NoEngine, which says why none can run here."""
    if os.geteuid() != 0:
        raise NoEngine("Only root can start a Docker engine for the tests.")
    if shutil.which("dockerd", path=PATH) is None:
        raise NoEngine("dockerd is not installed: scripts/system-packages test installs it on Debian.")
    engine.start()
    engine.import_image(BASE_IMAGE, base_root())


@contextmanager
def shared_engine(directory: Path) -> Iterator[DockerEngine]:
    """The first process of a run starts the engine, and stops it when all the others are done with it."""
    remove_abandoned(directory)
    directory.mkdir(exist_ok=True, mode=0o711)
    start, users, outcome = directory / "start", directory / "users", directory / "outcome"
    engine = DockerEngine(directory)
    with users.open("w") as using:
        with locked(start, fcntl.LOCK_EX):
            fcntl.flock(using, fcntl.LOCK_SH)
            ours = not outcome.exists()
            if ours:
                try:
                    make_engine(engine)
                    outcome.write_text("")
                except NoEngine as reason:
                    outcome.write_text(str(reason))
        yield engine
    if ours:
        with locked(start, fcntl.LOCK_EX), locked(users, fcntl.LOCK_EX):
            clear_away(engine)
            shutil.rmtree(directory)


@pytest.fixture(scope="session")
def shared_docker_engine() -> Iterator[DockerEngine]:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid4().hex)
    with shared_engine(Path(tempfile.gettempdir()) / f"{PREFIX}{run[:12]}") as engine:
        yield engine


@pytest.fixture
def docker_engine(
    request: pytest.FixtureRequest, shared_docker_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DockerEngine]:
    """Running, and the one that ``DOCKER_HOST`` names for the test and what it starts.

    With the mark ``engine_to_itself`` no test of the run's other processes uses it meanwhile.
    """
    reason = (shared_docker_engine.directory / "outcome").read_text()
    if reason:
        pytest.skip(reason)
    monkeypatch.setenv("DOCKER_HOST", shared_docker_engine.host)
    alone = request.node.get_closest_marker("engine_to_itself") is not None
    with locked(shared_docker_engine.directory / "use", fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
        yield shared_docker_engine


@pytest.fixture(scope="module")
def module_engine(shared_docker_engine: DockerEngine) -> Iterator[DockerEngine]:
    """To be killed and started again: no other module's. The shared one shows that one can run here."""
    if reason := (shared_docker_engine.directory / "outcome").read_text():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as place:
        Path(place).chmod(0o711)
        engine = DockerEngine(Path(place))
        try:
            make_engine(engine)
            yield engine
        finally:
            clear_away(engine)


@pytest.fixture
def own_engine(module_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> DockerEngine:
    monkeypatch.setenv("DOCKER_HOST", module_engine.host)
    return module_engine
