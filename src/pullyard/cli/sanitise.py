"""Hostile text made safe for a terminal: no control or escape sequence gets through but plain colours."""

import codecs
import re
from collections.abc import Sequence

from pullyard.lifecycle.steering import STEERING

_COLOUR = (
    r"(?:0?|1|2|3|4|22|23|24|39|49|[34][0-7]|9[0-7]|10[0-7]|[34]8;5;\d{1,3}|[34]8;2;\d{1,3};\d{1,3};\d{1,3})"
)
_PLAIN_SGR = re.compile(rf"\x1b\[{_COLOUR}(?:;{_COLOUR})*m")
# String sequences (OSC, DCS, APC, PM, SOS) go with all that they carry, then CSI, then any other escape.
_SEQUENCES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
_RESET = "\x1b[0m"

LINE_CHARACTERS = 16_384


def plain(text: str) -> str:
    """Without any sequence, colours included. Line feeds and tabs stay."""
    return STEERING.sub("", _SEQUENCES.sub("", _without_redraws(text)))


def coloured(text: str) -> str:
    """Plain colours stay, and end with their line, so that no line paints the next."""
    return "\n".join(_coloured_line(line) for line in _without_redraws(text).split("\n"))


def one_line(text: str, *, characters: int = 200) -> str:
    """A title or a name on one line, without any sequence, cut where it is very long."""
    flat = " ".join(plain(text).split())
    return flat if len(flat) <= characters else flat[: characters - 1] + "…"


class Lines:
    """Turns the bytes of a log, cut anywhere, into safe lines. Bounded: a long line comes in pieces."""

    def __init__(self, *, colours: bool) -> None:
        self._clean = coloured if colours else plain
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        lines = [piece for line in whole for piece in _pieces(line)]
        while len(self._rest) > LINE_CHARACTERS:
            lines.append(self._rest[:LINE_CHARACTERS])
            self._rest = self._rest[LINE_CHARACTERS:]
        return [self._clean(line) for line in lines]

    def end(self) -> list[str]:
        """What was left without a line feed at the end."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        return [self._clean(rest)] if rest else []


def few(names: Sequence[str], total: int) -> str:
    """The first of so many names, for one cell of a table; not clean yet."""
    return ", ".join(names) if total == len(names) else f"{', '.join(names)} and {total - len(names)} more"


def _pieces(line: str) -> list[str]:
    starts = range(0, max(len(line), 1), LINE_CHARACTERS)
    return [line[start : start + LINE_CHARACTERS] for start in starts]


def _without_redraws(text: str) -> str:
    """Of a line that was redrawn by carriage returns, the last drawing."""
    if "\r" not in text:
        return text
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _coloured_line(line: str) -> str:
    kept: list[str] = []
    end = 0
    for match in _SEQUENCES.finditer(line):
        kept.append(STEERING.sub("", line[end : match.start()]))
        if _PLAIN_SGR.fullmatch(match.group()):
            kept.append(match.group())
        end = match.end()
    kept.append(STEERING.sub("", line[end:]))
    clean = "".join(kept)
    return clean + _RESET if "\x1b" in clean else clean
