"""What all forges with an API have in common: git moves the branches, the API keeps the changes.

A member says how its API names things: it finds, opens, edits, merges and closes. When, how often and in
which order, and what a lost answer means, is the same for all of them and stands here.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullyard.forges.access import Access
from pullyard.forges.api import Api
from pullyard.forges.bare import BareForge
from pullyard.forges.errors import AnswerTooLong, ForgeRefused, ForgeUnsure
from pullyard.forges.feedback import (
    Account,
    FailedCheck,
    Labelling,
    OpenIssue,
    Said,
    Thread,
    Trust,
    bounded,
    cut,
    failing_remark,
    heard,
    page_url,
    plain_line,
    sound,
)
from pullyard.forges.protocol import ChangeStatus, Checks, Offer, RemoteChange
from pullyard.forges.sites import Place
from pullyard.git.names import check_object_id
from pullyard.git.program import Git
from pullyard.lifecycle.change import ChangeState
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.errors import Conflict
from pullyard.protocol.feedback import ISSUE_CHARACTERS, MOST_ISSUES, Heed, LabelledIssue, Remark

MOST_STRANGE = 20
"""Issues of strangers in one look of which it is asked who labelled them."""
NEWEST = 10
"""Issues that are looked at first in every look."""
OPEN_TRIES = 4
"""How often a change is looked for and opened, where the answer to the opening got lost."""


@dataclass(frozen=True)
class Found:
    """A change as the API tells of it."""

    number: int
    url: str | None
    state: ChangeState
    base_branch: str
    commit: str
    """May be cut by the forge: compare by ``is_at``."""
    title: str
    body: str
    draft: bool = False
    merged_commit: str | None = None
    key: str = ""
    """The forge's second name for it, where it has one."""

    def is_at(self, commit: str) -> bool:
        return len(self.commit) >= 12 and commit.startswith(self.commit)


class AlreadyThere(Exception):
    """The forge has an open change of this branch: it is found by looking again."""


