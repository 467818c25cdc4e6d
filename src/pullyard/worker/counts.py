"""How many tests ran, where the last lines of a command's output tell; from hostile bytes, so only counts.

Each framework's own summary is a row. What can't be read is no count, never an error.
"""

import re
from collections.abc import Callable, Iterable
from re import Match, Pattern

from pullyard.protocol.worker import Tally

TAIL_BYTES = 64 << 10
"""What is looked at, at most."""
MOST = 10**7
_CONTROL = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_WORD_COUNT = re.compile(r"(\d{1,8}) (\w{1,12})")


def count_tests(tail: bytes) -> Tally | None:
    """The counts of the first framework whose summary is there; None where none is."""
    text = _CONTROL.sub("", tail[-TAIL_BYTES:].decode("utf-8", "replace")).replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines() if len(line) <= 500]
    for framework, read in _READERS:
        if (counts := read(lines)) is not None and max(counts) <= MOST:
            passed, failed, skipped = counts
            return Tally(framework=framework, passed=passed, failed=failed, skipped=skipped)
    return None


Counts = tuple[int, int, int]
"""Passed, failed, skipped."""
Reader = Callable[[list[str]], Counts | None]


def _numbers(line: str) -> dict[str, int]:
    """Such as ``{"passed": 3, "failed": 1}``."""
    found: dict[str, int] = {}
    for count, word in _WORD_COUNT.findall(line):
        found[word.lower()] = found.get(word.lower(), 0) + int(count)
    return found


def _words(line: str) -> Counts:
    number = _numbers(line)
    failed = sum(number.get(word, 0) for word in ("failed", "error", "errors", "failing"))
    passed = sum(number.get(word, 0) for word in ("passed", "passing", "xpassed"))
    skipped = sum(number.get(word, 0) for word in ("skipped", "xfailed", "ignored", "pending", "todo"))
    return passed, failed, skipped


def _last(pattern: Pattern[str]) -> Reader:
    """Of the last line that fits, by its words."""

    def read(lines: list[str]) -> Counts | None:
        line = next((line for line in reversed(lines) if pattern.search(line)), None)
        return None if line is None else _words(line)

    return read


def _sum(pattern: Pattern[str]) -> Reader:
    """Of every line that fits, by its words."""

    def read(lines: list[str]) -> Counts | None:
        return _added(_words(line) for line in lines if pattern.search(line))

    return read


def _added(counts: Iterable[Counts]) -> Counts | None:
    all_of = list(counts)
    if not all_of:
        return None
    return sum(one[0] for one in all_of), sum(one[1] for one in all_of), sum(one[2] for one in all_of)


def _of_all(pattern: Pattern[str], *, last: bool = False) -> Reader:
    """Where the summary counts all tests: groups ``all``, ``failed``, ``errors`` and ``skipped``."""

    def counts(match: Match[str]) -> Counts:
        number = {name: int(value or 0) for name, value in match.groupdict().items()}
        failed = number.get("failed", 0) + number.get("errors", 0)
        skipped = number.get("skipped", 0)
        return max(0, number["all"] - failed - skipped), failed, skipped

    def read(lines: list[str]) -> Counts | None:
        found = [match for line in lines if (match := pattern.search(line))]
        return _added(counts(match) for match in (found[-1:] if last else found))

    return read


def _unittest(lines: list[str]) -> Counts | None:
    ran = next((i for i in range(len(lines) - 1, -1, -1) if _RAN.match(lines[i])), None)
    if ran is None:
        return None
    number = _numbers(
        " ".join(f"{count} {word}" for word, count in _EQUALS.findall(" ".join(lines[ran:][:6])))
    )
    failed = number.get("failures", 0) + number.get("errors", 0)
    total = re.match(r"Ran (\d{1,8})", lines[ran])
    assert total is not None
    skipped = number.get("skipped", 0)
    return max(0, int(total[1]) - failed - skipped), failed, skipped


def _go_verbose(lines: list[str]) -> Counts | None:
    """``go test -v``, and ``-json`` by its events."""
    tallies = {word: 0 for word in ("pass", "fail", "skip")}
    for line in lines:
        if match := _GO_EVENT.search(line) or _GO_LINE.match(line):
            tallies[match[1].lower()] += 1
    return (tallies["pass"], tallies["fail"], tallies["skip"]) if any(tallies.values()) else None


def _mocha(lines: list[str]) -> Counts | None:
    found: dict[str, int] = {}
    for line in lines:
        if match := _MOCHA.fullmatch(line):
            found[match[2]] = int(match[1])
    if "passing" not in found:
        return None
    return found["passing"], found.get("failing", 0), found.get("pending", 0)


def _tap(lines: list[str]) -> Counts | None:
    if not any(_PLAN.match(line) for line in lines):
        return None
    passed = failed = skipped = 0
    for line in lines:
        if match := _POINT.match(line):
            if "# SKIP" in line.upper() or "# TODO" in line.upper():
                skipped += 1
            elif match[1]:
                failed += 1
            else:
                passed += 1
    return passed, failed, skipped


_RAN = re.compile(r"Ran \d{1,8} tests? in ")
_EQUALS = re.compile(r"(failures|errors|skipped)=(\d{1,8})")
_GO_LINE = re.compile(r"--- (PASS|FAIL|SKIP): ")
_GO_EVENT = re.compile(r'"Action":"(pass|fail|skip)"[^{}]{0,300}"Test":')
_MOCHA = re.compile(r"(\d{1,8}) (passing|failing|pending)(?: \([^)]{1,20}\))?")
_PLAN = re.compile(r"1\.\.\d{1,8}(?:$|\s)|TAP version 1[34]$")
_POINT = re.compile(r"(not )?ok\b")

_READERS: tuple[tuple[str, Reader], ...] = (
    (
        "pytest",
        _last(
            re.compile(
                r"^(?:=+ )?(?=.*\d (?:passed|failed|errors?|skipped|xfailed|xpassed)\b)"
                r"(?:\d{1,8} \w{1,12}, ){0,10}\d{1,8} \w{1,12} in \d[\d.]*s\b"
            )
        ),
    ),
    ("unittest", _unittest),
    ("cargo", _sum(re.compile(r"^test result: (?:ok|FAILED)\. "))),
    ("jest", _last(re.compile(r"^Tests: +\d.*\btotal\b"))),
    ("vitest", _last(re.compile(r"^Tests +\d.*\(\d+\)$"))),
    (
        "surefire",
        _of_all(
            re.compile(
                r"^(?:\[\w+\] )?Tests run: (?P<all>\d{1,8}), Failures: (?P<failed>\d{1,8}), "
                r"Errors: (?P<errors>\d{1,8}), Skipped: (?P<skipped>\d{1,8})$"
            )
        ),
    ),
    (
        "gradle",
        _of_all(
            re.compile(
                r"^(?P<all>\d{1,8}) tests? completed(?:, (?P<failed>\d{1,8}) failed)?"
                r"(?:, (?P<skipped>\d{1,8}) skipped)?$"
            )
        ),
    ),
    (
        "dotnet",
        _of_all(
            re.compile(
                r"(?:Passed|Failed|Skipped)! +- Failed: +(?P<failed>\d{1,8}), Passed: +\d{1,8}, "
                r"Skipped: +(?P<skipped>\d{1,8}), Total: +(?P<all>\d{1,8})"
            )
        ),
    ),
    ("go", _go_verbose),
    ("mocha", _mocha),
    ("tap", _tap),
)
