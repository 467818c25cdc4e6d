"""The agent ``acp``: any program that speaks the Agent Client Protocol, by a row of a table.

The other side of the protocol runs in the sandbox too, as a driver: what reaches the worker is bounded lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from pullyard.agents import telling
from pullyard.agents.driven import DrivenAgent, Driver
from pullyard.agents.lines import text_of
from pullyard.agents.models import Model, ModelSettings, check_endpoint, choose_model
from pullyard.agents.packing import pack, package
from pullyard.agents.programs import programs
from pullyard.agents.protocol import Invocation, Question, Verdict
from pullyard.agents.settings import environment_problem, read_settings
from pullyard.agents.speakers import SPEAKERS, Speaker, Start, own_speaker
from pullyard.agents.telling import Told
from pullyard.lifecycle import tool_routing
from pullyard.lifecycle.command_rules import read_rule
from pullyard.lifecycle.tool_routing import TOOLS
from pullyard.protocol.worker import TaskBrief

_JUDGED = ("read_file", "write_file", "edit_file", "list_files", "search_files", "run_command")
"""The tools, of those in ``lifecycle.tool_routing.TOOLS``, that an agent's own are like."""


class AcpSettings(ModelSettings):
    agent: ClassVar[str] = "acp"

    program: str = "opencode"
    """Which one speaks: a name of ``SPEAKERS``."""
    argv: list[str] = msgspec.field(default_factory=list)
    """Instead of ``program``: one of the sandbox's own, with ``{gateway}`` and ``{model}`` filled in."""
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    """Of that program, with the same placeholders."""

    def problem(self) -> str | None:
        if self.program not in SPEAKERS:
            return f"The program of acp is one of {', '.join(sorted(SPEAKERS))}."
        if self.environment and not self.argv:
            return "The environment of acp is for a program of your own: name that in argv."
        if any("\0" in word for word in self.argv) or self.argv[:1] == [""]:
            return "The argv of acp begins with a program, and holds no NUL character."
        return environment_problem(self.environment) or super().problem()

    def needs(self) -> tuple[Sequence[str], str]:
        return self.installed, self.endpoint

    @property
    def installed(self) -> Sequence[str]:
        return () if self.argv else (self.program,)

    def chosen(self) -> Model:
        """Raises RequestError."""
        check_endpoint(self.endpoint)
        providers = programs()["acp" if self.argv else self.program].providers
        return replace(choose_model(self.model, providers), endpoint=self.endpoint)

    def speaker(self) -> Speaker:
        return own_speaker(self.argv, self.environment) if self.argv else SPEAKERS[self.program]


class AcpDriver(Driver):
    """It may end with a question, whether something may be done."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._asked: tuple[str, list[str]] | None = None
        self._session = ""

    def end(self, exit_code: int) -> Verdict:
        if exit_code == 0 and self._asked is not None and self._session:
            return Verdict(question=Question(*self._asked, free=False, session=self._session))
        return super().end(exit_code)

    def _understand(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        text = line.get("text")
        match line.get("event"):
            case "question":
                asked = text_of(text, telling.TEXT_LIMIT)
                told, choices = telling.question(asked, line.get("choices"), at)
                self._asked = asked, choices
                return [told]
            case "session" if isinstance(text, str) and len(text) <= telling.SESSION_LIMIT:
                self._session = text
                return []
            case _:
                return super()._understand(line, at)


class AcpAgent(DrivenAgent):
    name = "acp"
    settings_type = AcpSettings
    driver_type = AcpDriver

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        chosen = read_settings(self.name, AcpSettings, settings)
        model, speaker = chosen.chosen(), chosen.speaker()
        tools = {name: task.tools.get(name, TOOLS[name].verdict) for name in _JUDGED}
        start = Start(model, gateway_port, inside, asks=_has_rules(tools, task.command_rules))
        facts = {
            "tools": tools,
            "commands": task.command_rules,
            "session": task.session,
            "answer": task.answers[-1].answer if task.answers else "",
            "sessions": speaker.sessions,
            "titled": speaker.titled,
            "opened_with": speaker.session(start),
            "mode": speaker.mode(start),
        }
        driven = self._driver.start(task, model, gateway_port, facts)
        return replace(
            driven,
            argv=[*driven.argv, *speaker.command(start)],
            environment={**driven.environment, **speaker.environment(start)},
            files={**driven.files, "driver.py": own_driver(), **speaker.files(start)},
            further_programs=chosen.installed,
        )


def _has_rules(tools: Mapping[str, tool_routing.Verdict], commands: Sequence[Sequence[str]]) -> bool:
    verdicts = [*tools.values(), *(read_rule(text).verdict for rules in commands for text in rules)]
    return tool_routing.strictest(*verdicts) is not tool_routing.Verdict.ALLOW


@cache
def own_driver() -> bytes:
    """A zip, whatever its name says: Python takes it for what it is."""
    drivers = files("pullyard.agents") / "drivers"
    parts = {"__main__.py": "acp.py", "permissions.py": "permissions.py", "sessions.py": "sessions.py"}
    own = {name: (drivers / source).read_bytes() for name, source in parts.items()}
    return pack({**own, **package("lifecycle")})
