"""The agent ``aider``: it edits files by what the model says of them, and runs nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents.driven import DrivenAgent
from pullyard.agents.models import ModelSettings
from pullyard.agents.protocol import Invocation
from pullyard.agents.settings import read_settings
from pullyard.protocol.worker import TaskBrief


class AiderSettings(ModelSettings):
    agent: ClassVar[str] = "aider"


class AiderAgent(DrivenAgent):
    name = "aider"
    settings_type = AiderSettings

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, AiderSettings, settings)
        return self._driver.start(task, chosen.chosen(), gateway_port, {})
