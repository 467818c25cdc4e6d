"""A repository's Dockerfile, read strictly and written anew: an engine builds exactly what was checked.

A build step runs in a container like any command, but an engine does some things itself, outside of it: it
fetches base images and what ``ADD`` names. These are what a hostile file would use, so base images come from
listed registries alone and ``ADD`` fetches nothing. Source of the grammar: the Dockerfile reference.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pullyard.worker.images.errors import ImageRefused
from pullyard.worker.images.references import is_reference, registry_of

LIMIT_BYTES = 256 << 10
MAX_INSTRUCTIONS = 500
INSTRUCTIONS = frozenset(
    {
        *("FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER"),
        *("WORKDIR", "ARG", "STOPSIGNAL", "HEALTHCHECK", "SHELL", "MAINTAINER"),
    }
)
# Neither says anything that counts where the worker says which command runs, and where.
_DROPPED = frozenset({"HEALTHCHECK", "VOLUME", "EXPOSE", "MAINTAINER"})
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._/*?@+,:=~-]+")
_FLAG = re.compile(r"--([a-z-]+)(?:=([A-Za-z0-9._/:@,=${}-]*))?")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::([+-])([^}$]*))?\}|(\w+))")
_STAGE = re.compile(r"[a-z][a-z0-9._-]{0,99}")


@dataclass
class Recipe:
    """``steps`` are the instructions as they are given to the engine, each with its line in the file."""

    escape: str = "\\"
    steps: list[tuple[int, str]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    """What the engine has to have first."""

    @property
    def text(self) -> str:
        return "".join([f"# escape={self.escape}\n", *(f"{step}\n" for _, step in self.steps)])

    def marked(self, instruction: str) -> str:
        """The text with another instruction after each FROM."""
        lines = [f"{step}\n{instruction}" if step.startswith("FROM ") else step for _, step in self.steps]
        return "".join([f"# escape={self.escape}\n", *(f"{line}\n" for line in lines)])


def read_dockerfile(
    content: bytes, place: str, arguments: Mapping[str, str], is_allowed: Callable[[str], bool]
) -> Recipe:
    """``arguments`` are the build's; ``is_allowed`` tells of an image whether a repository may name it.

    Raises ImageRefused, which names the line, and nothing else, whatever the bytes are.
    """
    if len(content) >= LIMIT_BYTES or b"\0" in content:
        raise ImageRefused(f"{place} is no Dockerfile of less than {LIMIT_BYTES >> 10} KiB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImageRefused(f"{place} can't be read: it is not UTF-8.") from error
    return _Reader(place, arguments, is_allowed).read(text)


class _Reader:
    def __init__(self, place: str, arguments: Mapping[str, str], is_allowed: Callable[[str], bool]) -> None:
        self.place = place
        self.arguments = arguments
        self.is_allowed = is_allowed
        self.recipe = Recipe()
        self.line = 0
        self.begun = False
        self.stages: set[str] = set()
        self.known: dict[str, str] = {}
        self.handlers: Mapping[str, Callable[[str], str]] = {
            "FROM": self.base,
            "ARG": self.argument,
            "RUN": self.run,
            "COPY": self.copy,
            "ADD": self.add,
        }

    def read(self, text: str) -> Recipe:
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        self.recipe.escape = escape_of(lines)
        for line, joined in whole_lines(lines, self.recipe.escape):
            self.line = line
            self.instruction(joined)
            if len(self.recipe.steps) > MAX_INSTRUCTIONS:
                raise self.refuse(f"there are more than {MAX_INSTRUCTIONS} instructions")
        if not self.begun:
            raise self.refuse("no image to begin with: write FROM")
        return self.recipe

    def refuse(self, why: str) -> ImageRefused:
        return ImageRefused(f"{self.place}, line {self.line}: {why}.")

    def instruction(self, joined: str) -> None:
        word, *after = joined.split(None, 1)
        name, rest = word.upper(), "".join(after).strip()
        if name not in INSTRUCTIONS:
            raise self.refuse(
                "this is no instruction that is known here; ONBUILD and here-documents are not taken"
            )
        if not self.begun and name not in ("FROM", "ARG"):
            raise self.refuse("no image to begin with: write FROM first")
        if ends_open(rest, self.recipe.escape) or "\r" in rest:
            raise self.refuse("the line's end is not a clean one")
        if name not in _DROPPED:
            handler = self.handlers.get(name)
            self.recipe.steps.append((self.line, f"{name} {handler(rest) if handler else rest}"))

    def base(self, rest: str) -> str:
        flags, named = self.flags(rest)
        words = named.split()
        if flags.keys() - {"platform"}:
            raise self.refuse("FROM takes no flag but --platform here")
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise self.refuse("write FROM image, or FROM image AS stage")
        name = self.expand(words[0])
        if name.lower() not in (*self.stages, "scratch"):
            self.need(name)
        stage = words[2].lower() if len(words) == 3 else ""
        if stage and not _STAGE.fullmatch(stage):
            raise self.refuse("this is no name of a stage")
        self.begun = True
        self.stages |= {stage} if stage else set()
        # The platform is the project's to choose, so the flag is gone.
        return f"{name} AS {stage}" if stage else name

    def need(self, name: str) -> None:
        if not is_reference(name):
            raise self.refuse("this is no name of an image")
        if not self.is_allowed(name):
            raise self.refuse(
                f"images of {registry_of(name)} are not taken: add it to image_registries of the worker"
            )
        if name not in self.recipe.images:
            self.recipe.images.append(name)

    def argument(self, rest: str) -> str:
        name, given, default = rest.partition("=")
        if not self.begun:
            value = self.arguments.get(name, self.expand(unquoted(default)) if given else None)
            if value is not None:
                self.known[name] = value
        return rest

    def run(self, rest: str) -> str:
        if rest.startswith("--"):
            raise self.refuse("RUN takes no flags here, such as --mount")
        return rest

    def copy(self, rest: str) -> str:
        flags, paths = self.flags(rest)
        source = flags.get("from")
        if source is not None and source.lower() not in self.stages and not source.isdecimal():
            self.need(source)
        kept = [f"--{name}={value}" for name, value in flags.items() if name in ("from", "chown")]
        return " ".join([*kept, paths])

    def add(self, rest: str) -> str:
        flags, paths = self.flags(rest)
        kept = [f"--chown={flags['chown']}"] if flags.get("chown") else []
        named = listed(paths) or paths.split()
        if not all(_PLAIN_WORD.fullmatch(word) and not fetches(word) for word in named):
            raise self.refuse("ADD may take plain paths of the repository only: use COPY, or RUN to fetch")
        return " ".join([*kept, paths])

    def flags(self, rest: str) -> tuple[dict[str, str], str]:
        """The flags, and what comes after them."""
        flags: dict[str, str] = {}
        while rest.startswith("--"):
            word, *after = rest.split(None, 1)
            found = _FLAG.fullmatch(word)
            if found is None:
                raise self.refuse("this flag can't be read")
            flags[found[1]] = found[2] or ""
            rest = "".join(after)
        return flags, rest

    def expand(self, text: str) -> str:
        """With the values of the arguments before the first FROM, as far as a name needs it."""

        def value(found: re.Match[str]) -> str:
            given = self.known.get(found[1] or found[4], "")
            if found[2] == "+":
                return found[3] if given else ""
            return given or (found[3] if found[2] else "")

        return _VARIABLE.sub(value, text)


def escape_of(lines: Sequence[str]) -> str:
    """The sign that continues a line: a directive at the very top may change it."""
    for line in lines:
        found = re.fullmatch(r"\s*#\s*([A-Za-z]+)\s*=\s*(.*?)\s*", line)
        if found is None:
            break
        if found[1].lower() == "escape":
            return "`" if found[2] == "`" else "\\"
    return "\\"


def whole_lines(lines: Sequence[str], escape: str) -> list[tuple[int, str]]:
    """Lines that go on are joined; comments and empty lines are gone. Each with its first line's number."""
    whole: list[tuple[int, str]] = []
    begun, joined = 0, ""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        begun = begun or number
        if ends_open(line, escape):
            joined += line.rstrip()[:-1]
            continue
        whole.append((begun, joined + line))
        begun, joined = 0, ""
    if joined.strip():
        whole.append((begun, joined))
    return whole


def ends_open(line: str, escape: str) -> bool:
    return line.rstrip().endswith(escape)


def unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def listed(text: str) -> list[str]:
    """The words of a JSON list of texts; none where it is none."""
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else []


def fetches(word: str) -> bool:
    return "//" in word or word.startswith(("git@", "github.com"))
