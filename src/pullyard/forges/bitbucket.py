"""Bitbucket Cloud: pull requests, by an access token, or by a person's API token and e-mail address."""

import json
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from msgspec import Struct, field

from pullyard.forges.api import Api
from pullyard.forges.api_forge import AlreadyThere, ApiForge, Found, checks_of, open_first, tried
from pullyard.forges.errors import ForgeRefused
from pullyard.forges.feedback import (
    Account,
    FailedCheck,
    Labelling,
    OpenIssue,
    Said,
    Thread,
    Trust,
    page_url,
    threads_of,
)
from pullyard.forges.pages import Ask, read_page, read_pages, search
from pullyard.forges.protocol import Checks, Offer
from pullyard.forges.sites import Place
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import RemoteFailure

T = TypeVar("T")
PAGE = 50
COMMENT_PAGES = 20
FIND_PAGES = 20
ISSUE_PAGES = 5
LOOKS = 15
"""How often it is asked whether a merge that goes on behind the answer is done."""
STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
_FAILING = {"FAILED", "STOPPED"}
_PENDING = {"INPROGRESS"}


class _Listed(Protocol[T]):
    @property
    def values(self) -> list[T]: ...


class _Hash(Struct):
    hash: str = ""


class _Name(Struct):
    name: str = ""


class _Repository(Struct):
    full_name: str = ""


class _Side(Struct):
    branch: _Name
    commit: _Hash | None = None
    repository: _Repository | None = None


class _Link(Struct):
    href: str = ""


class _Links(Struct):
    html: _Link = field(default_factory=_Link)


class _Participant(Struct):
    approved: bool = False
    state: str | None = None


class _Pull(Struct):
    id: int
    state: str
    source: _Side
    destination: _Side
    links: _Links = field(default_factory=_Links)
    title: str = ""
    description: str | None = None
    draft: bool = False
    merge_commit: _Hash | None = None
    participants: list[_Participant] = []

    def found(self) -> Found:
        known = {"OPEN": ChangeState.OPEN, "MERGED": ChangeState.MERGED}
        state = known.get(self.state, ChangeState.CLOSED)
        merged = self.merge_commit.hash if self.merge_commit else ""
        return Found(
            number=self.id,
            url=page_url(self.links.html.href),
            state=state,
            base_branch=self.destination.branch.name,
            commit=self.source.commit.hash if self.source.commit else "",
            title=self.title,
            body=self.description or "",
            draft=self.draft,
            merged_commit=merged if state is ChangeState.MERGED else None,
        )


class _Pulls(Struct):
    values: list[_Pull] = []


class _Said(Struct):
    raw: str = ""


class _User(Struct):
    account_id: str = ""
    uuid: str = ""
    nickname: str = ""
    display_name: str = ""

    def who(self) -> Account:
        # Of a person the name is no name: anybody may take it. A bot of the workspace has an id only.
        return Account(self.account_id or self.uuid, self.uuid, self.nickname or self.display_name)


class _Inline(Struct):
    path: str = ""
    to: int | None = None
    from_: int | None = field(default=None, name="from")


class _Parent(Struct):
    id: int = 0


class _Comment(Struct):
    id: int = 0
    parent: _Parent | None = None
    content: _Said = field(default_factory=_Said)
    user: _User | None = None
    inline: _Inline | None = None
    deleted: bool = False
    pending: bool = False
    resolution: object = None
    links: _Links = field(default_factory=_Links)


class _Comments(Struct):
    values: list[_Comment] = []


class _Task(Struct):
    id: int = 0
    state: str = ""
    content: _Said = field(default_factory=_Said)
    creator: _User | None = None


class _Tasks(Struct):
    values: list[_Task] = []


class _Issue(Struct):
    id: int
    title: str = ""
    content: _Said | None = None
    reporter: _User | None = None
    links: _Links = field(default_factory=_Links)


class _Right(Struct):
    permission: str = ""


class _Issues(Struct):
    values: list[_Issue] = []


class _Status(Struct):
    state: str
    key: str = ""
    name: str | None = None
    description: str | None = None
    url: str | None = None


class _Statuses(Struct):
    values: list[_Status] = []