class ApiForge(ABC):
    name: str

    def __init__(self, git: Git, access: Access) -> None:
        self._bare = BareForge(git, access)
        self._access = access

    @abstractmethod
    async def find(self, api: Api, place: Place, branch: str) -> Found | None:
        """The open change of the branch in this very repository, else the newest one that is not."""

    @abstractmethod
    async def open(self, api: Api, place: Place, offer: Offer) -> tuple[Found, list[str]]:
        """And sentences on what was not taken. Raises AlreadyThere."""

    @abstractmethod
    async def edit(self, api: Api, place: Place, found: Found, offer: Offer) -> None:
        """Bring title, text and base branch up to date; ``offer.draft`` says how its title is written."""

    @abstractmethod
    async def decorate(self, api: Api, place: Place, found: Found, offer: Offer) -> list[str]:
        """Labels, reviewers, assignees; sentences on those that the forge does not take."""

    @abstractmethod
    async def make_ready(self, api: Api, place: Place, found: Found) -> None:
        """A draft is one no longer."""

    @abstractmethod
    async def press_merge(self, api: Api, place: Place, found: Found, commit: str, title: str) -> str:
        """Merge exactly ``commit``; the result's id. Raises ForgeRefused."""

    @abstractmethod
    async def shut(self, api: Api, place: Place, found: Found) -> None: ...

    @abstractmethod
    async def judged(self, api: Api, place: Place, found: Found) -> tuple[bool, Checks]:
        """Whether it is approved, and what the forge's own tests say."""

    async def comments(self, api: Api, place: Place, found: Found) -> list[str]:
        """As of the issue of that number, which a change is on some forges."""
        return await self.issue_comments(api, place, found.number)

    async def say(self, api: Api, place: Place, found: Found, text: str) -> None:
        await self.say_at_issue(api, place, found.number, text)

    @abstractmethod
    async def said(self, api: Api, place: Place, found: Found, trust: Trust) -> list[Said]:
        """What is not resolved of it, oldest first: comments, and reviews that ask for changes.

        ``trust`` is asked by whom each is all the same; here it spares what is asked for in vain.
        """

    async def threads(self, api: Api, place: Place, found: Found) -> list[Thread]:
        """Those that ``say_in`` can answer; none where the forge's API knows no answers."""
        del api, place, found
        return []

    async def say_in(self, api: Api, place: Place, found: Found, thread: Thread, text: str) -> None:
        raise NotImplementedError(f"{self.name} has told of no threads.")

    @abstractmethod
    async def failing(self, api: Api, place: Place, found: Found) -> list[FailedCheck]:
        """Of its commit, by what the project itself has to mend; empty while others still run."""

    @abstractmethod
    async def is_member(self, api: Api, place: Place, who: Account) -> bool:
        """Whether it may write to the repository; False where this worker may not ask."""

    @abstractmethod
    async def labelled(self, api: Api, place: Place, label: str) -> list[OpenIssue]:
        """The open issues with the label, newest first."""

    @abstractmethod
    async def labellings(self, api: Api, place: Place, number: int) -> list[Labelling]:
        """All of an issue, oldest first; none where the forge does not tell all."""

    @abstractmethod
    async def issue_comments(self, api: Api, place: Place, number: int) -> list[str]: ...

    @abstractmethod
    async def say_at_issue(self, api: Api, place: Place, number: int, text: str) -> None: ...

    async def completed(self, api: Api, place: Place, found: Found) -> str:
        """The whole id of what a merged change became."""
        del api, place
        return found.merged_commit or ""

    async def publish(self, repository: Path, url: str, offer: Offer) -> RemoteChange:
        api, place = self._access.open(self.name, url)
        await self._bare.publish(repository, url, offer)
        reached("pushed")
        found, notes = await self._open_or_find(api, place, offer)
        reached("change-opened")
        notes += await self.decorate(api, place, found, offer)
        return RemoteChange(offer.branch, offer.commit, found.url, tuple(notes))

    async def _open_or_find(self, api: Api, place: Place, offer: Offer) -> tuple[Found, list[str]]:
        for attempt in range(1, OPEN_TRIES + 1):
            found = await self.find(api, place, offer.branch)
            if found is not None and found.state is ChangeState.OPEN:
                if not same_words(found, offer):
                    await self.edit(api, place, found, offer)
                return found, []
            try:
                return await self.open(api, place, offer)
            except (AlreadyThere, ForgeUnsure):
                # It may be there by now: its answer was lost, or another worker was quicker.
                if attempt == OPEN_TRIES:
                    raise
                await api.pause(0.5 * 2**attempt)
        raise AssertionError("the last try returns or raises")

    async def advance(
        self, repository: Path, url: str, *, branch: str, expected: str, commit: str
    ) -> RemoteChange:
        api, place = self._access.open(self.name, url)
        # Before the push, which is not to be done and then fail by a question.
        found = await self.find(api, place, branch)
        await self._bare.advance(repository, url, branch=branch, expected=expected, commit=commit)
        return RemoteChange(branch, commit, found.url if found else None)

    async def merge(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str, title: str
    ) -> str:
        check_object_id(commit)
        api, place = self._access.open(self.name, url)
        found = await self._known(api, place, branch, commit)
        if found.state is ChangeState.MERGED:
            return check_object_id(await self.completed(api, place, found))
        check_open(found, api.host, branch=branch, base_branch=base_branch, commit=commit)
        if found.draft:
            await self.make_ready(api, place, found)
        try:
            return check_object_id(await self.press_merge(api, place, found, commit, title))
        except ForgeRefused as refusal:
            now = await self.find(api, place, branch)
            if now is not None and now.state is ChangeState.MERGED and now.merged_commit:
                # Somebody else was quicker, or our own answer was lost.
                return check_object_id(await self.completed(api, place, now))
            await self._bare.check_mergeable(
                repository, url, branch=branch, base_branch=base_branch, commit=commit
            )
            if refusal.status in (401, 404):
                raise
            raise Conflict(
                f"{api.host} does not merge this change ({refusal.said}): do there what it asks for, then "
                "merge again.",
                code="merge-refused",
            ) from refusal

    async def _known(self, api: Api, place: Place, branch: str, commit: str) -> Found:
        found = await self.find(api, place, branch)
        if found is None:
            raise Conflict(
                f"{api.host} has no change of the branch {branch!r} any more, with {commit[:12]} or without: "
                "retry the task.",
                code="change-gone",
            )
        return found

    async def close(self, repository: Path, url: str, *, branch: str, commit: str) -> None:
        api, place = self._access.open(self.name, url)
        found = await self.find(api, place, branch)
        if found is not None and found.state is ChangeState.OPEN:
            if not found.is_at(commit):
                raise moved(branch)
            await self.shut(api, place, found)
        await self._bare.close(repository, url, branch=branch, commit=commit)

    async def status(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str
    ) -> ChangeStatus | None:
        del repository, base_branch
        api, place = self._access.open(self.name, url)
        found = await self.find(api, place, branch)
        if found is None:
            return None
        approved, checks, merged = False, Checks.NONE, None
        if found.state is ChangeState.MERGED:
            merged = check_object_id(await self.completed(api, place, found))
        if found.state is ChangeState.OPEN:
            approved, checks = await self.judged(api, place, found)
        return ChangeStatus(
            state=found.state,
            commit=commit if found.is_at(commit) else found.commit,
            merged_commit=merged,
            draft=found.draft,
            approved=approved,
            checks=checks,
            url=found.url,
        )

    async def comment(self, url: str, *, branch: str, text: str, mark: str) -> None:
        api, place = self._access.open(self.name, url)
        found = await self.find(api, place, branch)
        if found is not None:
            await once(
                api, mark, lambda: self.comments(api, place, found), lambda: self.say(api, place, found, text)
            )

    async def reply(self, url: str, *, branch: str, pages: Collection[str], text: str, mark: str) -> None:
        api, place = self._access.open(self.name, url)
        found = await self.find(api, place, branch)
        if found is None:
            return
        refusal: ForgeRefused | None = None
        for thread in await self.threads(api, place, found):
            if thread.pages.isdisjoint(pages):
                continue
            try:
                await self._answer(api, place, found, thread, text, mark)
            except ForgeRefused as refused:
                # It was removed meanwhile, or takes no answers: the others are answered all the same.
                refusal = refused
        if refusal is not None:
            raise refusal

    async def _answer(
        self, api: Api, place: Place, found: Found, thread: Thread, text: str, mark: str
    ) -> None:
        async def texts() -> list[str]:
            now = await self.threads(api, place, found)
            return [said for one in now if one.key == thread.key for said in one.texts]

        await once(api, mark, texts, lambda: self.say_in(api, place, found, thread, text), known=thread.texts)

    async def feedback(self, url: str, *, branch: str, commit: str, heed: Heed) -> list[Remark]:
        api, place = self._access.open(self.name, url)
        found = await self.find(api, place, branch)
        if found is None or found.state is not ChangeState.OPEN or not found.is_at(commit):
            return []
        remarks: list[Remark] = []
        checks = f"checks-{commit}"
        if heed.checks and checks not in heed.known and (failed := await self.failing(api, place, found)):
            remarks.append(failing_remark(checks, failed))
        if heed.reviews:
            trust = Trust(heed, lambda who: self._is_member(api, place, who))
            remarks += await heard(await self.said(api, place, found, trust), heed, trust)
        return bounded(remarks)

    async def _is_member(self, api: Api, place: Place, who: Account) -> bool:
        try:
            return await self.is_member(api, place, who)
        except ForgeRefused as refusal:
            if refusal.status not in (400, 403, 404):
                raise
            return False

    async def issues(self, url: str, *, label: str, heed: Heed) -> list[LabelledIssue]:
        api, place = self._access.open(self.name, url)
        trust = Trust(heed, lambda who: self._is_member(api, place, who))
        known, wanted, strange = set(heed.known), set[int](), 0
        listed = await self.labelled(api, place, label)
        new = [one for one in listed if str(one.number) not in known and page_url(one.url)]
        for one in turned(new, self._access.turn(url)):
            if len(wanted) == MOST_ISSUES:
                break
            ours = await trust.has(one.who)
            strange += not ours
            if ours or (strange <= MOST_STRANGE and await self._was_labelled(api, place, one, label, trust)):
                wanted.add(one.number)
        return [labelled_issue(one) for one in new if one.number in wanted]

    async def _was_labelled(self, api: Api, place: Place, one: OpenIssue, label: str, trust: Trust) -> bool:
        """By somebody heeded: a label may come by a stranger's choice of a template, too."""
        try:
            given = await self.labellings(api, place, one.number)
        except AnswerTooLong:
            return False
        givers = [each.who for each in given if each.label.casefold() == label.casefold()]
        return bool(givers) and await trust.has(givers[-1])

    async def tell_issue(self, url: str, *, number: int, text: str, mark: str) -> None:
        api, place = self._access.open(self.name, url)
        await once(
            api,
            mark,
            lambda: self.issue_comments(api, place, number),
            lambda: self.say_at_issue(api, place, number, text),
        )


