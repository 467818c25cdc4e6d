"""What the model may do, one class a tool: its fields are the arguments, its docstring is for the model.

All of it happens inside the sandbox, which alone is the wall: a path may lead wherever the account may go.
"""

import difflib
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pullyard.agents.inside.commands import run_shell

RESULT_CHARACTERS = 30_000
LINE_CHARACTERS = 2000
FILE_BYTES = 8 << 20
MOST_NAMES = 1000
MOST_MATCHES = 200
SEARCH_SECONDS = 20
DIFF_CHARACTERS = 20_000
_UNSEEN = {".git", "node_modules", "__pycache__", ".venv"}

PathText = Annotated[str, Field(description="Relative to the working directory, or absolute.")]


class ToolProblem(Exception):
    """What the model is told instead of a result: what was wrong, and what to do about it."""


class Asked(Exception):
    """A person has to answer before the work can go on."""

    def __init__(self, question: str, choices: Sequence[str], *, free: bool) -> None:
        super().__init__(question)
        self.question = question
        self.choices = list(choices)
        self.free = free
        """Whether other words are an answer, too."""


@dataclass
class Outcome:
    text: str
    diff: str = ""
    """What was changed in a file, for the people who follow."""


class Tool(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: ClassVar[str]

    async def run(self) -> Outcome:
        """Raises ToolProblem, Asked, OSError."""
        raise NotImplementedError


class ReadFile(Tool):
    """Read a text file. Every line comes with its number and a tab before it. Long files come in pieces."""

    name: ClassVar[str] = "read_file"
    path: PathText
    first_line: Annotated[int, Field(ge=1)] = 1
    lines: Annotated[int, Field(ge=1, le=5000)] = 1000

    async def run(self) -> Outcome:
        all_lines = lines_of(read_text(self.path))
        last, room = self.first_line - 1, RESULT_CHARACTERS - LINE_CHARACTERS
        numbered: list[str] = []
        while last < min(len(all_lines), self.first_line - 1 + self.lines) and room > 0:
            numbered.append(f"{last + 1}\t{cut_line(all_lines[last])}")
            room -= len(numbered[-1]) + 1
            last += 1
        if last < len(all_lines):
            numbered.append(f"[The file has {len(all_lines)} lines: read on from line {last + 1}.]")
        return Outcome("\n".join(numbered) or "[The file is empty, or ends before that line.]")


class WriteFile(Tool):
    """Write a whole text file, new or in place of what is there. To change part of a file use edit_file."""

    name: ClassVar[str] = "write_file"
    path: PathText
    content: str

    async def run(self) -> Outcome:
        place = Path(self.path)
        before = read_text(self.path) if place.exists() else ""
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.content, encoding="utf-8")
        lines = len(self.content.splitlines())
        return Outcome(f"Written: {lines} lines.", diff_of(self.path, before, self.content))


class EditFile(Tool):
    """Replace a passage of a text file. ``old`` must be in the file exactly as given, spaces included, and
    only once, unless ``every`` is true."""

    name: ClassVar[str] = "edit_file"
    path: PathText
    old: Annotated[str, Field(min_length=1)]
    new: str
    every: bool = False

    async def run(self) -> Outcome:
        before = read_text(self.path)
        old, new = self.old, self.new
        if "\r\n" in before and "\r" not in old:
            # The lines were shown without their carriage returns.
            old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
        count = before.count(old)
        if count == 0:
            raise ToolProblem(f"{self.path} does not hold that passage: read it again and copy it exactly.")
        if count > 1 and not self.every:
            raise ToolProblem(f"{self.path} holds that passage {count} times: give more lines around it.")
        after = before.replace(old, new)
        Path(self.path).write_text(after, encoding="utf-8")
        return Outcome(f"Replaced {count} passage{'s' * (count > 1)}.", diff_of(self.path, before, after))


class ListFiles(Tool):
    """List the files below a directory whose path fits a glob, such as *.py or tests/*."""

    name: ClassVar[str] = "list_files"
    path: PathText = "."
    glob: str = "*"

    async def run(self) -> Outcome:
        names: list[str] = []
        with time_limit(SEARCH_SECONDS, "The listing took too long: name a directory below."):
            for name in files_below(self.path):
                if fits(name, self.glob):
                    names.append(name)
                if len(names) > MOST_NAMES:
                    names[-1] = f"[More than {MOST_NAMES} files: name a directory below, or a narrower glob.]"
                    break
        return Outcome("\n".join(names) or "[No file fits.]")


