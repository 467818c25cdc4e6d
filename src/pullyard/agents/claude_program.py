"""Finds the Claude Code program on this worker."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pullyard.agents.protocol import AgentMissing

PATH_VARIABLE = "PULLYARD_CLAUDE_CODE"
INSTALL = "install it with 'pullyard worker agents install claude-code'"
_ELF = b"\x7fELF"


def find_claude(environment: Mapping[str, str] = os.environ) -> Path:
    """The native executable itself, links resolved: one file that runs alone when mounted anywhere.

    The path comes from the worker's own environment, never from a project's settings: what it names is
    shown to the agent. Raises AgentMissing.
    """
    named = environment.get(PATH_VARIABLE)
    found = named or shutil.which("claude", path=environment.get("PATH"))
    if not found:
        raise AgentMissing(
            f"Claude Code is not on this worker: {INSTALL}, or name the program in {PATH_VARIABLE}."
        )
    program = Path(found).resolve()
    # An npm that may not run install scripts leaves a stub, with the program in a package beside it.
    beside = [*program.parents[2].glob("claude-code-*/claude")] if len(program.parents) > 2 else []
    for candidate in (program, *sorted(beside)):
        if is_native(candidate):
            return candidate
    if not program.is_file():
        raise AgentMissing(f"There is no program at {found}: correct {PATH_VARIABLE}, or {INSTALL}.")
    raise AgentMissing(
        f"{found} is a script, not the native Claude Code: {INSTALL}, or name the program in {PATH_VARIABLE}."
    )


def own_claude(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The program that this machine has apart from Pullyard; None for none. Raises AgentMissing."""
    if PATH_VARIABLE in environment or shutil.which("claude", path=environment.get("PATH")):
        return find_claude(environment)
    return None


def is_native(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_ELF)) == _ELF and os.access(path, os.X_OK)
    except OSError:
        return False
