"""Whom a sandbox's account is inside a container: engines may show accounts under other numbers."""

import os
from dataclasses import dataclass
from pathlib import Path

from pullyard.sandboxes.docker.engine import Engine
from pullyard.sandboxes.protocol import SandboxSpec, SandboxUnavailable

MAPPED_ACCOUNTS = 65536
"""How many a user namespace of the engine has."""


@dataclass(frozen=True)
class EngineFacts:
    podman: bool
    rootless: bool
    mapped_from: int | None
    """The first account of the user namespace that all containers share; None where there is none."""

    @property
    def keeps_accounts(self) -> bool:
        """Rootless Podman can show the worker's account as itself; rootless Docker shows it as root."""
        return self.rootless and self.podman


async def ask_facts(engine: Engine) -> EngineFacts:
    """Raises EngineRefused."""
    about, version = await engine.call("GET", "/info"), await engine.call("GET", "/version")
    options = about.get("SecurityOptions") or ()
    # An engine with such a namespace keeps its data in a directory that is named after the first account.
    first = Path(about["DockerRootDir"]).name.partition(".")[0]
    mapped = any("name=userns" in option for option in options) and first.isdecimal()
    return EngineFacts(
        podman=any("podman" in part["Name"].lower() for part in version.get("Components") or ()),
        rootless=any("rootless" in option for option in options),
        mapped_from=int(first) if mapped else None,
    )


def account_inside(spec: SandboxSpec, facts: EngineFacts) -> str:
    """User and group whose files belong to the sandbox's account on the host. Raises SandboxUnavailable."""
    if spec.uid is None:
        shown_as_root = facts.rootless and not facts.keeps_accounts
        return "0:0" if shown_as_root else f"{os.getuid()}:{os.getgid()}"
    first = facts.mapped_from or 0
    number = spec.uid - first
    if facts.mapped_from is not None and not 0 < number < MAPPED_ACCOUNTS:
        raise SandboxUnavailable(
            f"The engine's user namespace has the accounts {first} to {first + MAPPED_ACCOUNTS - 1}, "
            f"and {spec.uid} is none of them: set the worker's first_uid to {first + 1000}."
        )
    return f"{number}:{number}"
