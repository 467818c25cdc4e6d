"""Makes docs/demo.svg, the picture in the README: a real ``pullyard demo``, its lines and pauses shortened.

Usage: .venv/bin/python scripts/demo_picture.py
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from rich.console import Console
from rich.text import Text

TARGET = Path("docs/demo.svg")
COLUMNS = 104
# Wide, so that the program breaks no line: we cut them ourselves.
TERMINAL_COLUMNS = 1000
LINE_PIXELS = 18
CHARACTER_PIXELS = 7.83
MARGIN_PIXELS = 20
TOP_PIXELS = 44
LOG_MARK = "  │ "
MORE = Text.from_ansi(f"\x1b[2m{LOG_MARK}…\x1b[0m")
LONGEST_PAUSE_SECONDS = 1.0
# By the numbers of the eight colours of a terminal.
COLOURS = {1: "#f85149", 2: "#3fb950", 4: "#58a6ff", 6: "#39c5cf"}
SPINNER = re.compile("[\u2800-\u28ff]")
PLAIN, DIM = "#e6edf3", "#8b949e"
PAGE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
role="img" aria-label="A terminal in which pullyard demo turns a task into a verified change">
<style>
text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
white-space: pre; animation: appear 0.01s both; }}
@keyframes appear {{ from {{ opacity: 0; }} to {{ opacity: 1; }} }}
@media (prefers-reduced-motion: reduce) {{ text {{ animation: none; }} }}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
<circle cx="20" cy="18" r="5" fill="#30363d"/><circle cx="38" cy="18" r="5" fill="#30363d"/>\
<circle cx="56" cy="18" r="5" fill="#30363d"/>
{lines}
</svg>
"""


def record(argv: list[str], place: str) -> Iterator[tuple[float, Text]]:
    """The program's lines as a terminal shows them in the end, with the second in which each came."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, TERMINAL_COLUMNS, 0, 0))
    began = time.monotonic()
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, env=os.environ | {"TERM": "xterm-256color"}):
        os.close(theirs)
        waiting = b""
        while data := read(ours):
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                # A path that a reader has too.
                text = line.decode().replace(place, "~/.local/share/pullyard")
                yield time.monotonic() - began, shown(text)


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        # So a terminal says that its program has ended.
        return b""


def shown(line: str) -> Text:
    """Without what the spinner drew before it was wiped away."""
    rest = line.rpartition("\x1b[2K")[2].replace("\r", "")
    return Text.from_ansi(re.sub(r"\x1b\[[0-9;?]*[A-Zac-ln-z]", "", rest))


def shortened(lines: Iterator[tuple[float, Text]]) -> Iterator[tuple[float, Text]]:
    """What the agent says and does, without the output of its tools, the second diff and the last hints."""
    left_out, diffs = False, 0
    for at, line in lines:
        plain = line.plain
        diffs += plain.startswith("  diff --git")
        if plain == "What to do next" or diffs > 1 or SPINNER.match(plain):
            continue
        logged = plain.startswith(LOG_MARK)
        if logged and (plain.startswith(f"{LOG_MARK}  ") or not plain[len(LOG_MARK) :].strip()):
            if not left_out and plain.strip(" │"):
                yield at, MORE
                left_out = True
            continue
        if plain.startswith(("  Look", "  Try", "  Start again", "  Merge", "  Check")):
            continue
        left_out = False
        yield at, line


def paced(lines: Iterator[tuple[float, Text]]) -> Iterator[tuple[float, Text]]:
    before, shown_at = 0.0, 0.0
    for at, line in lines:
        shown_at += min(at - before, LONGEST_PAUSE_SECONDS)
        before = at
        yield shown_at, line


def draw(line: Text, row: int, at: float, console: Console) -> str:
    if len(line.plain) > COLUMNS:
        line.truncate(COLUMNS - 1)
        line.append("…", "dim")
    pieces = []
    for segment in line.render(console):
        style = segment.style
        colour = PLAIN
        if style and style.dim:
            colour = DIM
        if style and style.color:
            colour = COLOURS.get((style.color.number or 0) % 8, PLAIN)
        weight = ' font-weight="bold"' if style and style.bold else ""
        pieces.append(f'<tspan fill="{colour}"{weight}>{escape(segment.text)}</tspan>')
    y = TOP_PIXELS + row * LINE_PIXELS
    return f'<text x="{MARGIN_PIXELS}" y="{y}" style="animation-delay:{at:.2f}s">{"".join(pieces)}</text>'


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="demo-picture-", dir="/var/tmp") as place:
        os.chmod(place, 0o711)
        argv = [sys.executable, "-m", "pullyard.cli", "demo", "--data", f"{place}/demo"]
        lines = list(paced(shortened(record(argv, place))))
    while lines and not lines[-1][1].plain.strip():
        lines.pop()
    console = Console(width=TERMINAL_COLUMNS)
    typed = (0.0, Text.assemble(("$ ", "dim"), ("make demo", "bold")))
    drawn = [draw(line, row, at, console) for row, (at, line) in enumerate([typed, *lines])]
    width = round(2 * MARGIN_PIXELS + COLUMNS * CHARACTER_PIXELS)
    height = TOP_PIXELS + len(drawn) * LINE_PIXELS
    TARGET.write_text(PAGE.format(width=width, height=height, lines="\n".join(drawn)))


if __name__ == "__main__":
    main()
