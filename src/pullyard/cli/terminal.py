"""Where a command says things: people on a terminal, programs in a pipe, JSON for both."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pullyard.cli.sanitise import Lines, one_line, plain


class Terminal:
    """With ``as_json`` stdout ends with exactly one JSON document, and all other words go to stderr."""

    def __init__(self) -> None:
        self.as_json = False
        self.data: Path | None = None
        """What ``--data`` named."""

    @property
    def out(self) -> TextIO:
        return sys.stderr if self.as_json else sys.stdout

    @property
    def live(self) -> bool:
        """True where a person watches and redrawing works."""
        return self.out.isatty()

    def say(self, line: str = "") -> None:
        """Our own words, which may hold clean pieces of others."""
        self.out.write(line + "\n")
        self.out.flush()

    def say_text(self, text: str) -> None:
        """Others' words of many lines."""
        self.say(plain(text).rstrip("\n"))

    def log_lines(self) -> Lines:
        return Lines(colours=self.live)

    def rows(self, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table in aligned columns; the last one is as wide as it is."""
        table = [list(heads), *([one_line(str(cell), characters=100) for cell in row] for row in rows)]
        widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
        for row in table:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self.say("  ".join(cells).rstrip())

    def facts(self, facts: Mapping[str, object]) -> None:
        """Names and values under each other; None and empty ones are left out."""
        shown = {name: value for name, value in facts.items() if value not in (None, "", [], {})}
        width = max((len(name) for name in shown), default=0)
        for name, value in shown.items():
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
            self.say(f"{name.ljust(width)}  {one_line(text, characters=500)}")

    def warn(self, sentence: str) -> None:
        sys.stderr.write(f"{one_line(sentence, characters=2000)}\n")
        sys.stderr.flush()

    def finish(self, document: object) -> None:
        """The JSON document that ends stdout, where one was asked for. It may hold models."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, default=_plain_data) + "\n")
            sys.stdout.flush()


# The models are not named here, because importing pydantic would double the program's start time.
def _plain_data(model: Any) -> object:
    return model.model_dump(mode="json")
