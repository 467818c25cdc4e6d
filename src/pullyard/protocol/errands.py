"""What an errand of a project asks its worker for, and what it tells in return."""

from typing import Annotated

import msgspec

from pullyard.protocol.feedback import MOST_ISSUES, Heed, IssueComment, LabelledIssue


class TaskListErrand(msgspec.Struct, kw_only=True):
    """Read the project's task list from its default branch; before that, check ``done`` and push it."""

    path: str
    branch: str | None = None
    """None means the repository's default branch."""
    done: dict[str, str] = {}
    """The status line by the item's key. Items that are not there any more are left alone."""
    known_blob: str | None = None
    """What the coordinator has read already: its text is not sent again."""


class TaskListReport(msgspec.Struct, kw_only=True):
    commit: str
    """Of the default branch, as it was when the list was read."""
    blob: str | None
    """Of the list itself; None where the repository has none."""
    text: str | None = None
    """None where the blob is the known one."""
    done: list[str] = []
    """The keys of the items that are checked now, or that the list does not have any more."""


MOST_MERGES = 210
"""Of twenty changes: each into its base branch, and each with each."""
SHOWN_FILES = 20
SHOWN_CHARACTERS = 500


class TrialMerge(msgspec.Struct, kw_only=True):
    commit: str
    other: str = ""
    """The commit that is merged with it; empty is where ``base_branch`` is now."""
    base_branch: str = ""


class CompareErrand(msgspec.Struct, kw_only=True):
    """Try these merges, and leave nothing of them anywhere."""

    merges: list[TrialMerge] = []


class TrialResult(msgspec.Struct, kw_only=True):
    place: int
    """Of the merge, in the order they were asked for."""
    files: Annotated[list[str], msgspec.Meta(max_length=SHOWN_FILES)] = []
    """The first of those that are in conflict, by name."""
    total: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0


class CompareReport(msgspec.Struct, kw_only=True):
    results: Annotated[list[TrialResult], msgspec.Meta(max_length=MOST_MERGES)] = []
    """Of those that could be tried in time."""


class IssuesErrand(msgspec.Struct, kw_only=True):
    """Look for open issues that are wishes for work, and say at others what has become of them."""

    label: str = ""
    """Empty: nothing is looked for."""
    heed: Heed = msgspec.field(default_factory=Heed)
    say: list[IssueComment] = []


class IssuesReport(msgspec.Struct, kw_only=True):
    issues: Annotated[list[LabelledIssue], msgspec.Meta(max_length=MOST_ISSUES)] = []
    said: list[str] = []
    """The tasks of which their issues were told, as far as these take it."""
