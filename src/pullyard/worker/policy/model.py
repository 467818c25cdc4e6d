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
UNSIGNED_ERRANDS = (ErrandKind.CLOSE, ErrandKind.LOOK, ErrandKind.COMPARE, ErrandKind.READ_TASK_LIST)
"""Nobody signs an errand, and these write to no branch that people work on."""


class SandboxBounds(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    backends: tuple[str, ...] = ("*",)
    """Globs of `docker`, `bubblewrap` and `unsafe-directory`; the settings' ``sandbox`` comes before."""
    level: Level | None = None
    """``isolated`` or ``hardened``: what the sandbox must have been measured to hold."""
    images: tuple[str, ...] = ("*",)
    """Globs of the images that containers are made of, also where a repository's own files name them."""
    environments: tuple[Literal["fresh", "reused"], ...] = ("fresh", "reused")
    """What becomes of a container after its execution."""
    cpus: float | None = None
    """At most so much is given, whatever a project wants; so it is with the next four."""
    memory_bytes: int | None = None
    """For all processes of an execution together."""
    disk_bytes: int | None = None
    """For all that an execution writes."""
    inodes: int | None = None
    """Files and directories."""
    processes: int | None = None
    """Threads count, too."""


class NetworkBounds(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    registries: bool = True
    """Package registries, where the project lets them."""
    hosts: tuple[str, ...] = ("*",)
    """Those of the project's hosts that may be reached: exact or ``*.example.com``, at port 443 unless
    ``:PORT`` stands behind; ``*`` is all at any port."""


class TextBounds(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What may leave the worker's network; the stricter of this and the project's own settings holds."""

    logs: bool = True
    """What agents and commands print. False: it stays in ``logs/`` of the worker's data directory."""
    diff: bool = True
    """The text of the changes. False: only the names of files and counts of lines."""
    task_list: bool = True
    """The repository's task list, which automation works off."""


class Rule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything that is not said is allowed."""

    match: tuple[str, ...]
    """Repositories: an address, a part of it that ends in ``/``, or a glob where ``*`` stays within one name
    and ``**`` does not. A repository on the worker's own disk only where a pattern begins with ``/``."""
    forges: tuple[str, ...] = ("*",)
    """Globs of the kinds of forge."""
    agents: tuple[str, ...] = ("*",)
    """Globs of the task's agent and of those of the project's own steps."""
    branches: tuple[str, ...] = ("pullyard/*",)
    """Globs of the branches that may be pushed, moved or deleted."""
    base_branches: tuple[str, ...] = ("*",)
    """Globs of the branches that changes may be merged into, and task lists be written to."""
    errands: tuple[ErrandKind, ...] = tuple(ErrandKind)
    """What is done for people besides tasks; with ``signed_by`` only ``close``, ``look``, ``compare`` and
    ``read-task-list`` unless it is said."""
    commands: tuple[str, ...] = ()
    """Rules for set-up, verify and step commands: ``allow npm ci``, ``ask make **``, ``deny **``."""
    tools: dict[str, Verdict] = {}
    """The most that a project may allow of the tools below, by name: ``allow``, ``ask`` or ``deny``."""
    ssh_hosts: tuple[str, ...] = ()
    """Where ``ssh_execute`` may go: exact names, or ``*.`` and the end of one."""
    protected_paths: tuple[str, ...] = ()
    """Besides the project's, which can't take one of these away."""
    budget_micros: int | None = None
    """The most that one execution's model may cost, in millionths of a dollar."""
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

    def unreachable(self) -> list[str]:
        """A sentence for each rule that never decides, because those above it fit all that it is for."""
        seen: set[str] = set()
        sentences: list[str] = []
        for rule in self.rules:
            everything = {one: LOCAL_EVERYWHERE if one.startswith("/") else EVERYWHERE for one in rule.match}
            if all(one in seen or whole in seen for one, whole in everything.items()):
                sentences.append(f"The rule for {rule.name!r} never decides: put it above the one that does.")
            seen |= everything.keys()
        return sentences


def default_policy(*, local_repositories: bool) -> Policy:
    """Without a file: every repository in the network, and everything within the sandbox's own bounds.

    Repositories on the worker's disk only where the coordinator is on the same machine: its owner can read
    them anyhow, while one that is elsewhere has no business with this machine's directories.
    """
    match = (EVERYWHERE, LOCAL_EVERYWHERE) if local_repositories else (EVERYWHERE,)
    return Policy((Rule(match=match),))