async def once(
    api: Api,
    mark: str,
    read: Callable[[], Awaitable[Sequence[str]]],
    say: Callable[[], Awaitable[None]],
    *,
    known: Sequence[str] | None = None,
) -> None:
    """Say it where nothing that is said there holds the mark. ``known`` is what was read just now."""
    for attempt in range(1, OPEN_TRIES + 1):
        texts = await read() if known is None else known
        if any(mark in said for said in texts):
            return
        known = None
        try:
            await say()
        except ForgeUnsure:
            # It may have been said: nothing but another look tells.
            if attempt == OPEN_TRIES:
                raise
            await api.pause(0.5 * 2**attempt)
        else:
            return


def turned(issues: list[OpenIssue], turn: int) -> list[OpenIssue]:
    """The newest first, then others in every look: strangers' new ones keep no older one from being seen."""
    newest, older = issues[:NEWEST], issues[NEWEST:]
    start = turn * NEWEST % (len(older) or 1)
    return newest + older[start:] + older[:start]


def labelled_issue(one: OpenIssue) -> LabelledIssue:
    return LabelledIssue(
        number=one.number,
        title=plain_line(one.title) or f"Issue {one.number}",
        text=cut(sound(one.text), ISSUE_CHARACTERS),
        author=plain_line(one.who.shown or one.who.name),
        url=page_url(one.url),
    )


