"""``pytest --attacks``: the tests of the attack catalogue alone, and a table of what held where.

A test joins a row by ``@pytest.mark.attack("row")``. The backend is that of its parameter ``backend`` or
``sandbox``, else the marker's ``backend``; a test with neither tries a guard that stands outside.
"""

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.attack_catalogue import BY_NAME, PLACES, ROWS, Row

PROPERTY = "attack"
NO_TEST = "no test ran"
WIDTH = 150
Cell = tuple[str, str]
"""A row's name and a place."""


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    reason: str = ""
    """Of those that could not be tried."""

    def text(self) -> str:
        if self.failed:
            return f"NOT HELD ({self.failed} of {self.failed + self.passed})"
        return f"held ({self.passed})" if self.passed else f"not tried: {self.reason}"


@dataclass
class Findings:
    """Of one run; the cells that have tests, and what became of those that have run."""

    cells: set[Cell] = field(default_factory=set)
    tallies: dict[Cell, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def text(self, row: Row, place: str) -> str:
        cell = row.name, place
        if row.later:
            return ""
        if cell in self.tallies:
            return self.tallies[cell].text()
        if cell in self.cells:
            return "has a test"
        return NO_TEST if place in row.places else "n/a"


FINDINGS = pytest.StashKey[Findings]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--attacks", action="store_true", help="only the attack catalogue, with a table")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "attack(row, backend): tries a row of tests/attack_catalogue.py")
    config.stash[FINDINGS] = Findings()
    if config.getoption("--attacks"):
        config.option.markexpr = "attack"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for cell in cells_of(item):
            config.stash[FINDINGS].cells.add(cell)
            item.user_properties.append((PROPERTY, cell))


def cells_of(item: pytest.Item) -> Iterator[Cell]:
    for mark in item.iter_markers(PROPERTY):
        for row in mark.args:
            if row not in BY_NAME:
                raise pytest.UsageError(f"{item.nodeid}: {row!r} is no row of tests/attack_catalogue.py.")
            yield row, mark.kwargs.get("backend") or backend_of(item)


def backend_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    given = callspec.params if callspec else {}
    return next((given[name] for name in ("backend", "sandbox") if given.get(name) in PLACES), "outside")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--attacks"):
        return
    findings = config.stash[FINDINGS]
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            count(findings, outcome, report)
    text = io.StringIO()
    Console(width=WIDTH, file=text).print(table_of(findings))
    terminalreporter.write_line("")
    terminalreporter.write_line(text.getvalue())


def count(findings: Findings, outcome: str, report: pytest.TestReport) -> None:
    for name, cell in report.user_properties:
        if name != PROPERTY:
            continue
        tally = findings.tallies[tuple(cell)]
        if outcome == "passed":
            tally.passed += 1
        elif outcome == "skipped":
            tally.reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        else:
            tally.failed += 1


def table_of(findings: Findings) -> Table:
    table = Table("attack", *PLACES, "what holds it", box=SIMPLE_HEAD)
    for row in ROWS:
        cells = [findings.text(row, place) for place in PLACES]
        table.add_row(row.name, *cells, f"later: {row.later}" if row.later else row.defence)
    return table