class SearchFiles(Tool):
    """Search text files for a regular expression, line by line: path, line number and line of each match."""

    name: ClassVar[str] = "search_files"
    pattern: str
    path: PathText = "."
    glob: str = "*"

    async def run(self) -> Outcome:
        try:
            expression = re.compile(self.pattern)
        except re.error as error:
            raise ToolProblem(f"That is no regular expression: {error}.") from error
        with time_limit(SEARCH_SECONDS, "The search took too long: search a smaller part, or simpler."):
            found = list(self._matches(expression))
        return Outcome("\n".join(found) or "[Nothing fits.]")

    def _matches(self, expression: re.Pattern[str]) -> Iterator[str]:
        count = 0
        one_file = Path(self.path).is_file()
        for name in [self.path] if one_file else files_below(self.path):
            if not (one_file or fits(name, self.glob)):
                continue
            try:
                lines = lines_of(read_text(name))
            except (ToolProblem, OSError):
                continue
            for number, line in enumerate(lines, 1):
                if not expression.search(line[:LINE_CHARACTERS]):
                    continue
                count += 1
                if count > MOST_MATCHES:
                    yield f"[More than {MOST_MATCHES} matches: search for something rarer.]"
                    return
                yield f"{name}:{number}: {line[:300]}"


class RunCommand(Tool):
    """Run a shell command and return what it prints and its exit code. It is stopped at its time limit, with
    all that it started; nothing runs on in the background. There is no terminal and no input."""

    name: ClassVar[str] = "run_command"
    command: Annotated[str, Field(min_length=1, max_length=20_000)]
    seconds: Annotated[int, Field(ge=1, le=1800)] = 120

    async def run(self) -> Outcome:
        return Outcome(await run_shell(self.command, self.seconds))


class AskPerson(Tool):
    """Ask a person and wait for the answer, perhaps for days. Only for what neither the task nor the
    repository tells, and where a wrong guess would cost much."""

    name: ClassVar[str] = "ask_person"
    question: Annotated[str, Field(min_length=1, max_length=1500)]
    choices: Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=8)] = []

    async def run(self) -> Outcome:
        raise Asked(self.question, self.choices, free=True)


TOOLS: dict[str, type[Tool]] = {
    tool.name: tool for tool in (ReadFile, WriteFile, EditFile, ListFiles, SearchFiles, RunCommand, AskPerson)
}


def schema_of(tool: type[Tool]) -> dict[str, Any]:
    schema = tool.model_json_schema()
    properties = {
        name: {key: value for key, value in one.items() if key != "title"}
        for name, one in schema["properties"].items()
    }
    named = {name: value for name, value in schema.items() if name not in ("title", "description")}
    return {**named, "properties": properties}


def described(tool: type[Tool]) -> str:
    return " ".join((tool.__doc__ or "").split())


def read_text(path: str) -> str:
    """Raises ToolProblem for what is no text file of a bearable size, OSError."""
    place = Path(path)
    if place.is_dir():
        raise ToolProblem(f"{path} is a directory: list it with list_files.")
    if place.exists() and not place.is_file():
        raise ToolProblem(f"{path} is no ordinary file.")
    if place.stat().st_size > FILE_BYTES:
        raise ToolProblem(f"{path} is larger than {FILE_BYTES >> 20} MiB: look at it with run_command.")
    data = place.read_bytes()
    if b"\0" in data[:8192]:
        raise ToolProblem(f"{path} is a binary file: look at it with run_command.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # Written back, replaced characters would spoil the file.
        raise ToolProblem(f"{path} is not UTF-8: work on it with run_command.") from error


def lines_of(text: str) -> list[str]:
    """As editors count them; Python's own ``splitlines`` knows more line ends."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def files_below(path: str) -> Iterator[str]:
    if not Path(path).is_dir():
        raise ToolProblem(f"There is no directory {path}.")
    for directory, names, files in os.walk(path):
        names[:] = sorted(set(names) - _UNSEEN)
        for name in sorted(files):
            yield os.path.normpath(os.path.join(directory, name))


def fits(name: str, glob: str) -> bool:
    return fnmatch(name, glob) or fnmatch(Path(name).name, glob)


def cut_line(line: str) -> str:
    left_out = len(line) - LINE_CHARACTERS
    return line if left_out <= 0 else f"{line[:LINE_CHARACTERS]} [{left_out} characters left out]"


def diff_of(path: str, before: str, after: str) -> str:
    if len(before) + len(after) > 1 << 20:
        return ""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}", n=2
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)[:DIFF_CHARACTERS]


@contextmanager
def time_limit(seconds: int, message: str) -> Iterator[None]:
    """Also within one match of a regular expression, which looks for signals now and then."""

    def stop(*_: object) -> None:
        raise ToolProblem(message)

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
