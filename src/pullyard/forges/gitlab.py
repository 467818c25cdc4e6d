"""GitLab, gitlab.com or one's own: merge requests, by a personal, group or project token."""

from typing import Any
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
from pullyard.forges.pages import asks, read_pages, read_whole, search
from pullyard.forges.protocol import Checks, Offer
from pullyard.forges.sites import Place
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import RemoteFailure

PAGE = 100
COMMENT_PAGES = 10
FIND_PAGES = 20
ISSUE_PAGES = 5
LOOKS = 15
"""How often it is asked again whether a change can be merged; it works that out after a push."""
FAILED_JOBS = 10
TRACED_JOBS = 3
TRACE_BYTES = 4_000
DEVELOPER = 30
"""The access level from which on somebody may push."""
DRAFT = "Draft: "
_STATES = {
    "opened": ChangeState.OPEN,
    "locked": ChangeState.OPEN,
    "merged": ChangeState.MERGED,
    "closed": ChangeState.CLOSED,
}
_UNDECIDED = {"checking", "unchecked", "preparing", "approvals_syncing"}
_FAILING = {"failed", "canceled", "canceling"}
_PENDING = {"created", "waiting_for_resource", "preparing", "pending", "running", "manual", "scheduled"}


class _Pipeline(Struct):
    id: int = 0
    status: str = ""
    sha: str = ""


class _Request(Struct):
    iid: int
    state: str
    source_branch: str
    target_branch: str
    web_url: str = ""
    title: str = ""
    description: str | None = None
    draft: bool = False
    sha: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    source_project_id: int | None = None
    target_project_id: int | None = None
    detailed_merge_status: str = ""
    head_pipeline: _Pipeline | None = None

    def found(self) -> Found:
        state = _STATES.get(self.state, ChangeState.CLOSED)
        # By fast-forward there is no commit but the change's own.
        merged = self.merge_commit_sha or self.squash_commit_sha or self.sha
        return Found(
            number=self.iid,
            url=page_url(self.web_url),
            state=state,
            base_branch=self.target_branch,
            commit=self.sha or "",
            title=self.title.removeprefix(DRAFT),
            body=self.description or "",
            draft=self.draft,
            merged_commit=merged if state is ChangeState.MERGED else None,
        )


class _Person(Struct):
    id: int


class _Author(Struct):
    id: int = 0
    username: str = ""

    def who(self) -> Account:
        return Account(self.username, str(self.id))


class _Position(Struct):
    new_path: str | None = None
    old_path: str | None = None
    new_line: int | None = None
    old_line: int | None = None


class _Note(Struct):
    id: int = 0
    body: str = ""
    author: _Author = field(default_factory=_Author)
    system: bool = False
    resolvable: bool = False
    resolved: bool = False
    internal: bool = False
    position: _Position | None = None


class _Discussion(Struct):
    id: str = ""
    notes: list[_Note] = []


class _Member(Struct):
    access_level: int = 0


class _Project(Struct):
    visibility: str = ""
    public_jobs: bool = False
    builds_access_level: str = ""

    def shows_logs(self) -> bool:
        """Whether everybody who sees its changes may read its jobs' logs, too."""
        return self.visibility == "private" or (self.public_jobs and self.builds_access_level == "enabled")


class _Job(Struct):
    id: int = 0
    name: str = ""
    web_url: str = ""
    allow_failure: bool = False


class _Issue(Struct):
    iid: int
    title: str = ""
    description: str | None = None
    web_url: str = ""
    author: _Author = field(default_factory=_Author)
    confidential: bool = False


class _LabelName(Struct):
    name: str = ""


class _LabelEvent(Struct):
    action: str = ""
    user: _Author | None = None
    label: _LabelName | None = None


class _Approvals(Struct):
    approved: bool = False
    approved_by: list[object] = []


