"""A working copy on the disk, a sandbox over it, and one way to run a command in it."""

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pullyard.sandboxes.protocol import (
    Command,
    ContainerSettings,
    Limits,
    Mount,
    Process,
    Sandbox,
    SandboxSpec,
    Workspace,
)
from pullyard.sandboxes.registry import SANDBOXES
from tests.docker_engine import BASE_IMAGE

FORK_UNTIL_REFUSED = """
import os, signal
children = 0
try:
    while children < 400:
        if os.fork() == 0:
            signal.pause()
        children += 1
except OSError:
    print(children)
"""
UID = 54321 if os.geteuid() == 0 else None
"""An account of its own where the suite runs as root, as each slot of a worker has one."""


def directory(place: Path, files: Mapping[str, str] | None = None) -> Path:
    """Belongs to the sandbox's account, as the worker prepares it."""
    place.mkdir(parents=True, exist_ok=True)
    for name, text in (files or {}).items():
        (place / name).write_text(text)
    if UID is not None:
        for path in (place, *place.rglob("*")):
            os.chown(path, UID, UID)
    return place


def make_ready(backend: str, place: Path, request: pytest.FixtureRequest) -> None:
    """For sandboxes of this kind below ``place``; skips the test where there can be none."""
    if backend == "docker":
        request.getfixturevalue("docker_engine")
    if backend == "unsafe-directory" and os.geteuid() == 0:
        # Nothing is mounted there, so its account must be able to walk to the working copy by itself.
        for parent in (place, *place.parents[:3]):
            parent.chmod(parent.stat().st_mode | 0o011)


def workspace(place: Path, *, overlay: bool) -> Workspace:
    """Holds one file, ``greeting``; with an overlay it lies in the lower directory."""
    greeting = {"greeting": "hello\n"}
    lower = directory(place / "lower", greeting) if overlay else None
    return Workspace(
        directory(place / "upper", None if overlay else greeting), directory(place / "work"), lower
    )


def sandbox_at(
    name: str, place: Path, *, mounts: Sequence[Mount] = (), limits: Limits | None = None
) -> Sandbox:
    overlay = name != "unsafe-directory"
    containers = ContainerSettings(image=BASE_IMAGE)
    layers = workspace(place, overlay=overlay)
    spec = SandboxSpec(layers, mounts, limits or Limits(), UID, containers=containers)
    return SANDBOXES[name](spec)


async def run(sandbox: Sandbox, *argv: str, **setting: Any) -> tuple[int, str]:
    """The exit code and everything printed."""
    with tempfile.TemporaryFile() as printed:
        process = await sandbox.start(Command(argv, stdout=printed.fileno(), **setting))
        async with asyncio.timeout(60):
            code = await process.wait()
        printed.seek(0)
        return code, printed.read().decode()


async def first_line(sandbox: Sandbox, *argv: str) -> tuple[Process, str]:
    """A command that is left running once it has printed a line."""
    reader, writer = os.pipe()
    process = await sandbox.start(Command(argv, stdout=writer))
    os.close(writer)
    with os.fdopen(reader, "rb") as printed:
        async with asyncio.timeout(60):
            line = await asyncio.to_thread(printed.readline)
    return process, line.decode()
