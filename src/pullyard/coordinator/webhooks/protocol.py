"""What every forge's webhooks come down to. Payloads are the forge's, and their words are anybody's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Account:
    names: tuple[str, ...]
    """By which a project may trust it; the first one is shown."""
    member: bool | None = None
    """Whether it belongs to the repository; None where the payload does not tell."""


@dataclass(frozen=True)
class Issue:
    url: str
    number: int
    title: str
    text: str
    author: str = ""


@dataclass(frozen=True)
class Labelled:
    """An issue has, or was just given, these labels."""

    issue: Issue
    labels: frozenset[str]
    by: Account


@dataclass(frozen=True)
class Touched:
    """Something happened that may be about open changes: those with one of these."""

    urls: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comment:
    """A new one on an issue, or on the change that was touched."""

    key: str
    """As a worker that looks at the change calls it."""
    text: str
    by: Account
    at: datetime | None
    issue: Issue | None = None
    change: Touched = field(default_factory=Touched)


@dataclass(frozen=True)
class Nothing:
    """Of no interest here; ``why`` is a sentence."""

    why: str


Subject = Labelled | Comment | Touched | Nothing


@dataclass(frozen=True)
class Told:
    """``repositories`` are all the paths by which the payload names the repository, such as owner/name."""

    repositories: frozenset[str]
    subject: Subject


class Reader(Protocol):
    """One kind of forge. Holds no state."""

    events: tuple[str, ...]
    """What to tick at the forge, in its own words."""

    def is_signed(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        """Compares in constant time; reads nothing of the body but its bytes."""
        ...

    def event(self, headers: Mapping[str, str]) -> str:
        """As the forge calls it; empty where it does not say."""
        ...

    def read(self, event: str, body: bytes) -> Told:
        """Of a body whose signature was right. Raises msgspec.DecodeError where it is none of the forge's."""
        ...
