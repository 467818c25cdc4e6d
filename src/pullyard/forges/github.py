"""GitHub, GitHub Enterprise Server and GitHub with data residency: pull requests, by a token or an App."""

from typing import Any
from urllib.parse import quote

from msgspec import Struct

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
    said_in_review,
    threads_of,
)
from pullyard.forges.pages import asks, read_page, read_pages, read_whole
from pullyard.forges.protocol import Checks, Offer
from pullyard.forges.sites import Place
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import RemoteFailure

PAGE = 100
COMMENT_PAGES = 10
ISSUE_PAGES = 5
LINE_COMMENT_PAGES = 3
"""Newest first."""
ANNOTATED_RUNS = 5
ANNOTATIONS = 20
_READY = (
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) "
    "{ pullRequest { isDraft } } }"
)
_FAILING = {
    *("failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale", "error"),
}
_MENDED = {"failure", "timed_out", "error"}
"""What a change of the code may help against."""
_RUNNING = {"pending", "queued", "in_progress"}
_MEMBERS = {"OWNER": True, "MEMBER": None, "COLLABORATOR": None}
"""Whether they may write; whoever is in the organisation or was invited may only read."""
_PENDING = {"pending", "queued", "in_progress", "waiting", "requested"}


class _Repository(Struct):
    full_name: str = ""


class _Side(Struct):
    ref: str
    sha: str
    repo: _Repository | None = None


class _Pull(Struct):
    number: int
    html_url: str
    state: str
    head: _Side
    base: _Side
    title: str = ""
    body: str | None = None
    draft: bool | None = False
    merged_at: str | None = None
    merge_commit_sha: str | None = None
    node_id: str = ""

    def found(self) -> Found:
        state = ChangeState.OPEN if self.state == "open" else ChangeState.CLOSED
        return Found(
            number=self.number,
            url=page_url(self.html_url),
            state=ChangeState.MERGED if self.merged_at else state,
            base_branch=self.base.ref,
            commit=self.head.sha,
            title=self.title,
            body=self.body or "",
            draft=bool(self.draft),
            merged_commit=self.merge_commit_sha if self.merged_at else None,
            key=self.node_id,
        )


class _Merged(Struct):
    sha: str


class _Person(Struct):
    login: str = ""


class _Words(Struct):
    """What every kind of comment, review and issue has."""

    id: int = 0
    body: str | None = None
    user: _Person | None = None
    author_association: str = ""
    html_url: str = ""

    def who(self) -> Account:
        login = self.user.login if self.user else ""
        return Account(login, member=_MEMBERS.get(self.author_association, False))


class _Review(_Words):
    state: str = ""


class _LineComment(_Words):
    path: str = ""
    line: int | None = None
    original_line: int | None = None
    in_reply_to_id: int | None = None


class _Issue(_Words):
    number: int = 0
    title: str = ""
    pull_request: object = None


class _Label(Struct):
    name: str = ""


class _Event(Struct):
    event: str = ""
    actor: _Person | None = None
    label: _Label | None = None


class _Right(Struct):
    permission: str = ""


class _OneStatus(Struct):
    state: str = ""
    context: str = ""
    description: str | None = None
    target_url: str | None = None


class _Status(Struct):
    state: str
    total_count: int = 0
    statuses: list[_OneStatus] = []


class _Output(Struct):
    title: str | None = None
    summary: str | None = None
    text: str | None = None


class _Run(Struct):
    status: str
    conclusion: str | None = None
    id: int = 0
    name: str = ""
    html_url: str | None = None
    output: _Output | None = None

    def told(self, note: str) -> str:
        output = self.output or _Output()
        return "\n".join(filter(None, (output.title, output.summary, output.text, note)))


class _Annotation(Struct):
    path: str = ""
    start_line: int = 0
    message: str | None = None


class _Runs(Struct):
    check_runs: list[_Run] = []


class _Said(Struct):
    message: str = ""


class _Graph(Struct):
    errors: list[_Said] = []


