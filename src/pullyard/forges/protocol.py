"""What every forge offers the worker. Every method is repeatable and runs with the worker's credentials."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.feedback import Heed, LabelledIssue, Remark


@dataclass(frozen=True)
class Offer:
    """A change as it is to stand on the forge."""

    branch: str
    base_branch: str
    commit: str
    title: str
    body: str
    draft: bool = True
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    """Account names, as the forge writes them."""
    assignees: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoteChange:
    """A change as it stands on the forge; ``url`` is None on a bare repository, which has no pages."""

    branch: str
    commit: str
    url: str | None = None
    notes: tuple[str, ...] = ()
    """Sentences for people: what the forge did not take of the offer, such as a reviewer it does not know."""


class Checks(StrEnum):
    """What the forge's own tests say of the change's newest commit."""

    NONE = "none"
    PENDING = "pending"
    PASSING = "passing"
    FAILING = "failing"


@dataclass(frozen=True)
class ChangeStatus:
    state: ChangeState
    commit: str
    """Of its branch, as the forge knows it."""
    merged_commit: str | None = None
    """Set where ``state`` says merged: what the base branch holds of it."""
    draft: bool = False
    approved: bool = False
    """By somebody who reviewed it, and by nobody held back."""
    checks: Checks = Checks.NONE
    url: str | None = None


class Forge(Protocol):
    """A branch that is gone or elsewhere, and a forge that refuses, is a RemoteFailure; what a person has to
    decide is a Conflict; what the worker's owner has to configure is a RequestError."""

    name: str

    async def publish(self, repository: Path, url: str, offer: Offer) -> RemoteChange:
        """Push from the worker's bare ``repository`` and open, or find and bring up to date, the change of
        the offer's branch.

        The push creates the branch or finds it at ``commit`` already; anything else there is a
        RemoteFailure with code ``push-refused``: nothing of somebody else's is ever overwritten. Only what an
        earlier execution of the same task left there, by the trailers of its commit, is replaced.
        """
        ...

    async def advance(
        self, repository: Path, url: str, *, branch: str, expected: str, commit: str
    ) -> RemoteChange:
        """Move the branch of an existing change from ``expected`` to ``commit``, which goes on from it."""
        ...

    async def merge(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str, title: str
    ) -> str:
        """Merge ``commit`` into ``base_branch``, as the forge does it; return the id of the result.

        Raises Conflict with code ``merge-conflict`` naming the files where it can't be merged cleanly, with
        ``merge-refused`` where the forge's rules forbid it.
        """
        ...

    async def close(self, repository: Path, url: str, *, branch: str, commit: str) -> None:
        """Close the change, and delete ``branch`` if it still is at ``commit``."""
        ...

    async def status(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str
    ) -> ChangeStatus | None:
        """How the change stands; None where the forge has none of this branch."""
        ...

    async def comment(self, url: str, *, branch: str, text: str, mark: str) -> None:
        """Say something at the change, once for each ``mark``, which ``text`` holds. Bare: nothing."""
        ...

    async def reply(self, url: str, *, branch: str, pages: Collection[str], text: str, mark: str) -> None:
        """As ``comment``, in the thread of every remark that stands at one of these pages.

        Nothing where the forge's API has no threads. A thread that takes no answer keeps no other from its
        own; the refusal is raised after the last one. Bare: nothing.
        """
        ...

    async def feedback(self, url: str, *, branch: str, commit: str, heed: Heed) -> list[Remark]:
        """What is said against the open change at ``commit``, and not resolved, as far as it is heeded.

        Bounded in number and bytes: answered ones are named by ``heed.known``, and others come next time.
        Nothing that holds a mark of our own. Others' words, hostile or not. Bare: nothing.
        """
        ...

    async def issues(self, url: str, *, label: str, heed: Heed) -> list[LabelledIssue]:
        """Open issues with the label, by somebody heeded or given it by such; ``heed.known`` are numbers."""
        ...

    async def tell_issue(self, url: str, *, number: int, text: str, mark: str) -> None:
        """As ``comment``, at an issue."""
        ...
