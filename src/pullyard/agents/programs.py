"""Which programs agents have, from ``programs.toml``: where they come from and which versions were tried."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

AGENT_LABEL = "agent="
"""What stands before an agent's name in the labels of workers that have its program."""
ENDPOINT_LABEL = "endpoint="
"""What stands before the name of a worker's own model endpoint in its labels."""
_EVERYWHERE = frozenset({"claude-code"})
"""Workers of any version find these by themselves, so that no label is asked for."""
PROGRAMS_INSIDE = "/opt/pullyard/agents"
"""The program of the agent NAME is seen in ``PROGRAMS_INSIDE/NAME`` and started as ``bin/NAME`` there."""


class Program(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One agent's program; of ``native``, ``script`` and ``python`` it has exactly one."""

    registry: Literal["npm", "pypi"]
    package: str
    version: str
    """The one that was tried, and that is installed where none is named."""
    providers: list[str]
    """Of models, whose keys it can work with; the first one is used where no model is named."""
    native: str = ""
    """A path of a file that is run as it is; ``*`` stands for what differs by processor."""
    script: str = ""
    """A path of a JavaScript file that Node runs."""
    also: list[str] = []
    """Further packages of PyPI, with their versions, that are installed with it."""
    python: list[str] = []
    """The versions of Python that the package takes; ``bin/NAME`` is that Python then."""


class Runtime(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A package of PyPI that holds an interpreter."""

    package: str
    version: str


class _File(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    models: dict[str, str]
    agents: dict[str, Program]
    runtime: dict[str, Runtime]


@cache
def _read() -> _File:
    text = (files("pullyard.agents") / "programs.toml").read_text()
    return msgspec.convert(tomllib.loads(text), _File)


def programs() -> Mapping[str, Program]:
    """By the agent's name."""
    return _read().agents


def node() -> Runtime:
    return _read().runtime["node"]


def default_models() -> Mapping[str, str]:
    """By provider: what is used where nobody names a model."""
    return _read().models


def inside(name: str) -> str:
    """The directory in which a sandbox shows this agent's program."""
    return f"{PROGRAMS_INSIDE}/{name}"


def program_labels(names: Iterable[str]) -> list[str]:
    """What a worker must have to be given tasks that run these agents' programs."""
    return [AGENT_LABEL + name for name in names if name in programs() and name not in _EVERYWHERE]


def start_words(name: str) -> list[str]:
    """The beginning of a command that starts this agent's program, as seen in a sandbox."""
    return [f"{inside(name)}/bin/{name}"]
