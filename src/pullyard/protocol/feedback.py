"""What people and a forge's own tests say against a change, and issues that are wishes for work.

The worker asks its forge for them, and passes on only what the project listens to.
"""

import re
from enum import StrEnum
from typing import Annotated

import msgspec

MOST_REMARKS = 50
"""In one answer; more wait for the next one."""
REMARK_CHARACTERS = 8_000
REMARKS_CHARACTERS = 60_000
"""All texts of one answer together."""
MOST_KNOWN = 2_000
MOST_ISSUES = 20
ISSUE_CHARACTERS = 60_000
LINE_CHARACTERS = 500
URL_CHARACTERS = 1_000
_ANSWERED = re.compile(r"^[0-9]+\. .* \((https?://\S+)\):$", re.MULTILINE)
_CHECKS = re.compile(r"^([0-9]+\. Checks of .* failed):\n\n(?:>.*(?:\n|\Z))+", re.MULTILINE)


class RemarkKind(StrEnum):
    COMMENT = "comment"
    """At a line of the change, or by the project's word of command."""
    REVIEW = "review"
    """A review that asks for changes, by its own text."""
    CHECKS = "checks"
    """All failing tests of one commit together."""


Line = Annotated[str, msgspec.Meta(max_length=LINE_CHARACTERS)]
Url = Annotated[str, msgspec.Meta(max_length=URL_CHARACTERS)]


class Remark(msgspec.Struct, kw_only=True, frozen=True):
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """The forge's own name for it, the same in every look."""
    kind: RemarkKind
    text: Annotated[str, msgspec.Meta(max_length=REMARK_CHARACTERS)]
    """Somebody's words as they are, hostile or not."""
    author: Line = ""
    path: Line = ""
    line: int | None = None
    url: Url | None = None


class Heed(msgspec.Struct, kw_only=True, frozen=True):
    """Whom and what a project listens to."""

    people: list[str] = []
    """Account names; on Bitbucket also account ids. Nobody else's words leave the worker."""
    members: bool = False
    """Besides them, everybody who by the forge's word may write to the repository."""
    command: str = ""
    """A plain comment counts where it begins with this word; empty: none does."""
    reviews: bool = False
    checks: bool = False
    known: list[str] = []
    """What was answered before, which is left out: keys of remarks, or numbers of issues."""


class LabelledIssue(msgspec.Struct, kw_only=True, frozen=True):
    number: int
    title: Line
    text: Annotated[str, msgspec.Meta(max_length=ISSUE_CHARACTERS)] = ""
    author: Line = ""
    url: Url | None = None


class IssueComment(msgspec.Struct, kw_only=True, frozen=True):
    """That its task was made, said once."""

    number: int
    task_id: str
    task_number: int


def checks_heading(commit: str) -> str:
    return f"Checks of {commit[:12]} failed"


def pages_answered(text: str) -> frozenset[str]:
    """Of a response's text: where on the forge the remarks stand that it quotes."""
    return frozenset(_ANSWERED.findall(text))


def without_checks(text: str) -> str:
    """A response's text without what its checks said: not everybody who sees a change may see their logs."""
    return _CHECKS.sub("\\1.\n", text)
