"""Object storages for tests: a directory, and moto's S3 server as a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from simulation.processes import free_port

BUCKET = "pullyard"


class S3Server:
    """Begins with one empty bucket. ``stop`` and ``start`` again lose everything, but not the address."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = (
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "moto.server",
            "-H",
            "127.0.0.1",
            "-p",
            str(self._port),
        )
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while True:
            try:
                httpx.put(f"{self.url}/{BUCKET}").raise_for_status()
            except httpx.TransportError:
                assert time.monotonic() < until, "moto did not start"
                assert self._process.poll() is None, "moto ended"
                continue
            return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def object_keys(self) -> list[str]:
        text = httpx.get(f"{self.url}/{BUCKET}").text
        return [part.partition("</Key>")[0] for part in text.split("<Key>")[1:]]


@contextmanager
def credentials(endpoint: str) -> Iterator[None]:
    """As an operator sets them for S3."""
    names = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def s3_process() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3_server(s3_process: S3Server) -> Iterator[S3Server]:
    """Alive, with the variables that name it set."""
    with credentials(s3_process.url):
        yield s3_process


@pytest.fixture(params=["directory", "s3"])
def archive_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place of every kind that a test has to pass with."""
    if request.param == "directory":
        return (tmp_path / "archive").as_uri()
    request.getfixturevalue("s3_server")
    return f"s3://{BUCKET}/{tmp_path.name}"