class GitLabForge(ApiForge):
    name = "gitlab"

    async def find(self, api: Api, place: Place, branch: str) -> Found | None:
        # Forks offer their branches in the same lists; whoever has seen our branch's name comes later than
        # the change that is open.
        for state, sort in (("opened", "asc"), ("all", "desc")):
            query = {"source_branch": branch, "state": state, "order_by": "created_at", "sort": sort}
            ask = asks(api, requests_of(place), _Request, **query)
            if ours := await search(ask, PAGE, FIND_PAGES, lambda one: is_of(one, branch)):
                return open_first([one.found() for one in ours])
        return None

    async def open(self, api: Api, place: Place, offer: Offer) -> tuple[Found, list[str]]:
        wish = {
            "source_branch": offer.branch,
            "target_branch": offer.base_branch,
            "title": DRAFT + offer.title if offer.draft else offer.title,
            "description": offer.body,
        }
        try:
            return (await api.ask("POST", requests_of(place), _Request, body=wish)).found(), []
        except ForgeRefused as refusal:
            if refusal.status == 409:
                raise AlreadyThere from refusal
            raise

    async def edit(self, api: Api, place: Place, found: Found, offer: Offer) -> None:
        wish = {
            "title": DRAFT + offer.title if found.draft else offer.title,
            "description": offer.body,
            "target_branch": offer.base_branch,
        }
        await api.ask("PUT", request_of(place, found), _Request, body=wish)

    async def decorate(self, api: Api, place: Place, found: Found, offer: Offer) -> list[str]:
        wish: dict[str, Any] = {}
        notes: list[str] = []
        if offer.labels:
            wish["add_labels"] = ",".join(offer.labels)
        for name_of, names in (("reviewer_ids", offer.reviewers), ("assignee_ids", offer.assignees)):
            people = [(name, await self._person(api, name)) for name in names]
            notes += [
                f"{api.host} knows nobody called {name!r}." for name, number in people if number is None
            ]
            if known := [number for _, number in people if number is not None]:
                wish[name_of] = known
        if wish:
            path = request_of(place, found)
            what = "Labels, reviewers and assignees"
            notes += await tried(what, lambda: api.ask("PUT", path, object, body=wish))
        return notes

    async def _person(self, api: Api, name: str) -> int | None:
        found = await api.ask("GET", "/users", list[_Person], query={"username": name})
        return found[0].id if found else None

    async def make_ready(self, api: Api, place: Place, found: Found) -> None:
        await api.ask("PUT", request_of(place, found), _Request, body={"title": found.title})

    async def press_merge(self, api: Api, place: Place, found: Found, commit: str, title: str) -> str:
        path = request_of(place, found)
        for _ in range(LOOKS):
            now = await api.ask("GET", path, _Request)
            if now.detailed_merge_status not in _UNDECIDED:
                break
            await api.pause(1.0)
        wish = {"sha": commit, "merge_commit_message": title, "should_remove_source_branch": False}
        merged = (await api.ask("PUT", f"{path}/merge", _Request, body=wish)).found()
        if merged.merged_commit is None:
            raise RemoteFailure(
                f"{api.host} merges the change later, when what it waits for is done: look there.",
                retryable=True,
            )
        return merged.merged_commit

    async def shut(self, api: Api, place: Place, found: Found) -> None:
        await api.ask("PUT", request_of(place, found), _Request, body={"state_event": "close"})

    async def judged(self, api: Api, place: Place, found: Found) -> tuple[bool, Checks]:
        path = request_of(place, found)
        approvals = await api.ask("GET", f"{path}/approvals", _Approvals)
        now = await api.ask("GET", path, _Request)
        states = {now.head_pipeline.status} if now.head_pipeline else set[str]()
        # Without rules for approval it says that it is approved although nobody did.
        approved = approvals.approved and bool(approvals.approved_by)
        return approved, checks_of(states, _FAILING, _PENDING)

    async def said(self, api: Api, place: Place, found: Found, trust: Trust) -> list[Said]:
        del trust
        return [
            said_in(note, found)
            for one in await self._discussions(api, place, found)
            for note in one.notes
            # What is made of it is for everybody who may read the repository.
            if not (note.system or note.internal or (note.resolvable and note.resolved))
        ]

    async def threads(self, api: Api, place: Place, found: Found) -> list[Thread]:
        return threads_of(
            (one.id, page_of(note, found), note.body)
            for one in await self._discussions(api, place, found)
            for note in one.notes
        )

    async def say_in(self, api: Api, place: Place, found: Found, thread: Thread, text: str) -> None:
        path = f"{request_of(place, found)}/discussions/{quote(thread.key, safe='')}/notes"
        await api.ask("POST", path, _Note, body={"body": text})

    async def _discussions(self, api: Api, place: Place, found: Found) -> list[_Discussion]:
        path = f"{request_of(place, found)}/discussions"
        return await read_pages(asks(api, path, _Discussion), PAGE, COMMENT_PAGES)

    async def failing(self, api: Api, place: Place, found: Found) -> list[FailedCheck]:
        now = await api.ask("GET", request_of(place, found), _Request)
        pipeline = now.head_pipeline
        if pipeline is None or pipeline.status != "failed" or not found.is_at(pipeline.sha or found.commit):
            return []
        query = {"scope[]": "failed", "per_page": FAILED_JOBS}
        path = f"/projects/{quote(place.path, safe='')}"
        jobs = await api.ask("GET", f"{path}/pipelines/{pipeline.id}/jobs", list[_Job], query=query)
        wrong = [one for one in jobs if not one.allow_failure]
        shown = wrong[:TRACED_JOBS] if (await api.ask("GET", path, _Project)).shows_logs() else []
        ends = [await api.tail(f"{path}/jobs/{one.id}/trace", TRACE_BYTES) for one in shown]
        ends += [""] * (len(wrong) - len(ends))
        failed = [FailedCheck(job.name, end, job.web_url) for job, end in zip(wrong, ends, strict=True)]
        return failed or [FailedCheck("pipeline", "It failed, and no job of it tells why.")]

    async def is_member(self, api: Api, place: Place, who: Account) -> bool:
        path = f"/projects/{quote(place.path, safe='')}/members/all/{who.key}"
        return (await api.ask("GET", path, _Member)).access_level >= DEVELOPER

    async def labelled(self, api: Api, place: Place, label: str) -> list[OpenIssue]:
        query = {"labels": label, "state": "opened", "order_by": "created_at", "sort": "desc"}
        path = f"/projects/{quote(place.path, safe='')}/issues"
        ask = asks(api, path, _Issue, **query)
        found = await read_pages(ask, PAGE, ISSUE_PAGES, newest_first=True)
        return [
            OpenIssue(one.iid, one.title, one.description or "", one.author.who(), one.web_url)
            for one in found
            if not one.confidential
        ]

    async def labellings(self, api: Api, place: Place, number: int) -> list[Labelling]:
        ask = asks(api, f"{issue_of(place, number)}/resource_label_events", _LabelEvent)
        return [
            Labelling(one.label.name, (one.user or _Author()).who())
            for one in await read_whole(ask, PAGE, COMMENT_PAGES) or []
            if one.action == "add" and one.label
        ]

    async def comments(self, api: Api, place: Place, found: Found) -> list[str]:
        return await notes_of(api, request_of(place, found))

    async def say(self, api: Api, place: Place, found: Found, text: str) -> None:
        await api.ask("POST", f"{request_of(place, found)}/notes", _Note, body={"body": text})

    async def issue_comments(self, api: Api, place: Place, number: int) -> list[str]:
        return await notes_of(api, issue_of(place, number))

    async def say_at_issue(self, api: Api, place: Place, number: int, text: str) -> None:
        await api.ask("POST", f"{issue_of(place, number)}/notes", _Note, body={"body": text})


def said_in(note: _Note, found: Found) -> Said:
    at = note.position or _Position()
    return Said(
        f"note-{note.id}",
        note.body,
        note.author.who(),
        plain=not note.resolvable,
        path=at.new_path or at.old_path or "",
        line=at.new_line or at.old_line,
        url=page_of(note, found),
    )


def page_of(note: _Note, found: Found) -> str | None:
    return f"{found.url}#note_{note.id}" if found.url else None


async def notes_of(api: Api, thing: str) -> list[str]:
    ask = asks(api, f"{thing}/notes", _Note, order_by="created_at", sort="desc")
    return [one.body for one in await read_pages(ask, PAGE, COMMENT_PAGES, newest_first=True)]


def is_of(request: _Request, branch: str) -> bool:
    """A fork that was deleted has no number."""
    source = request.source_project_id
    return request.source_branch == branch and source is not None and source == request.target_project_id


def requests_of(place: Place) -> str:
    return f"/projects/{quote(place.path, safe='')}/merge_requests"


def request_of(place: Place, found: Found) -> str:
    return f"{requests_of(place)}/{found.number}"


def issue_of(place: Place, number: int) -> str:
    return f"/projects/{quote(place.path, safe='')}/issues/{number}"
