"""The agent ``mini-swe-agent``: a model and a shell, and hardly anything between them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents.driven import Driver
from pullyard.agents.models import ModelSettings
from pullyard.agents.protocol import Invocation, Output, Verdict
from pullyard.agents.settings import read_settings
from pullyard.protocol.worker import TaskBrief, Usage

_MOST_TURNS = 10_000


class MiniSweAgentSettings(ModelSettings):
    agent: ClassVar[str] = "mini-swe-agent"

    max_turns: int = 0
    """0: as many as it takes."""

    def problem(self) -> str | None:
        if not 0 <= self.max_turns <= _MOST_TURNS:
            return f"max_turns is a number from 0 to {_MOST_TURNS}."
        return super().problem()


class MiniSweAgent:
    name = "mini-swe-agent"
    plain_log = False
    settings_type = MiniSweAgentSettings

    def __init__(self) -> None:
        self._driver = Driver(self.name)

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, MiniSweAgentSettings, settings)
        return self._driver.start(task, chosen.chosen(), gateway_port, {"step_limit": chosen.max_turns})

    def read(self, data: bytes, at: float) -> Output:
        return self._driver.read(data, at)

    def end(self, exit_code: int) -> Verdict:
        return self._driver.end(exit_code)

    @property
    def usage(self) -> Usage:
        return self._driver.usage
