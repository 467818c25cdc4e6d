"""What is said on a forge, made into what a worker passes on: whose words count, and how many of them."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pullyard.lifecycle.steering import STEERING
from pullyard.protocol.feedback import (
    LINE_CHARACTERS,
    MOST_REMARKS,
    REMARK_CHARACTERS,
    REMARKS_CHARACTERS,
    URL_CHARACTERS,
    Heed,
    Remark,
    RemarkKind,
)

CUT = "\n[…]"
MOST_ASKED = 30
"""People of one look whose rights are asked for."""
_LOG_NOISE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_OURS = re.compile(r"^(?! {0,3}>).*\(`(?:exec|task)_[0-9a-z]{26}`\)", re.MULTILINE)
"""The mark that our own comments have; within a quotation it is somebody else's answer to one."""


@dataclass(frozen=True)
class Account:
    name: str = ""
    key: str = ""
    """The forge's other name for it, such as a number; empty where there is none."""
    shown: str = ""
    """How people call it, where the name is an id."""
    member: bool | None = None
    """Whether it may write to the repository; None where that has to be asked for."""


@dataclass(frozen=True)
class Said:
    """One person's words at a change."""

    key: str
    text: str
    who: Account
    kind: RemarkKind = RemarkKind.COMMENT
    plain: bool = False
    """Neither at a line nor asking for changes: it counts by the word of command alone."""
    path: str = ""
    line: int | None = None
    url: str | None = None


@dataclass(frozen=True)
class Thread:
    """A remark with the answers to it."""

    key: str
    pages: frozenset[str | None]
    """Of each remark in it."""
    texts: tuple[str, ...]


def threads_of(said: Iterable[tuple[str | int, str | None, str | None]]) -> list[Thread]:
    """``said``: of each remark its thread's key, where it stands, and its text."""
    threads: dict[str, list[tuple[str | None, str]]] = {}
    for key, page, text in said:
        threads.setdefault(str(key), []).append((page, text or ""))
    return [
        Thread(key, frozenset(page for page, _ in part), tuple(text for _, text in part))
        for key, part in threads.items()
    ]


def said_in_review(key: str, text: str, who: Account, url: str, *, wants_changes: bool) -> Said:
    kind = RemarkKind.REVIEW if wants_changes else RemarkKind.COMMENT
    return Said(key, text, who, kind, plain=not wants_changes, url=url)


@dataclass(frozen=True)
class FailedCheck:
    name: str
    summary: str = ""
    """Its own words, or the end of its log; empty where the API tells nothing."""
    url: str | None = None


@dataclass(frozen=True)
class OpenIssue:
    number: int
    title: str
    text: str
    who: Account
    url: str | None = None


@dataclass(frozen=True)
class Labelling:
    """Somebody put a label there."""

    label: str
    who: Account


class Trust:
    """Whose words count; everybody is asked about once. Raises what ``asks`` raises."""

    def __init__(self, heed: Heed, asks: Callable[[Account], Awaitable[bool]]) -> None:
        self._people = {one.lower() for one in heed.people}
        self._members = heed.members
        self._asks = asks
        self._known: dict[Account, bool] = {}

    async def has(self, who: Account) -> bool:
        if not who.name:
            # The account was deleted: nobody answers for these words.
            return False
        if {who.name.lower(), who.key.lower()} & self._people:
            return True
        if not self._members or who.member is False:
            return False
        if who.member is None and who not in self._known:
            self._known[who] = len(self._known) < MOST_ASKED and await self._asks(who)
        return who.member or self._known.get(who, False)


async def heard(said: Iterable[Said], heed: Heed, trust: Trust) -> list[Remark]:
    known = set(heed.known)
    remarks: list[Remark] = []
    for one in said:
        text = commanded(one.text, heed.command) if one.plain else one.text.strip()
        if one.key in known or not text or is_ours(one.text) or not await trust.has(one.who):
            continue
        # Where something is said while its pages are read, one of them is told twice.
        known.add(one.key)
        remarks.append(
            Remark(
                key=one.key,
                kind=one.kind,
                text=sound(text),
                author=plain_line(one.who.shown or one.who.name),
                path=plain_line(one.path),
                line=one.line,
                url=page_url(one.url),
            )
        )
    return remarks


def is_ours(text: str) -> bool:
    return _OURS.search(text[:REMARKS_CHARACTERS]) is not None


def commanded(text: str, command: str) -> str:
    """What a comment orders; empty where it orders nothing."""
    words = text.strip()
    if not command or not words.startswith(command) or words[len(command) : len(command) + 1].strip():
        return ""
    return words[len(command) :].strip()


def failing_remark(key: str, failed: list[FailedCheck]) -> Remark:
    """One for all of a commit's tests: they are mended together."""
    room = REMARK_CHARACTERS // (len(failed) or 1)
    parts: list[str] = []
    for one in failed:
        where = f" ({address})" if (address := page_url(one.url)) else ""
        summary = _LOG_NOISE.sub("", one.summary).strip()
        # Of a log the end says most.
        shown = summary if len(summary) <= room // 2 else f"[…]\n{summary[-(room // 2) :]}"
        parts.append(f"{plain_line(one.name)[:100]}{where}\n{shown}".strip())
    text = "\n\n".join(parts)
    return Remark(key=key, kind=RemarkKind.CHECKS, text=cut(sound(text), REMARK_CHARACTERS))


def bounded(remarks: Iterable[Remark]) -> list[Remark]:
    """The first of them: the rest is new in the next look, when these are known."""
    kept: list[Remark] = []
    room = REMARKS_CHARACTERS
    for one in remarks:
        text = cut(one.text, REMARK_CHARACTERS)
        if len(kept) == MOST_REMARKS or len(text) > room:
            break
        room -= len(text)
        kept.append(
            Remark(
                key=one.key[:200],
                kind=one.kind,
                text=text,
                author=one.author,
                path=one.path,
                line=one.line,
                url=one.url,
            )
        )
    return kept


def cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - len(CUT)] + CUT


def sound(text: str) -> str:
    """Half characters, which JSON can spell and nothing can store, are replaced."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def plain_line(text: str) -> str:
    return " ".join(STEERING.sub(" ", sound(text)).split())[:LINE_CHARACTERS]


def page_url(text: str | None) -> str | None:
    """A page's address as people are shown it; what is none is not passed on."""
    if not text or len(text) > URL_CHARACTERS or not text.isprintable():
        return None
    return text if urlsplit(text).scheme in ("http", "https") else None