class BitbucketForge(ApiForge):
    name = "bitbucket"

    async def find(self, api: Api, place: Place, branch: str) -> Found | None:
        # A string of its query language is written as one of JSON is.
        wanted = f"source.branch.name = {json.dumps(branch)}"
        # Forks offer their branches in the same lists; whoever has seen our branch's name comes later than
        # the change that is open.
        for states, sort in ((["OPEN"], "created_on"), (list(STATES), "-created_on")):
            query = {"q": wanted, "state": states, "sort": sort}
            ask = asks_values(api, pulls_of(place), _Pulls, query)
            if ours := await search(ask, PAGE, FIND_PAGES, lambda one: is_of(one, place, branch)):
                return open_first([one.found() for one in ours])
        return None

    async def open(self, api: Api, place: Place, offer: Offer) -> tuple[Found, list[str]]:
        wish: dict[str, Any] = {
            "title": offer.title,
            "description": offer.body,
            "source": {"branch": {"name": offer.branch}},
            "destination": {"branch": {"name": offer.base_branch}},
            "draft": offer.draft,
            "close_source_branch": False,
        }
        try:
            return (await api.ask("POST", pulls_of(place), _Pull, body=wish)).found(), []
        except ForgeRefused as refusal:
            if refusal.status == 409 or (refusal.status == 400 and "already" in refusal.said):
                raise AlreadyThere from refusal
            raise

    async def edit(self, api: Api, place: Place, found: Found, offer: Offer) -> None:
        wish = {
            "title": offer.title,
            "description": offer.body,
            "destination": {"branch": {"name": offer.base_branch}},
        }
        await api.ask("PUT", pull_of(place, found), _Pull, body=wish)

    async def decorate(self, api: Api, place: Place, found: Found, offer: Offer) -> list[str]:
        notes = ["Bitbucket has no labels."] if offer.labels else []
        notes += ["Bitbucket has no assignees of changes."] if offer.assignees else []
        if offer.reviewers:
            people = [{"uuid" if name.startswith("{") else "account_id": name} for name in offer.reviewers]
            wish = {"title": offer.title, "reviewers": people}
            path = pull_of(place, found)
            notes += await tried("Reviewers", lambda: api.ask("PUT", path, object, body=wish))
        return notes

    async def make_ready(self, api: Api, place: Place, found: Found) -> None:
        wish = {"title": found.title, "draft": False}
        await api.ask("PUT", pull_of(place, found), _Pull, body=wish)

    async def press_merge(self, api: Api, place: Place, found: Found, commit: str, title: str) -> str:
        path = pull_of(place, found)
        # The merge itself names no commit, so what it would merge is looked at right before.
        now = (await api.ask("GET", path, _Pull)).found()
        if not now.is_at(commit):
            said = "its branch was moved just now"
            raise ForgeRefused(f"{api.host} does not merge this: {said}.", status=409, said=said)
        wish = {"type": "pullrequest", "message": title, "merge_strategy": "merge_commit"}
        await api.ask("POST", f"{path}/merge", object, body=wish, repeatable=True)
        for _ in range(LOOKS):
            merged = (await api.ask("GET", path, _Pull)).found().merged_commit
            if merged:
                return await self._whole(api, place, merged)
            await api.pause(1.0)
        raise RemoteFailure(f"{api.host} has not merged the change yet: try again later.", retryable=True)

    async def _whole(self, api: Api, place: Place, cut: str) -> str:
        """The commit's whole id: pull requests show its beginning."""
        return (await api.ask("GET", f"/repositories/{place.path}/commit/{cut}", _Hash)).hash

    async def completed(self, api: Api, place: Place, found: Found) -> str:
        return await self._whole(api, place, found.merged_commit or "")

    async def shut(self, api: Api, place: Place, found: Found) -> None:
        path = f"{pull_of(place, found)}/decline"
        await api.ask("POST", path, _Pull, body={}, repeatable=True)

    async def judged(self, api: Api, place: Place, found: Found) -> tuple[bool, Checks]:
        now = await api.ask("GET", pull_of(place, found), _Pull)
        held = any(one.state == "changes_requested" for one in now.participants)
        approved = any(one.approved for one in now.participants) and not held
        statuses = await self._statuses(api, place, found)
        return approved, checks_of({one.state for one in statuses}, _FAILING, _PENDING)

    async def _statuses(self, api: Api, place: Place, found: Found) -> list[_Status]:
        path = f"{pull_of(place, found)}/statuses"
        return (await api.ask("GET", path, _Statuses, query={"pagelen": PAGE})).values

    async def said(self, api: Api, place: Place, found: Found, trust: Trust) -> list[Said]:
        del trust
        said = [
            said_in(one)
            for one in await comments_of(api, pull_of(place, found))
            if not (one.deleted or one.pending) and one.resolution is None
        ]
        path = f"{pull_of(place, found)}/tasks"
        tasks = await read_page(asks_values(api, path, _Tasks, {"sort": "-created_on"}), PAGE, 1)
        said += [
            Said(f"task-{one.id}", one.content.raw, (one.creator or _User()).who(), url=found.url)
            for one in reversed(tasks)
            if one.state == "UNRESOLVED"
        ]
        return said

    async def threads(self, api: Api, place: Place, found: Found) -> list[Thread]:
        return threads_of(
            (one.parent.id if one.parent else one.id, one.links.html.href, one.content.raw)
            for one in await comments_of(api, pull_of(place, found))
        )

    async def say_in(self, api: Api, place: Place, found: Found, thread: Thread, text: str) -> None:
        wish = {"content": {"raw": text}, "parent": {"id": int(thread.key)}}
        await api.ask("POST", f"{pull_of(place, found)}/comments", _Comment, body=wish)

    async def failing(self, api: Api, place: Place, found: Found) -> list[FailedCheck]:
        statuses = await self._statuses(api, place, found)
        if any(one.state in _PENDING for one in statuses):
            return []
        return [
            FailedCheck(one.name or one.key, one.description or "", one.url)
            for one in statuses
            if one.state == "FAILED"
        ]

    async def is_member(self, api: Api, place: Place, who: Account) -> bool:
        person = quote(who.key or who.name, safe="")
        path = f"/repositories/{place.path}/permissions-config/users/{person}"
        return (await api.ask("GET", path, _Right)).permission in ("admin", "write")

    async def labelled(self, api: Api, place: Place, label: str) -> list[OpenIssue]:
        # Its issues have no labels: a component is what comes nearest.
        wanted = f'component.name = {json.dumps(label)} AND (state = "new" OR state = "open")'
        query = {"q": wanted, "sort": "-created_on"}
        ask = asks_values(api, f"/repositories/{place.path}/issues", _Issues, query)
        return [
            OpenIssue(
                one.id,
                one.title,
                one.content.raw if one.content else "",
                (one.reporter or _User()).who(),
                one.links.html.href,
            )
            for one in await read_pages(ask, PAGE, ISSUE_PAGES, newest_first=True)
        ]

    async def labellings(self, api: Api, place: Place, number: int) -> list[Labelling]:
        del api, place, number
        return []

    async def comments(self, api: Api, place: Place, found: Found) -> list[str]:
        return [one.content.raw for one in await comments_of(api, pull_of(place, found))]

    async def say(self, api: Api, place: Place, found: Found, text: str) -> None:
        wish = {"content": {"raw": text}}
        await api.ask("POST", f"{pull_of(place, found)}/comments", _Comment, body=wish)

    async def issue_comments(self, api: Api, place: Place, number: int) -> list[str]:
        return [one.content.raw for one in await comments_of(api, issue_of(place, number))]

    async def say_at_issue(self, api: Api, place: Place, number: int, text: str) -> None:
        wish = {"content": {"raw": text}}
        await api.ask("POST", f"{issue_of(place, number)}/comments", _Comment, body=wish)


