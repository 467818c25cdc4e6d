"""The agent ``mini-swe-agent``: a model and a shell, and hardly anything between them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents.driven import DrivenAgent
from pullyard.agents.models import ModelSettings
from pullyard.agents.protocol import Invocation
from pullyard.agents.settings import read_settings
from pullyard.protocol.worker import TaskBrief

_MOST_TURNS = 10_000


class MiniSweAgentSettings(ModelSettings):
    agent: ClassVar[str] = "mini-swe-agent"

    max_turns: int = 0
    """0: as many as it takes."""

    def problem(self) -> str | None:
        if not 0 <= self.max_turns <= _MOST_TURNS:
            return f"max_turns is a number from 0 to {_MOST_TURNS}."
        return super().problem()


class MiniSweAgent(DrivenAgent):
    name = "mini-swe-agent"
    settings_type = MiniSweAgentSettings

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, MiniSweAgentSettings, settings)
        return self._driver.start(task, chosen.chosen(), gateway_port, {"step_limit": chosen.max_turns})
