"""The owner's policy as ``policy.toml`` has it: rules for repositories; the first that fits decides.

An unknown key is an error, so that a typing mistake can't allow anything.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from pullyard.lifecycle.change import ErrandKind
from pullyard.lifecycle.tool_routing import Verdict
from pullyard.protocol.isolation import Level
from pullyard.worker.policy.places import EVERYWHERE, LOCAL_EVERYWHERE

POLICY_FILE = "policy.toml"


class SandboxBounds(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    backends: tuple[str, ...] = ("*",)
    level: Level | None = None
    """What the sandbox must have been measured to hold; None: the worker's own choice."""
    images: tuple[str, ...] = ("*",)
    """Globs; of backends with images."""
    environments: tuple[Literal["fresh", "reused"], ...] = ("fresh", "reused")
    cpus: float | None = None
    """At most so much is given, whatever a project wants; so are the next ones. None: no bound."""
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    inodes: int | None = None
    processes: int | None = None


class NetworkBounds(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    registries: bool = True
    hosts: tuple[str, ...] = ("*",)
    """Those of the project's hosts that may be reached: exact, ``*.example.com``, or ``*`` for all."""


class TextBounds(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What may leave the worker's network; the stricter of this and the project's own settings holds."""

    logs: bool = True
    diff: bool = True
    """False: only the names of files and counts of lines."""
    task_list: bool = True


class Rule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything that is not said is allowed."""

    match: tuple[str, ...]
    """Repositories: an address, a part of it that ends in ``/``, or a glob where ``*`` stays within one name
    and ``**`` does not. A repository on the worker's own disk only where a pattern begins with ``/``."""
    forges: tuple[str, ...] = ("*",)
    agents: tuple[str, ...] = ("*",)
    branches: tuple[str, ...] = ("pullyard/*",)
    """Globs of the branches that may be pushed, moved or deleted."""
    base_branches: tuple[str, ...] = ("*",)
    """Globs of the branches that changes may be merged into, and task lists be written to."""
    errands: tuple[ErrandKind, ...] = tuple(ErrandKind)
    commands: tuple[str, ...] = ()
    """Rules for set-up, verify and step commands: ``allow npm ci``, ``ask make **``, ``deny **``."""
    tools: dict[str, Verdict] = {}
    ssh_hosts: tuple[str, ...] = ()
    """Where ``ssh_execute`` may go."""
    protected_paths: tuple[str, ...] = ()
    """Besides the project's, which can't take one of these away."""
    signed_by: tuple[str, ...] = ()
    """Public keys. With any here, only work that one of them has signed is done."""
    sandbox: SandboxBounds = SandboxBounds()
    network: NetworkBounds = NetworkBounds()
    text: TextBounds = TextBounds()

    @property
    def name(self) -> str:
        return self.match[0]


@dataclass(frozen=True)
class Policy:
    """``source`` is the file's name for messages; None where there is no file."""

    rules: tuple[Rule, ...]
    source: str | None = None

    @property
    def title(self) -> str:
        return self.source or "the default policy (this worker has no policy.toml)"


def default_policy(*, local_repositories: bool) -> Policy:
    """Without a file: every repository in the network, and everything within the sandbox's own bounds.

    Repositories on the worker's disk only where the coordinator is on the same machine: its owner can read
    them anyhow, while one that is elsewhere has no business with this machine's directories.
    """
    match = (EVERYWHERE, LOCAL_EVERYWHERE) if local_repositories else (EVERYWHERE,)
    return Policy((Rule(match=match),))