class GitHubForge(ApiForge):
    name = "github"

    async def find(self, api: Api, place: Place, branch: str) -> Found | None:
        query = {"head": f"{place.owner}:{branch}", "state": "all", "direction": "desc"}
        pulls = await read_page(asks(api, f"/repos/{place.path}/pulls", _Pull, **query), PAGE, 1)
        # The owner may have a fork of the repository beside it, with a branch of this name; one that was
        # deleted since is no repository here.
        ours = [
            one.found()
            for one in pulls
            if one.head.ref == branch
            and one.head.repo is not None
            and one.head.repo.full_name.lower() == place.path.lower()
        ]
        return open_first(ours)

    async def open(self, api: Api, place: Place, offer: Offer) -> tuple[Found, list[str]]:
        wish: dict[str, Any] = {
            "title": offer.title,
            "head": offer.branch,
            "base": offer.base_branch,
            "body": offer.body,
            "draft": offer.draft,
        }
        path = f"/repos/{place.path}/pulls"
        try:
            return (await api.ask("POST", path, _Pull, body=wish)).found(), []
        except ForgeRefused as refusal:
            if refusal.status == 422 and "already exists" in refusal.said:
                raise AlreadyThere from refusal
            if refusal.status != 422 or not offer.draft or "raft" not in refusal.said:
                raise
        made = await api.ask("POST", path, _Pull, body={**wish, "draft": False})
        return made.found(), ["This repository has no drafts: the change is open for review."]

    async def edit(self, api: Api, place: Place, found: Found, offer: Offer) -> None:
        wish = {"title": offer.title, "body": offer.body, "base": offer.base_branch}
        await api.ask("PATCH", f"/repos/{place.path}/pulls/{found.number}", _Pull, body=wish)

    async def decorate(self, api: Api, place: Place, found: Found, offer: Offer) -> list[str]:
        issue = f"/repos/{place.path}/issues/{found.number}"
        pull = f"/repos/{place.path}/pulls/{found.number}"
        teams = [name.removeprefix(f"{place.owner}/") for name in offer.reviewers if "/" in name]
        people = [name for name in offer.reviewers if "/" not in name]
        wishes: list[tuple[str, str, dict[str, Any]]] = []
        if offer.labels:
            wishes.append(("Labels", f"{issue}/labels", {"labels": list(offer.labels)}))
        if offer.assignees:
            wishes.append(("Assignees", f"{issue}/assignees", {"assignees": list(offer.assignees)}))
        if offer.reviewers:
            wish = {"reviewers": people, "team_reviewers": teams}
            wishes.append(("Reviewers", f"{pull}/requested_reviewers", wish))
        notes: list[str] = []
        for what, path, wish in wishes:
            notes += await tried(
                what, lambda path=path, wish=wish: api.ask("POST", path, object, body=wish, repeatable=True)
            )
        return notes

    async def make_ready(self, api: Api, place: Place, found: Found) -> None:
        del place
        # The REST interface can't do this.
        graph = f"{api.url.removesuffix('/v3')}/graphql"
        wish = {"query": _READY, "variables": {"id": found.key}}
        answer = await api.ask("POST", graph, _Graph, body=wish, repeatable=True)
        if answer.errors:
            raise RemoteFailure(
                f"{api.host} keeps this change a draft ({answer.errors[0].message[:200]}): mark it as ready "
                "there, then merge again.",
                retryable=False,
            )

    async def press_merge(self, api: Api, place: Place, found: Found, commit: str, title: str) -> str:
        path = f"/repos/{place.path}/pulls/{found.number}/merge"
        for method in ("merge", "squash", "rebase"):
            wish = {"sha": commit, "merge_method": method}
            if method != "rebase":
                wish["commit_title"] = title
            try:
                return (await api.ask("PUT", path, _Merged, body=wish)).sha
            except ForgeRefused as refusal:
                # The repository's owner chose which of the three there are.
                if refusal.status != 405 or "not allowed" not in refusal.said or method == "rebase":
                    raise
        raise AssertionError("the last method returns or raises")

    async def shut(self, api: Api, place: Place, found: Found) -> None:
        await api.ask("PATCH", f"/repos/{place.path}/pulls/{found.number}", _Pull, body={"state": "closed"})

    async def judged(self, api: Api, place: Place, found: Found) -> tuple[bool, Checks]:
        reviews = await self._reviews(api, place, found)
        last = {one.user.login: one.state for one in reviews if one.user and one.state != "COMMENTED"}
        approved = "APPROVED" in last.values() and "CHANGES_REQUESTED" not in last.values()
        status, runs = await self._status(api, place, found), await self._runs(api, place, found)
        states = {status.state} if status.total_count else set[str]()
        states |= {one.conclusion or one.status for one in runs}
        return approved, checks_of(states, _FAILING, _PENDING)

    async def _reviews(self, api: Api, place: Place, found: Found) -> list[_Review]:
        path = f"/repos/{place.path}/pulls/{found.number}/reviews"
        return await read_pages(asks(api, path, _Review), PAGE, COMMENT_PAGES)

    async def _status(self, api: Api, place: Place, found: Found) -> _Status:
        path = f"/repos/{place.path}/commits/{found.commit}/status"
        return await api.ask("GET", path, _Status, query={"per_page": PAGE})

    async def _runs(self, api: Api, place: Place, found: Found) -> list[_Run]:
        path = f"/repos/{place.path}/commits/{found.commit}/check-runs"

        async def ask(size: int, number: int) -> tuple[list[_Run], int | None]:
            told, last = await api.page(path, _Runs, {"per_page": size, "page": number})
            return told.check_runs, last

        try:
            return await read_page(ask, PAGE, 1)
        except ForgeRefused as refusal:
            # A personal token of the finer kind can't read them at all.
            if refusal.status not in (403, 404):
                raise
            return []

    async def said(self, api: Api, place: Place, found: Found, trust: Trust) -> list[Said]:
        del trust
        reviews = [
            said_in_review(
                f"review-{one.id}",
                one.body or "",
                one.who(),
                one.html_url,
                wants_changes=one.state == "CHANGES_REQUESTED",
            )
            for one in await self._reviews(api, place, found)
            if one.state in ("CHANGES_REQUESTED", "COMMENTED")
        ]
        lines = [
            Said(
                f"line-{one.id}",
                one.body or "",
                one.who(),
                path=one.path,
                line=one.line or one.original_line,
                url=one.html_url,
            )
            for one in await self._line_comments(api, place, found)
        ]
        plain = [
            Said(f"comment-{one.id}", one.body or "", one.who(), plain=True, url=one.html_url)
            for one in await self._comments(api, place, found.number)
        ]
        return [*reviews, *lines, *plain]

    async def threads(self, api: Api, place: Place, found: Found) -> list[Thread]:
        return threads_of(
            (one.in_reply_to_id or one.id, one.html_url, one.body)
            for one in await self._line_comments(api, place, found)
        )

    async def say_in(self, api: Api, place: Place, found: Found, thread: Thread, text: str) -> None:
        path = f"/repos/{place.path}/pulls/{found.number}/comments/{thread.key}/replies"
        await api.ask("POST", path, _Words, body={"body": text})

    async def _line_comments(self, api: Api, place: Place, found: Found) -> list[_LineComment]:
        """The newest of them, oldest first."""
        path = f"/repos/{place.path}/pulls/{found.number}/comments"
        newest = asks(api, path, _LineComment, sort="created", direction="desc")
        return (await read_pages(newest, PAGE, LINE_COMMENT_PAGES, newest_first=True))[::-1]

    async def failing(self, api: Api, place: Place, found: Found) -> list[FailedCheck]:
        status, runs = await self._status(api, place, found), await self._runs(api, place, found)
        states = {one.state for one in status.statuses} | {one.conclusion or one.status for one in runs}
        if states & _RUNNING:
            return []
        failed = [
            FailedCheck(one.context, one.description or "", one.target_url)
            for one in status.statuses
            if one.state in _MENDED
        ]
        wrong = [one for one in runs if one.conclusion in _MENDED]
        for number, run in enumerate(wrong):
            note = await self._annotations(api, place, run) if number < ANNOTATED_RUNS else ""
            failed.append(FailedCheck(run.name, run.told(note), run.html_url))
        return failed

    async def _annotations(self, api: Api, place: Place, run: _Run) -> str:
        path = f"/repos/{place.path}/check-runs/{run.id}/annotations"
        try:
            found = await api.ask("GET", path, list[_Annotation], query={"per_page": ANNOTATIONS})
        except ForgeRefused:
            # It is more than its name and its end say, and can be done without.
            return ""
        return "\n".join(f"{one.path}:{one.start_line}: {one.message or ''}" for one in found)

    async def is_member(self, api: Api, place: Place, who: Account) -> bool:
        path = f"/repos/{place.path}/collaborators/{quote(who.name, safe='')}/permission"
        return (await api.ask("GET", path, _Right)).permission in ("admin", "write")

    async def labelled(self, api: Api, place: Place, label: str) -> list[OpenIssue]:
        query = {"labels": label, "state": "open", "sort": "created", "direction": "desc"}
        ask = asks(api, f"/repos/{place.path}/issues", _Issue, **query)
        found = await read_pages(ask, PAGE, ISSUE_PAGES, newest_first=True)
        return [
            OpenIssue(one.number, one.title, one.body or "", one.who(), one.html_url)
            for one in found
            if one.pull_request is None
        ]

    async def labellings(self, api: Api, place: Place, number: int) -> list[Labelling]:
        ask = asks(api, f"/repos/{place.path}/issues/{number}/events", _Event)
        return [
            Labelling(one.label.name, Account(one.actor.login if one.actor else ""))
            for one in await read_whole(ask, PAGE, COMMENT_PAGES) or []
            if one.event == "labeled" and one.label
        ]

    async def issue_comments(self, api: Api, place: Place, number: int) -> list[str]:
        return [one.body or "" for one in await self._comments(api, place, number)]

    async def _comments(self, api: Api, place: Place, number: int) -> list[_Words]:
        path = f"/repos/{place.path}/issues/{number}/comments"
        return await read_pages(asks(api, path, _Words), PAGE, COMMENT_PAGES)

    async def say_at_issue(self, api: Api, place: Place, number: int, text: str) -> None:
        path = f"/repos/{place.path}/issues/{number}/comments"
        await api.ask("POST", path, _Words, body={"body": text})
