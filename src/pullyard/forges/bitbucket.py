"""Bitbucket Cloud: pull requests, by an access token, or by a person's API token and e-mail address."""

import json
from typing import Any

from msgspec import Struct, field

from pullyard.forges.api import Api
from pullyard.forges.api_forge import AlreadyThere, ApiForge, Found, checks_of, page_url, tried
from pullyard.forges.errors import ForgeRefused
from pullyard.forges.protocol import Checks, Offer
from pullyard.forges.sites import Place
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import RemoteFailure

PAGE = 50
COMMENT_PAGES = 20
LOOKS = 15
"""How often it is asked whether a merge that goes on behind the answer is done."""
STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
_FAILING = {"FAILED", "STOPPED"}
_PENDING = {"INPROGRESS"}


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


class _Comment(Struct):
    content: _Said = field(default_factory=_Said)


class _Comments(Struct):
    values: list[_Comment] = []


class _Status(Struct):
    state: str


class _Statuses(Struct):
    values: list[_Status] = []


class BitbucketForge(ApiForge):
    name = "bitbucket"

    async def find(self, api: Api, place: Place, branch: str) -> Found | None:
        # A string of its query language is written as one of JSON is.
        wanted = f"source.branch.name = {json.dumps(branch)}"
        query = {"q": wanted, "state": list(STATES), "sort": "-created_on", "pagelen": PAGE}
        pulls = await api.ask("GET", pulls_of(place), _Pulls, query=query)
        ours = [
            one.found()
            for one in pulls.values
            if one.source.branch.name == branch
            and one.source.repository is not None
            and one.source.repository.full_name.lower() == place.path.lower()
        ]
        return next((one for one in ours if one.state is ChangeState.OPEN), ours[0] if ours else None)

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
        path = f"{pull_of(place, found)}/statuses"
        statuses = await api.ask("GET", path, _Statuses, query={"pagelen": PAGE})
        return approved, checks_of({one.state for one in statuses.values}, _FAILING, _PENDING)

    async def comments(self, api: Api, place: Place, found: Found) -> list[str]:
        said: list[str] = []
        for number in range(1, COMMENT_PAGES + 1):
            query = {"pagelen": PAGE, "page": number}
            page = await api.ask("GET", f"{pull_of(place, found)}/comments", _Comments, query=query)
            said += [one.content.raw for one in page.values]
            if len(page.values) < PAGE:
                break
        return said

    async def say(self, api: Api, place: Place, found: Found, text: str) -> None:
        wish = {"content": {"raw": text}}
        await api.ask("POST", f"{pull_of(place, found)}/comments", _Comment, body=wish)


def pulls_of(place: Place) -> str:
    return f"/repositories/{place.path}/pullrequests"


def pull_of(place: Place, found: Found) -> str:
    return f"{pulls_of(place)}/{found.number}"
