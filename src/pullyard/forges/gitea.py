"""Gitea and Forgejo: pull requests, by a token."""

from urllib.parse import quote

from msgspec import Struct

from pullyard.forges.api import Api
from pullyard.forges.api_forge import AlreadyThere, ApiForge, Found, checks_of, tried
from pullyard.forges.errors import AnswerTooLong, ForgeRefused
from pullyard.forges.feedback import (
    Account,
    FailedCheck,
    Labelling,
    OpenIssue,
    Said,
    Trust,
    page_url,
    said_in_review,
)
from pullyard.forges.pages import asks, read_pages, read_whole, search
from pullyard.forges.protocol import Checks, Offer
from pullyard.forges.sites import Place
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import RemoteFailure

PAGE = 50
OPEN_PAGES = 20
ENDED_PAGES = 4
"""Of those that are closed, the ones that changed last: a change that was just closed is among them."""
COMMENT_PAGES = 20
ISSUE_PAGES = 5
READ_REVIEWS = 50
"""The newest, of those that have comments: each is asked for its own."""
MERGE_TRIES = 6
"""It works out only after a push whether a change can be merged."""
DRAFT = "WIP: "
_DRAFTS = ("WIP:", "[WIP]")
_FAILING = {"failure", "error"}
_PENDING = {"pending"}


class _Repository(Struct):
    full_name: str = ""


class _Side(Struct):
    ref: str = ""
    label: str = ""
    sha: str = ""
    repo: _Repository | None = None


class _Pull(Struct):
    number: int
    state: str
    head: _Side
    base: _Side
    html_url: str = ""
    title: str = ""
    body: str = ""
    draft: bool = False
    merged: bool = False
    merge_commit_sha: str | None = None

    def found(self) -> Found:
        state = ChangeState.OPEN if self.state == "open" else ChangeState.CLOSED
        return Found(
            number=self.number,
            url=page_url(self.html_url),
            state=ChangeState.MERGED if self.merged else state,
            base_branch=self.base.ref,
            commit=self.head.sha,
            title=plain_title(self.title),
            body=self.body,
            draft=self.draft or self.title.upper().startswith(_DRAFTS),
            merged_commit=self.merge_commit_sha if self.merged else None,
        )


class _Label(Struct):
    id: int
    name: str


class _Person(Struct):
    login: str = ""


class _Words(Struct):
    id: int = 0
    body: str = ""
    user: _Person | None = None
    html_url: str = ""

    def who(self) -> Account:
        return Account(self.user.login if self.user else "")


class _Review(_Words):
    state: str = ""
    stale: bool = False
    dismissed: bool = False
    comments_count: int = 0


class _LineComment(_Words):
    path: str = ""
    position: int = 0
    original_position: int = 0
    resolver: _Person | None = None

    def said(self) -> Said:
        line = self.position or self.original_position or None
        return Said(f"line-{self.id}", self.body, self.who(), path=self.path, line=line, url=self.html_url)


class _Issue(_Words):
    number: int = 0
    title: str = ""


class _Entry(_Words):
    type: str = ""


class _Event(Struct):
    type: str = ""
    body: str | None = None
    user: _Person | None = None
    label: _Label | None = None


class _Right(Struct):
    permission: str = ""


class _OneStatus(Struct):
    status: str = ""
    context: str = ""
    description: str = ""
    target_url: str = ""


class _Status(Struct):
    state: str = ""
    total_count: int = 0
    statuses: list[_OneStatus] | None = None


def plain_title(title: str) -> str:
    mark = next((one for one in _DRAFTS if title.upper().startswith(one)), "")
    return title[len(mark) :].strip()


