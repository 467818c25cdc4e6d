"""``pullyard logs --lines`` and ``--search``: parts of a log, with the numbers of their lines."""

import sys
from typing import Any

from pullyard.cli.sanitise import coloured, plain
from pullyard.cli.terminal import Terminal
from pullyard.protocol.logs import LogMatch, line_range
from pullyard.sdk.client import Client


def show_lines(terminal: Terminal, client: Client, execution_id: str, stream: str, words: str) -> list[Any]:
    """The lines, for a program; a person has seen them then. Raises RequestError for what is no range."""
    first, last = line_range(words)
    shown: list[Any] = []
    for line in client.log_lines(execution_id, stream, first, last):
        cut = " […]" if line.truncated else ""
        terminal.say(f"{line.number:>6}  {clean(terminal, line.text)}{cut}")
        if terminal.as_json:
            shown.append({"stream": stream, **line.model_dump(mode="json")})
    return shown


def write_lines(client: Client, execution_id: str, stream: str, words: str) -> None:
    """The bytes of the lines as they were printed."""
    first, last = line_range(words)
    for data in client.log_range(execution_id, stream, first, last):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def show_matches(
    terminal: Terminal, client: Client, execution_id: str, streams: tuple[str, ...], wish: dict[str, Any]
) -> list[Any]:
    """As ``grep -n`` does: a colon after the number of a line that matches, a dash after its neighbours'."""
    shown: list[Any] = []
    for stream in streams:
        begun = False
        for match in client.search_log(execution_id, stream, **wish):
            if not begun:
                terminal.say(f"==> {stream} <==")
                begun = True
            show_match(terminal, match)
            if terminal.as_json:
                shown.append({"stream": stream, **match.model_dump(mode="json")})
    return shown


def show_match(terminal: Terminal, match: LogMatch) -> None:
    for number, text in enumerate(match.before, match.line - len(match.before)):
        terminal.say(f"{number:>6}- {clean(terminal, text)}")
    terminal.say(f"{match.line:>6}: {clean(terminal, match.text)}")
    for number, text in enumerate(match.after, match.line + 1):
        terminal.say(f"{number:>6}- {clean(terminal, text)}")


def clean(terminal: Terminal, text: str) -> str:
    return coloured(text) if terminal.live else plain(text)
