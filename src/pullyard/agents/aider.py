"""The agent ``aider``: it edits files by what the model says of them, and runs nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents.driven import Driver
from pullyard.agents.models import ModelSettings
from pullyard.agents.protocol import Invocation, Output, Verdict
from pullyard.agents.settings import read_settings
from pullyard.protocol.worker import TaskBrief, Usage


class AiderSettings(ModelSettings):
    agent: ClassVar[str] = "aider"


class AiderAgent:
    name = "aider"
    plain_log = False
    settings_type = AiderSettings

    def __init__(self) -> None:
        self._driver = Driver(self.name)

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, AiderSettings, settings)
        return self._driver.start(task, chosen.chosen(), gateway_port, {})

    def read(self, data: bytes, at: float) -> Output:
        return self._driver.read(data, at)

    def end(self, exit_code: int) -> Verdict:
        return self._driver.end(exit_code)

    @property
    def usage(self) -> Usage:
        return self._driver.usage
