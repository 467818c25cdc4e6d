"""What every sandbox offers. Hostile code runs inside; nothing here trusts it.

Order: ``provision`` once, ``start`` any number of times, ``destroy`` at the end, in any state, repeatably.
Concurrency: one execution owns a sandbox; its processes may run at the same time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

WORKSPACE = "/ws"
"""Where the working copy is seen inside; ``unsafe-directory`` shows its real path instead."""


@dataclass(frozen=True)
class Limits:
    processes: int = 512
    open_files: int = 4096
    file_size_bytes: int = 2 << 30
    temporary_bytes: int = 256 << 20
    shared_memory_bytes: int = 64 << 20
    cpus: float | None = None
    """None, here and below: no limit but the machine's."""
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    """What the workspace's upper directory and the writable mounts may hold together."""
    inodes: int | None = None
    """How many files and directories they may hold."""


@dataclass(frozen=True)
class Mount:
    """One directory or file of the host, seen inside at ``inside``."""

    outside: Path
    inside: str
    writable: bool = False


@dataclass(frozen=True)
class Workspace:
    """A working copy: ``lower`` is a prepared checkout, never written; changes land in ``upper``.

    Where overlays can't be mounted ``lower`` is None and ``upper`` holds the whole working copy.
    ``work`` is the overlay's scratch directory, on the same file system as ``upper``.
    """

    upper: Path
    work: Path
    lower: Path | None = None


@dataclass(frozen=True)
class ContainerSettings:
    """What a worker's owner says about containers, for the backends that make them."""

    image: str = "mcr.microsoft.com/devcontainers/base:debian"
    """Where ``SandboxSpec.image`` names none."""
    runtime: str | None = None
    """Of the engine, such as ``runsc``; None is the engine's own default."""


@dataclass(frozen=True)
class SandboxSpec:
    workspace: Workspace
    mounts: Sequence[Mount] = ()
    limits: Limits = field(default_factory=Limits)
    uid: int | None = None
    """The account of this slot where the worker is root; None runs as the worker's own account."""
    image: str | None = None
    """For backends with images."""
    platform: str | None = None
    owner: str = ""
    """The execution that it is for: what is left behind of it is found by this name."""
    environment: str | None = None
    """The project whose reused environment this runs in, for backends that have such; None: a fresh one."""
    worker: str = ""
    """A short name for the worker's data directory, for its next start to find what a killed one left."""
    containers: ContainerSettings = field(default_factory=ContainerSettings)


@dataclass(frozen=True)
class Command:
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """All of it: nothing is inherited but PATH, HOME and LANG, which the sandbox sets."""
    directory: str | None = None
    """Inside the sandbox; None is the workspace."""
    stdin: int | None = None
    """File descriptors of the worker: None is the null device."""
    stdout: int | None = None
    stderr: int | None = None
    """None sends it where ``stdout`` goes."""
    listen_port: int | None = None
    """Open this TCP port on the sandbox's own loopback, served from outside: see ``Process.listener``."""


class Process(Protocol):
    listener: int | None
    """A listening socket in the sandbox's network, a file descriptor of the worker; the caller closes it."""
    exceeded: str
    """Once ``wait`` has returned: the limits that were run into meanwhile, in sentences; else empty."""

    async def wait(self) -> int:
        """The exit code; 128 plus the signal's number where a signal ended it. Repeatable.

        Nothing the command started is left when it returns. Raises SandboxUnavailable where the sandbox gave
        up before it reached the command, SandboxLost where it was taken from under it.
        """
        ...

    async def kill(self) -> None:
        """End the process and everything it started, at once. Repeatable."""
        ...


class Sandbox(Protocol):
    name: str
    spec: SandboxSpec
    phases: dict[str, float]
    """Seconds of each step of the last start that can be told apart, in their order."""

    def __init__(self, spec: SandboxSpec) -> None: ...

    async def provision(self) -> None:
        """Make it ready. Raises SandboxUnavailable, which names the missing piece and the remedy."""
        ...

    async def start(self, command: Command) -> Process:
        """Raises SandboxUnavailable where the sandbox itself can't start. A missing program exits 127."""
        ...

    def inside(self, relative: str) -> str:
        """The path of a workspace file as the programs inside see it."""
        ...

    def path_of(self, mounted: str) -> str:
        """The path of an extra mount, named by its ``Mount.inside``, as the programs inside see it."""
        ...

    async def destroy(self) -> None:
        """End every process. The workspace stays: it is the worker's. Repeatable."""
        ...


@dataclass(frozen=True)
class Probe:
    """What doctor measured of one backend on this machine, just now."""

    name: str
    available: bool
    start_seconds: float | None = None
    """From one command to its end, the middle one of several."""
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each step, in their order: ``provision``, the ``first`` command, ``destroy``."""
    overlay: bool = False
    escapes: Mapping[str, bool] = field(default_factory=dict)
    """Each escape that was tried, and whether it was held."""
    bounds: Mapping[str, bool] = field(default_factory=dict)
    """Each limit of ``Limits`` that was driven against, and whether it held."""
    remedy: str | None = None


class SandboxUnavailable(Exception):
    """The backend can't run here; the message says what is missing and what to install."""


class SandboxLost(SandboxUnavailable):
    """What it ran on went away under it, such as an engine that was restarted: begin again what was done."""
