"""The agent ``command``: any program that edits files in its working directory."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from pullyard.agents.endings import judge_exit
from pullyard.agents.lines import sentence_of
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import TASK_DIRECTORY, Invocation, Output, Verdict
from pullyard.agents.settings import AgentSettings, environment_problem, read_settings
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import TaskBrief, Usage

ARGUMENT_LIMIT_BYTES = 128 << 10
"""Linux takes no longer single argument or variable (MAX_ARG_STRLEN)."""
PROMPT_FILE = f"{TASK_DIRECTORY}/prompt.md"
_PLACEHOLDER = re.compile(r"\{(prompt_file|prompt|title|number)\}")
_SHELL_TOKEN = re.compile(r"\\.|['\"]|\{(?:prompt_file|prompt|title|number)\}", re.DOTALL)


class CommandSettings(AgentSettings):
    argv: list[str] = msgspec.field(default_factory=list)
    """The program and its arguments, with ``{prompt}``, ``{prompt_file}``, ``{title}`` and ``{number}``."""
    command: str = ""
    """Instead of ``argv``: a line for ``sh -c``, with the same placeholders, which need no quotes."""
    prompt: Literal["file", "stdin", "argument"] = "file"
    """The prompt is always in the file; ``argument`` appends it unless a placeholder already gives it."""
    environment: dict[str, str] = msgspec.field(default_factory=dict)

    def problem(self) -> str | None:
        if bool(self.argv) == bool(self.command.strip()):
            return "Give the command agent either argv, a list, or command, a shell line."
        if any("\0" in part for part in [*self.argv, self.command]):
            return "The command holds a NUL character: remove it."
        return environment_problem(self.environment)


class CommandAgent:
    name = "command"
    plain_log = True
    settings_type = CommandSettings

    def __init__(self) -> None:
        self._program = "the command"

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside, gateway_port
        chosen = read_settings(self.name, CommandSettings, settings)
        prompt = write_prompt(task).replace("\0", "")
        values = {
            "prompt": prompt,
            "prompt_file": PROMPT_FILE,
            "title": task.title.replace("\0", ""),
            "number": str(task.number),
        }
        environment = {**chosen.environment, "PULLYARD_PROMPT_FILE": PROMPT_FILE}
        if chosen.argv:
            argv = fill_argv(chosen, values)
            self._program = sentence_of(argv[0], 100)
        else:
            line, used = fill_shell(chosen.command)
            if chosen.prompt == "argument" and "prompt" not in used:
                line, used = f'{line} "${{PULLYARD_PROMPT}}"', [*used, "prompt"]
            argv = ["sh", "-c", line]
            environment |= {_variable(name): values[name] for name in used}
        refuse_too_long([*argv, *environment.values()])
        return Invocation(
            argv=argv,
            environment=environment,
            stdin=prompt.encode() if chosen.prompt == "stdin" else None,
            files={"prompt.md": prompt.encode(), "task.json": msgspec.json.encode(task)},
        )

    def read(self, data: bytes, at: float) -> Output:
        del at
        return Output(log=data)

    def end(self, exit_code: int) -> Verdict:
        return judge_exit(exit_code, self._program)

    @property
    def usage(self) -> Usage:
        return Usage()


def fill_argv(settings: CommandSettings, values: Mapping[str, str]) -> list[str]:
    # One pass: a title that holds "{prompt}" must not be filled in again.
    argv = [_PLACEHOLDER.sub(lambda match: values[match[1]], part) for part in settings.argv]
    if settings.prompt == "argument" and not any("{prompt}" in part for part in settings.argv):
        argv.append(values["prompt"])
    return argv


def fill_shell(line: str) -> tuple[str, list[str]]:
    """Placeholders become variables, quoted for where they stand: the task's text is never shell code.

    Returns the line and the names of the placeholders in it.
    """
    quote = ""
    used: list[str] = []

    def replace(match: re.Match[str]) -> str:
        nonlocal quote
        token = match[0]
        if token in ("'", '"'):
            quote = token if not quote else "" if token == quote else quote
            return token
        if token.startswith("\\"):
            if quote == "'" and token[1] == "'":
                # Inside single quotes a backslash is only itself, so this quote ends the string.
                quote = ""
            return token
        used.append(token[1:-1])
        variable = f"${{{_variable(used[-1])}}}"
        return {"": f'"{variable}"', '"': variable, "'": f"'\"{variable}\"'"}[quote]

    return _SHELL_TOKEN.sub(replace, line), used


def _variable(placeholder: str) -> str:
    return f"PULLYARD_{placeholder.upper()}"


def refuse_too_long(texts: Sequence[str]) -> None:
    if any(len(text.encode(errors="replace")) >= ARGUMENT_LIMIT_BYTES for text in texts):
        raise RequestError("The task's text is too long for an argument: read it from {prompt_file} instead.")
