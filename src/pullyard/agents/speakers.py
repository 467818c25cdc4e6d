"""The programs that speak the Agent Client Protocol: how each is started. A row is all that one needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pullyard.agents import codex, gemini, opencode
from pullyard.agents.claude_code import UNUSABLE_TOOLS
from pullyard.agents.claude_code import environment as claude_environment
from pullyard.agents.models import Model
from pullyard.agents.programs import start_words


@dataclass(frozen=True)
class Start:
    """What a program is started for."""

    model: Model
    gateway_port: int
    inside: Path
    """The workspace."""
    asks: bool
    """Whether the policy has it ask before it changes or runs anything; else it needn't."""


def _nothing(_: Start) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Speaker:
    """Its name in ``SPEAKERS`` is that of the program which ``pullyard worker agents install`` installs."""

    command: Callable[[Start], list[str]]
    environment: Callable[[Start], Mapping[str, str]]
    files: Callable[[Start], Mapping[str, bytes]] = field(default=_nothing)
    session: Callable[[Start], Mapping[str, Any]] = field(default=_nothing)
    """What a session is opened with besides, as the program's own extension of the protocol."""
    mode: Callable[[Start], str] = field(default=lambda _: "")
    """Of the session's modes the one to work in; empty leaves it as it is."""
    titled: bool = False
    """Whether it says a command by the title of its call alone."""
    sessions: Sequence[str] = ()
    """Where it keeps its sessions, below the home directory, so that one can be gone on with later."""


def _claude_session(start: Start) -> Mapping[str, Any]:
    options: dict[str, Any] = {
        # Only the (empty) user settings count: hooks, servers and addresses in the repository do not.
        "settingSources": ["user"],
        "strictMcpConfig": True,
        "disallowedTools": UNUSABLE_TOOLS,
        "promptSuggestions": False,
    }
    if start.asks:
        # Else it takes some commands for harmless, and asks nobody.
        options["settings"] = {"permissions": {"ask": ["Bash"]}}
    return {"claudeCode": {"options": options}}


def _codex_options(start: Start) -> list[str]:
    own = {
        "model": start.model.name,
        "approval_policy": "untrusted" if start.asks else "never",
        # The sandbox is around all of it.
        "sandbox_mode": "danger-full-access",
    }
    return codex.options(own, start.inside, start.gateway_port)


def own_speaker(argv: Sequence[str], environment: Mapping[str, str]) -> Speaker:
    """A program of the sandbox's own."""

    def filled(text: str, start: Start) -> str:
        gateway = f"http://127.0.0.1:{start.gateway_port}"
        return text.replace("{gateway}", gateway).replace("{model}", start.model.name)

    return Speaker(
        command=lambda start: [filled(word, start) for word in argv],
        environment=lambda start: {name: filled(value, start) for name, value in environment.items()},
    )


SPEAKERS: Mapping[str, Speaker] = {
    "claude-agent-acp": Speaker(
        command=lambda _: start_words("claude-agent-acp"),
        environment=lambda start: {
            **claude_environment(start.gateway_port),
            "ANTHROPIC_MODEL": start.model.name,
            "CLAUDE_AGENT_LOGS": "/tmp/claude-agent-acp",
        },
        session=_claude_session,
        mode=lambda start: "default" if start.asks else "bypassPermissions",
        sessions=[".claude/projects"],
    ),
    "codex-acp": Speaker(
        command=lambda start: [*start_words("codex-acp"), *_codex_options(start)],
        environment=lambda _: codex.environment(),
        sessions=[".codex/sessions"],
    ),
    "gemini": Speaker(
        command=lambda start: gemini.command(start.model, "--acp"),
        environment=lambda start: gemini.environment(start.gateway_port),
        files=lambda start: gemini.own_files(None, asks=start.asks),
        titled=True,
        sessions=["gemini/.gemini/tmp"],
    ),
    "opencode": Speaker(
        command=lambda _: [*start_words("opencode"), "acp"],
        environment=lambda start: opencode.environment(start.model, start.gateway_port, asks=start.asks),
        sessions=[".local/share/opencode"],
    ),
}