def check_open(found: Found, host: str, *, branch: str, base_branch: str, commit: str) -> None:
    """Raises Conflict where it is not the open change of ``commit`` into ``base_branch``."""
    if found.state is ChangeState.CLOSED:
        raise Conflict(
            f"The change of {branch!r} was closed on {host}: open it again there, or retry the task.",
            code="change-gone",
        )
    if not found.is_at(commit):
        raise moved(branch)
    if found.base_branch != base_branch:
        raise Conflict(
            f"The change of {branch!r} is into another branch on {host} than {base_branch!r}: set it back "
            "there, or merge it there.",
            code="base-changed",
        )


def moved(branch: str) -> Conflict:
    return Conflict(
        f"The branch {branch!r} has commits that are not of this change: look at them there first.",
        code="branch-moved",
    )


def open_first(ours: Sequence[Found]) -> Found | None:
    """The open one, else the first."""
    return next((one for one in ours if one.state is ChangeState.OPEN), ours[0] if ours else None)


def same_words(found: Found, offer: Offer) -> bool:
    """Forges write lines' ends and the ends of texts their own way."""
    pairs = ((found.title, offer.title), (found.body, offer.body), (found.base_branch, offer.base_branch))
    return all(one.replace("\r\n", "\n").strip() == other.strip() for one, other in pairs)


async def tried(what: str, doing: Callable[[], Coroutine[Any, Any, Any]]) -> list[str]:
    """A sentence where the forge does not take it: the change is there all the same."""
    try:
        await doing()
    except ForgeRefused as refusal:
        return [f"{what} not taken: {refusal.said}."]
    return []


def checks_of(states: set[str], failing: set[str], pending: set[str]) -> Checks:
    if not states:
        return Checks.NONE
    if states & failing:
        return Checks.FAILING
    return Checks.PENDING if states & pending else Checks.PASSING
