"""All agents by name."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from pullyard.agents.acp import AcpAgent
from pullyard.agents.aider import AiderAgent
from pullyard.agents.built_in import BuiltInAgent
from pullyard.agents.claude_code import ClaudeCodeAgent
from pullyard.agents.codex import CodexAgent
from pullyard.agents.command import CommandAgent
from pullyard.agents.demo import DemoAgent
from pullyard.agents.gemini import GeminiAgent
from pullyard.agents.mini_swe_agent import MiniSweAgent
from pullyard.agents.opencode import OpencodeAgent
from pullyard.agents.programs import ENDPOINT_LABEL, program_labels
from pullyard.agents.protocol import Agent
from pullyard.agents.settings import AgentSettings, read_settings
from pullyard.agents.speakers import SPEAKERS
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import AgentSpec


class Member(Agent, Protocol):
    """An agent that can be made by its name alone."""

    def __init__(self) -> None: ...

    @property
    def settings_type(self) -> type[AgentSettings]: ...


AGENTS: Mapping[str, type[Member]] = {
    "command": CommandAgent,
    "claude-code": ClaudeCodeAgent,
    "demo": DemoAgent,
    "pullyard": BuiltInAgent,
    "opencode": OpencodeAgent,
    "codex": CodexAgent,
    "gemini": GeminiAgent,
    "aider": AiderAgent,
    "mini-swe-agent": MiniSweAgent,
    "acp": AcpAgent,
}


def check_settings(name: str, settings: Mapping[str, Any]) -> None:
    """Raises RequestError where there is no such agent or it can't work with these settings."""
    agent = AGENTS.get(name)
    if agent is None and name in SPEAKERS:
        message = f"{name} is a program of the agent acp: take that, with the option program={name}."
        raise RequestError(message, code="unknown-agent")
    if agent is None:
        known = ", ".join(AGENTS)
        raise RequestError(f"There is no agent {name[:60]!r}: choose one of {known}.", code="unknown-agent")
    read_settings(name, agent().settings_type, settings)


def acts_as(spec: AgentSpec) -> list[str]:
    """Whom a worker's owner has to allow: what starts a program of the project's own is ``command`` too."""
    return ["command", spec.name] if spec.name == "acp" and spec.settings.get("argv") else [spec.name]


def name_with_programs(name: str, settings: Mapping[str, Any]) -> str:
    """Such as ``codex``, or ``acp codex-acp``: what did the work, for people."""
    return " ".join([name, *_needs(name, settings)[0]])


def _needs(name: str, settings: Mapping[str, Any]) -> tuple[Sequence[str], str]:
    with suppress(RequestError):
        # What was stored by another version may be wrong by now; its task says so.
        return read_settings(name, AGENTS[name]().settings_type, settings).needs()
    return (), ""


def needed_labels(name: str, settings: Mapping[str, Any]) -> list[str]:
    """What a worker must have to be given this agent's tasks: its programs, and the endpoint it asks."""
    further, endpoint = _needs(name, settings)
    return [*program_labels([name, *further]), *([ENDPOINT_LABEL + endpoint] if endpoint else [])]
