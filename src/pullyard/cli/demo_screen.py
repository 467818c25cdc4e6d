"""How the demo looks: lines that stay, and on a terminal a spinner that says what goes on now."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from pullyard.cli.demo_report import PHASES, timings
from pullyard.cli.sanitise import Lines, coloured, one_line
from pullyard.cli.terminal import Terminal
from pullyard.protocol.resources import Change, Execution, Task

NAME_WIDTH = 12
DIFF_LINES = 80
TAIL_LINES = 12
_DIFF_STYLES = (
    ("+++", "bold"),
    ("---", "bold"),
    ("@@", "cyan"),
    ("+", "green"),
    ("-", "red"),
    ("diff ", "bold"),
)


class DemoScreen:
    def __init__(self, terminal: Terminal) -> None:
        self.console = Console(
            file=terminal.out, highlight=False, markup=False, emoji=False, soft_wrap=not terminal.live
        )
        self._status: Status | None = None
        self._logs: dict[str, Lines] = {}
        self._phase = ""
        self._terminal = terminal
        self.tail: list[str] = []

    @contextmanager
    def busy(self, words: str) -> Iterator[None]:
        """A spinner with these words until the block ends, or other words are put there."""
        with self.console.status(Text(words, "dim"), spinner="dots") as status:
            self._status = status if self._terminal.live else None
            try:
                yield
            finally:
                self._status = None

    def now(self, words: str) -> None:
        if self._status is not None:
            self._status.update(Text(words, "dim"))

    def title(self) -> None:
        self.console.print()
        self.console.print(
            Text.assemble(("Pullyard demo", "bold"), ("  a task becomes a pull request, here, now", "dim"))
        )
        self.console.print()

    def done(self, name: str, value: str, note: str = "") -> None:
        parts = [("✔ ", "bold green"), (name.ljust(NAME_WIDTH), "bold"), one_line(value, characters=300)]
        self.console.print(Text.assemble(*parts, (f"  {note}" if note else "", "dim")))

    def log(self, stream: str, data: bytes) -> None:
        if stream != self._phase:
            self._phase = stream
            self.console.print(Text.assemble(("▸ ", "bold blue"), (one_line(stream), "bold")))
        lines = self._logs.setdefault(stream, Lines(colours=self._terminal.live))
        for line in lines.feed(data):
            self.tail = [*self.tail[1 - TAIL_LINES :], line]
            self.console.print(Text("  │ ", "dim").append_text(Text.from_ansi(line)))

    def failed(self, log: list[str]) -> None:
        """The last lines that were printed, before the error's sentence."""
        for line in log:
            self._terminal.warn(f"  {line}")

    def diff(self, text: str) -> None:
        lines = coloured(text).splitlines()
        for line in lines[:DIFF_LINES]:
            style = next((style for start, style in _DIFF_STYLES if line.startswith(start)), "")
            self.console.print(Text("  ").append(line, style))
        if len(lines) > DIFF_LINES:
            self.console.print(Text(f"  … and {len(lines) - DIFF_LINES} lines more", "dim"))
        self.console.print()

    def result(self, task: Task, execution: Execution, change: Change) -> None:
        times = timings(task, execution)
        total = (times["total_ms"] or 0) / 1000
        phases = ", ".join(f"{name} {(times[f'{name}_ms'] or 0) / 1000:.2f} s" for name in PHASES)
        stat = change.diffstat
        count = len(stat.get("files", []))
        self.console.print()
        self.done("change", f"{change.branch} → {change.base_branch}")
        note = f"+{stat.get('additions', 0)} -{stat.get('deletions', 0)}"
        self.done("commit", change.commit, f"{count} file{'' if count == 1 else 's'}, {note}")
        receipt = change.receipt or {}
        for command in receipt.get("commands", []):
            words = one_line(" ".join(map(str, command.get("argv", []))))
            seconds = float(command.get("seconds") or 0)
            note = f"exit code {command.get('exit_code')}, {seconds:.2f} s, on a clean checkout of the commit"
            self.done("verified", words, note)
        self.done("time", f"{total:.2f} s", f"claimed in {times['claim_ms']} ms; {phases}")
        self.console.print()

    def next(self, commands: list[tuple[str, str]]) -> None:
        self.console.print(Text("What to do next", "bold"))
        width = max(len(name) for name, _ in commands)
        for name, command in commands:
            # No wrapping: a command that is broken over two lines can't be copied.
            line = Text.assemble((f"  {name.ljust(width)}  ", "dim"), command)
            self.console.print(line, soft_wrap=True)
        self.console.print()

    def link(self, name: str, url: str) -> None:
        self.console.print(Text.assemble((f"{name}  ", "bold"), (url, "underline")), soft_wrap=True)
