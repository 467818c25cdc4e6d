"""Which commands may run: rules such as ``allow npm ci`` or ``deny curl **``; the first that fits wins.

A rule is a verdict and a pattern, one pattern for each word: text, or a glob; a last ``**`` is any number of
further words. This is no sandbox: an allowed ``make`` or ``python`` runs what it likes, inside. It is there
to have unusual commands looked at, and to keep a worker to the ones that its owner knows.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import reduce

from pullyard.lifecycle.shell_lines import Opaque, shell_line, split_line
from pullyard.lifecycle.tool_routing import Verdict, strictest

REST = "**"
MAX_RULES = 500
MAX_RULE_CHARACTERS = 2000
# Programs that start the program which their arguments name.
_STARTERS = """
    env sudo doas nice nohup timeout xargs stdbuf setsid time chroot unshare nsenter busybox toybox ionice
    taskset flock script watch parallel ssh su runuser find fish csh tcsh rbash yash pwsh
"""
WRAPPERS = frozenset(_STARTERS.split())
_RULE = re.compile(r"(allow|ask|deny)\s+(\S.*)", re.DOTALL)


class RuleInvalid(Exception):
    """Its text says what is wrong with the rule."""


@dataclass(frozen=True)
class CommandRule:
    verdict: Verdict
    words: tuple[str, ...]
    text: str
    """As it was written."""

    @property
    def named(self) -> bool:
        """Whether it is about one program, and not about any that a glob fits."""
        return not any(character in self.words[0] for character in "*?[")

    def fits(self, argv: Sequence[str]) -> bool:
        # Whoever forbids curl means /usr/bin/curl too; whoever allows npm does not mean ./npm.
        if self.verdict is not Verdict.ALLOW and argv and "/" in argv[0] and "/" not in self.words[0]:
            argv = [argv[0].rpartition("/")[2], *argv[1:]]
        words = self.words
        if words[-1] == REST:
            words = words[:-1]
            argv = argv[: len(words)] if len(argv) > len(words) else argv
        return len(argv) == len(words) and all(map(fnmatchcase, argv, words))


@dataclass(frozen=True)
class CommandDecision:
    verdict: Verdict
    why: str


def read_rule(text: str) -> CommandRule:
    """Raises RuleInvalid."""
    found = _RULE.fullmatch(text.strip())
    if found is None or len(text) > MAX_RULE_CHARACTERS:
        raise RuleInvalid(f"{text[:80]!r} is no rule: write 'allow', 'ask' or 'deny' and a command.")
    try:
        words = shlex.split(found[2])
    except ValueError as error:
        raise RuleInvalid(f"{text[:80]!r} can't be split into words: {error}.") from error
    if REST in words[:-1]:
        raise RuleInvalid(f"{text[:80]!r} has '**' before its end: it stands for all words that are left.")
    return CommandRule(Verdict(found[1]), tuple(words), text.strip())


def judge_command(argv: Sequence[str], rules: Sequence[CommandRule]) -> CommandDecision:
    """What becomes of a command; where no rule fits, it is allowed.

    A shell line is judged by each command in it, the strictest wins. What can't be seen through, a line with
    expansions or a program that starts others, is asked about unless a rule allows that program by its name.
    """
    if all(rule.verdict is Verdict.ALLOW for rule in rules):
        return CommandDecision(Verdict.ALLOW, "No rule forbids anything.")
    whole = _first(argv, rules)
    allowed = whole is not None and whole.named and whole.verdict is Verdict.ALLOW
    try:
        line = shell_line(argv)
        parts = [] if line is None else split_line(line)
    except Opaque:
        return _of_rule(whole) if allowed else _stricter(_of_rule(whole), _OPAQUE_LINE)
    if parts:
        return _judge_line(parts, rules, whole, lenient=allowed)
    if _wraps(argv) and not allowed:
        return _stricter(_of_rule(whole), _WRAPPED)
    return _of_rule(whole)


def _judge_line(
    parts: Sequence[Sequence[str]], rules: Sequence[CommandRule], whole: CommandRule | None, *, lenient: bool
) -> CommandDecision:
    """``lenient`` where the line is allowed as it is: then only a rule that names a program is stricter."""
    # A rule for every program is meant for those in the line; one that names the shell, for the line.
    decision = _of_rule(whole if whole is not None and whole.named else None)
    others = [rule for rule in rules if rule.named] if lenient else rules
    return reduce(_stricter, (judge_command(part, others) for part in parts), decision)


def _wraps(argv: Sequence[str]) -> bool:
    return bool(argv) and argv[0].rpartition("/")[2] in WRAPPERS


def _first(argv: Sequence[str], rules: Sequence[CommandRule]) -> CommandRule | None:
    return next((rule for rule in rules if rule.fits(argv)), None)


def _of_rule(rule: CommandRule | None) -> CommandDecision:
    if rule is None:
        return CommandDecision(Verdict.ALLOW, "No rule is about it.")
    return CommandDecision(rule.verdict, f"The rule '{rule.text}' is about it.")


_OPAQUE_LINE = CommandDecision(Verdict.ASK, "What this shell line will run can't be told from its text.")
_WRAPPED = CommandDecision(Verdict.ASK, "It starts another program, and no rule allows exactly this command.")


def _stricter(one: CommandDecision, other: CommandDecision) -> CommandDecision:
    return one if strictest(one.verdict, other.verdict) is one.verdict else other
