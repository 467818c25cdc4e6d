"""The agent ``acp``: any program that speaks the Agent Client Protocol, by a row of a table.

The other side of the protocol runs in the sandbox too, as a driver: what reaches the worker is bounded lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents import gemini, opencode
from pullyard.agents.driven import DrivenAgent
from pullyard.agents.models import Model, ModelSettings, check_endpoint, choose_model
from pullyard.agents.programs import programs, start_words
from pullyard.agents.protocol import Invocation
from pullyard.agents.settings import read_settings
from pullyard.protocol.worker import TaskBrief

_CLOSED = ("fetch",)
"""Kinds of tools whose use is refused where an agent asks for leave: there is no network to use them on."""


@dataclass(frozen=True)
class Speaker:
    """How a program is started as one that speaks the protocol; its name is the agent's that installs it."""

    command: Callable[[Model], list[str]]
    environment: Callable[[Model, int], Mapping[str, str]]
    """From the model and the gateway's port."""
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


SPEAKERS: Mapping[str, Speaker] = {
    "gemini": Speaker(
        command=lambda model: gemini.command(model, "--acp"),
        environment=lambda _, port: gemini.environment(port),
        files=gemini.own_files(None),
    ),
    "opencode": Speaker(
        command=lambda _: [*start_words("opencode"), "acp"],
        environment=opencode.environment,
    ),
}


class AcpSettings(ModelSettings):
    agent: ClassVar[str] = "acp"

    program: str = "opencode"
    """Which one speaks: ``opencode`` or ``gemini``."""

    def problem(self) -> str | None:
        if self.program not in SPEAKERS:
            return f"The program of acp is one of {', '.join(sorted(SPEAKERS))}."
        return super().problem()

    def chosen(self) -> Model:
        """Raises RequestError."""
        check_endpoint(self.endpoint)
        return replace(choose_model(self.model, programs()[self.program].providers), endpoint=self.endpoint)


class AcpAgent(DrivenAgent):
    name = "acp"
    settings_type = AcpSettings

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, AcpSettings, settings)
        model, speaker = chosen.chosen(), SPEAKERS[chosen.program]
        driven = self._driver.start(task, model, gateway_port, {"closed": _CLOSED})
        return replace(
            driven,
            argv=[*driven.argv, *speaker.command(model)],
            environment={**driven.environment, **speaker.environment(model, gateway_port)},
            files={**driven.files, **speaker.files},
            further_programs=[chosen.program],
        )
