"""Reads an agent's settings into its own type, with errors a person can act on."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from pullyard.agents.lines import sentence_of
from pullyard.protocol.errors import RequestError


class AgentSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a project may set for an agent."""

    def problem(self) -> str | None:
        """One sentence where values of the right types make no sense together."""
        return None

    def needs(self) -> tuple[Sequence[str], str]:
        """Programs besides the agent's own, and the worker's endpoint, that it can't do without."""
        return (), ""


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def environment_problem(environment: Mapping[str, str]) -> str | None:
    """One sentence where a name or a value can't be an environment variable's."""
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            return f"{sentence_of(name, 60)!r} can't be an environment variable: rename it."
    return None


SettingsT = TypeVar("SettingsT", bound=AgentSettings)


def read_settings(agent: str, kind: type[SettingsT], settings: Mapping[str, Any]) -> SettingsT:
    """Raises RequestError with code ``agent-settings``."""
    try:
        chosen = msgspec.convert(dict(settings), kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        message = f"The settings of the agent {agent} are wrong: {error}. They may hold: {known}."
        raise RequestError(message, code="agent-settings") from error
    problem = chosen.problem()
    if problem:
        raise RequestError(problem, code="agent-settings")
    return chosen
