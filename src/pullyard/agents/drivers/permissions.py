"""What becomes of what an agent asks leave for: by the rules of the project and of the worker's owner, or by
a person's word. These guide; the sandbox is the wall.
"""

import json
import shlex
from dataclasses import dataclass

from pullyard.lifecycle.command_rules import judge_command, read_rule
from pullyard.lifecycle.tool_routing import Verdict, strictest

APPROVE, REJECT = "approve", "reject"
SHOWN_CHARACTERS = 1500
"""Of what a person is asked to allow: nobody approves what was not shown."""
RUN = ("run_command",)
CHANGE = ("edit_file", "write_file")
TOOLS = {
    "read": ("read_file",),
    "search": ("search_files", "list_files"),
    "edit": CHANGE,
    "delete": CHANGE,
    "move": CHANGE,
    "think": (),
    "switch_mode": (),
}
"""By the kind that the agent names: which tools of ours it is like. Any other may do what a command may."""
CLOSED = ("fetch",)
"""There is no network to use it on."""


@dataclass(frozen=True)
class Wish:
    """What an agent asks leave for."""

    kind: str
    title: str
    given: object
    diffs: tuple[tuple[str, str], ...] = ()
    """Paths and new texts."""
    titled: bool = False
    """Whether its title is the command as it is, where it runs one."""

    @property
    def command(self) -> list[str] | None:
        """None where it can't be told."""
        command = self.given.get("command") if isinstance(self.given, dict) else None
        if command is None and self.titled and self.kind == "execute":
            command = self.title
        if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
            return command
        return ["sh", "-c", command] if isinstance(command, str) and command else None

    @property
    def shown(self) -> str:
        """All of it, for a person."""
        words = self.command
        if words is not None and self.kind not in TOOLS:
            return words[2] if words[:2] == ["sh", "-c"] else shlex.join(words)
        given = json.dumps(self.given, default=str) if self.given else ""
        changes = [f"{path}\n{text}" for path, text in self.diffs]
        return "\n".join(filter(None, [self.title, *(changes or [given])]))


class Permissions:
    def __init__(self, tools, commands, decided):
        self.tools = {name: Verdict(verdict) for name, verdict in tools.items()}
        self.rules = [[read_rule(text) for text in some] for some in commands]
        self.decided = decided
        """Answers of people, by what was shown to them."""

    def judge(self, wish: Wish) -> tuple[Verdict, str]:
        if wish.kind in CLOSED:
            return Verdict.DENY, "There is no network here."
        verdict, why = self._by_rules(wish)
        if verdict is not Verdict.ASK:
            return verdict, why
        if wish.shown in self.decided:
            allowed = self.decided[wish.shown] == APPROVE
            return (Verdict.ALLOW if allowed else Verdict.DENY), "A person was asked."
        if len(wish.shown) > SHOWN_CHARACTERS or not wish.shown.translate({10: None, 9: None}).isprintable():
            return Verdict.DENY, "A person has to allow it, and it is too long or not printable."
        return verdict, why

    def _by_rules(self, wish: Wish) -> tuple[Verdict, str]:
        verdict = strictest(*(self.tools[name] for name in TOOLS.get(wish.kind, RUN)))
        if wish.kind in TOOLS:
            return verdict, "The project's policy."
        if wish.command is None:
            ruled = any(rule.verdict is not Verdict.ALLOW for rules in self.rules for rule in rules)
            verdict = strictest(verdict, Verdict.ASK if ruled else Verdict.ALLOW)
            return verdict, "What it runs can't be told."
        decisions = [judge_command(wish.command, rules) for rules in self.rules]
        strict = strictest(verdict, *(one.verdict for one in decisions))
        return strict, next((one.why for one in decisions if one.verdict is strict), "The project's policy.")