def said_in(one: _Comment) -> Said:
    at = one.inline or _Inline()
    return Said(
        f"comment-{one.id}",
        one.content.raw,
        (one.user or _User()).who(),
        plain=one.inline is None,
        path=at.path,
        line=at.to or at.from_,
        url=one.links.html.href,
    )


async def comments_of(api: Api, thing: str) -> list[_Comment]:
    ask = asks_values(api, f"{thing}/comments", _Comments, {"sort": "-created_on"})
    return (await read_pages(ask, PAGE, COMMENT_PAGES, newest_first=True))[::-1]


def asks_values(api: Api, path: str, shape: type[_Listed[T]], query: Mapping[str, Any]) -> Ask[T]:
    async def ask(size: int, number: int) -> tuple[list[T], int | None]:
        told, last = await api.page(path, shape, {**query, "pagelen": size, "page": number})
        return told.values, last

    return ask


def is_of(pull: _Pull, place: Place, branch: str) -> bool:
    source = pull.source.repository
    ours = source is not None and source.full_name.lower() == place.path.lower()
    return ours and pull.source.branch.name == branch


def pulls_of(place: Place) -> str:
    return f"/repositories/{place.path}/pullrequests"


def pull_of(place: Place, found: Found) -> str:
    return f"{pulls_of(place)}/{found.number}"


def issue_of(place: Place, number: int) -> str:
    return f"/repositories/{place.path}/issues/{number}"