class GiteaForge(ApiForge):
    name = "gitea"

    async def find(self, api: Api, place: Place, branch: str) -> Found | None:
        for state, pages in (("open", OPEN_PAGES), ("closed", ENDED_PAGES)):
            query = {"state": state, "sort": "recentupdate"}
            ask = asks(api, f"/repos/{place.path}/pulls", _Pull, "limit", **query)
            if ours := await search(ask, PAGE, pages, lambda one: is_of(one, place, branch)):
                return max(ours, key=lambda one: one.number).found()
        return None

    async def open(self, api: Api, place: Place, offer: Offer) -> tuple[Found, list[str]]:
        title = DRAFT + offer.title if offer.draft else offer.title
        wish = {"title": title, "head": offer.branch, "base": offer.base_branch, "body": offer.body}
        try:
            return (await api.ask("POST", f"/repos/{place.path}/pulls", _Pull, body=wish)).found(), []
        except ForgeRefused as refusal:
            if refusal.status == 409:
                raise AlreadyThere from refusal
            raise

    async def edit(self, api: Api, place: Place, found: Found, offer: Offer) -> None:
        title = DRAFT + offer.title if found.draft else offer.title
        wish = {"title": title, "body": offer.body, "base": offer.base_branch}
        await api.ask("PATCH", f"/repos/{place.path}/pulls/{found.number}", _Pull, body=wish)

    async def decorate(self, api: Api, place: Place, found: Found, offer: Offer) -> list[str]:
        issue, notes = f"/repos/{place.path}/issues/{found.number}", list[str]()
        if offer.labels:
            notes += await self._label(api, place, issue, offer.labels)
        if offer.assignees:
            wish = {"assignees": list(offer.assignees)}
            notes += await tried("Assignees", lambda: api.ask("PATCH", issue, object, body=wish))
        if offer.reviewers:
            names = {
                "reviewers": [name for name in offer.reviewers if "/" not in name],
                "team_reviewers": [name.rpartition("/")[2] for name in offer.reviewers if "/" in name],
            }
            path = f"/repos/{place.path}/pulls/{found.number}/requested_reviewers"
            notes += await tried(
                "Reviewers", lambda: api.ask("POST", path, object, body=names, repeatable=True)
            )
        return notes

    async def _label(self, api: Api, place: Place, issue: str, wanted: tuple[str, ...]) -> list[str]:
        known = await api.ask("GET", f"/repos/{place.path}/labels", list[_Label], query={"limit": PAGE})
        ids = {one.name: one.id for one in known}
        notes = [f"Label not taken: the repository has no {name!r}." for name in wanted if name not in ids]
        if chosen := [ids[name] for name in wanted if name in ids]:
            wish = {"labels": chosen}
            notes += await tried(
                "Labels", lambda: api.ask("POST", f"{issue}/labels", object, body=wish, repeatable=True)
            )
        return notes

    async def make_ready(self, api: Api, place: Place, found: Found) -> None:
        path = f"/repos/{place.path}/pulls/{found.number}"
        await api.ask("PATCH", path, _Pull, body={"title": found.title})

    async def press_merge(self, api: Api, place: Place, found: Found, commit: str, title: str) -> str:
        path = f"/repos/{place.path}/pulls/{found.number}"
        wish = {"Do": "merge", "head_commit_id": commit, "MergeTitleField": title}
        for attempt in range(1, MERGE_TRIES + 1):
            try:
                await api.ask("POST", f"{path}/merge", object, body=wish, repeatable=True)
                break
            except ForgeRefused as refusal:
                if "try again" not in refusal.said.lower() or attempt == MERGE_TRIES:
                    raise
                await api.pause(1.0)
        merged = (await api.ask("GET", path, _Pull)).found()
        if merged.merged_commit is None:
            raise RemoteFailure(f"{api.host} has not merged the change yet: try again later.", retryable=True)
        return merged.merged_commit

    async def shut(self, api: Api, place: Place, found: Found) -> None:
        path = f"/repos/{place.path}/pulls/{found.number}"
        await api.ask("PATCH", path, _Pull, body={"state": "closed"})

    async def judged(self, api: Api, place: Place, found: Found) -> tuple[bool, Checks]:
        reviews = await self._reviews(api, place, found)
        last = {
            one.user.login: one.state
            for one in reviews
            if one.user and one.state in ("APPROVED", "REQUEST_CHANGES") and not (one.stale or one.dismissed)
        }
        approved = "APPROVED" in last.values() and "REQUEST_CHANGES" not in last.values()
        status = await self._status(api, place, found)
        states = {status.state} if status.total_count else set[str]()
        return approved, checks_of(states, _FAILING, _PENDING)

    async def _reviews(self, api: Api, place: Place, found: Found) -> list[_Review]:
        path = f"/repos/{place.path}/pulls/{found.number}/reviews"
        return await read_pages(asks(api, path, _Review, "limit"), PAGE, COMMENT_PAGES)

    async def _status(self, api: Api, place: Place, found: Found) -> _Status:
        return await api.ask("GET", f"/repos/{place.path}/commits/{found.commit}/status", _Status)

    async def said(self, api: Api, place: Place, found: Found, trust: Trust) -> list[Said]:
        given = [
            one
            for one in await self._reviews(api, place, found)
            if one.state in ("COMMENT", "APPROVED", "REQUEST_CHANGES") and not one.dismissed
        ]
        said = [
            said_in_review(
                f"review-{one.id}",
                one.body,
                one.who(),
                one.html_url,
                wants_changes=one.state == "REQUEST_CHANGES",
            )
            for one in given
        ]
        # What is at lines is by the review's own author.
        heeded = [one for one in given if one.comments_count and await trust.has(one.who())]
        for review in heeded[-READ_REVIEWS:]:
            path = f"/repos/{place.path}/pulls/{found.number}/reviews/{review.id}/comments"
            lines = await api.ask("GET", path, list[_LineComment])
            said += [one.said() for one in lines if one.resolver is None]
        said += [
            Said(f"comment-{one.id}", one.body, one.who(), plain=True, url=one.html_url)
            for one in await self._comments(api, place, found.number)
        ]
        return said

    async def failing(self, api: Api, place: Place, found: Found) -> list[FailedCheck]:
        statuses = (await self._status(api, place, found)).statuses or []
        if any(one.status in _PENDING for one in statuses):
            return []
        return [
            FailedCheck(one.context, one.description, one.target_url)
            for one in statuses
            if one.status in _FAILING
        ]

    async def is_member(self, api: Api, place: Place, who: Account) -> bool:
        if who.name.lower() == place.owner.lower():
            return True
        path = f"/repos/{place.path}/collaborators/{quote(who.name, safe='')}/permission"
        return (await api.ask("GET", path, _Right)).permission in ("owner", "admin", "write")

    async def labelled(self, api: Api, place: Place, label: str) -> list[OpenIssue]:
        query = {"labels": label, "state": "open", "type": "issues"}
        ask = asks(api, f"/repos/{place.path}/issues", _Issue, "limit", **query)
        found = await read_pages(ask, PAGE, ISSUE_PAGES, newest_first=True)
        return [OpenIssue(one.number, one.title, one.body, one.who(), one.html_url) for one in found]

    async def labellings(self, api: Api, place: Place, number: int) -> list[Labelling]:
        ask = asks(api, f"/repos/{place.path}/issues/{number}/timeline", _Event, "limit")
        # Of a label that is taken away, the event has no body.
        return [
            Labelling(one.label.name, Account(one.user.login if one.user else ""))
            for one in await read_whole(ask, PAGE, COMMENT_PAGES) or []
            if one.type == "label" and one.body == "1" and one.label
        ]

    async def issue_comments(self, api: Api, place: Place, number: int) -> list[str]:
        return [one.body for one in await self._comments(api, place, number)]

    async def _comments(self, api: Api, place: Place, number: int) -> list[_Words]:
        issue = f"/repos/{place.path}/issues/{number}"
        try:
            # This list has no pages: it comes whole.
            return await api.ask("GET", f"{issue}/comments", list[_Words])
        except AnswerTooLong:
            ask = asks(api, f"{issue}/timeline", _Entry, "limit")
            entries = await read_pages(ask, PAGE, COMMENT_PAGES)
            return [one for one in entries if one.type == "comment"]

    async def say_at_issue(self, api: Api, place: Place, number: int, text: str) -> None:
        path = f"/repos/{place.path}/issues/{number}/comments"
        await api.ask("POST", path, _Words, body={"body": text})


def is_of(pull: _Pull, place: Place, branch: str) -> bool:
    """Where the branch is gone, the side's reference is the forge's own and its label still says the name.

    Without a repository it is from a fork that was deleted: whoever opened it chose the branch's name.
    """
    ours = pull.head.repo is not None and pull.head.repo.full_name.lower() == place.path.lower()
    return ours and branch in (pull.head.ref, pull.head.label)
