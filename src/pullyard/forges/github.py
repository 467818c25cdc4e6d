"""GitHub, GitHub Enterprise Server and GitHub with data residency: pull requests, by a token or an App."""

from typing import Any

from msgspec import Struct

from pullyard.forges.api import Api
from pullyard.forges.api_forge import AlreadyThere, ApiForge, Found, checks_of, page_url, tried
from pullyard.forges.errors import ForgeRefused
from pullyard.forges.protocol import Checks, Offer
from pullyard.forges.sites import Place
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import RemoteFailure

PAGE = 100
COMMENT_PAGES = 10
_READY = (
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) "
    "{ pullRequest { isDraft } } }"
)
_FAILING = {
    *("failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale", "error"),
}
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


class _Comment(Struct):
    body: str = ""


class _Person(Struct):
    login: str = ""


class _Review(Struct):
    state: str
    user: _Person | None = None


class _Status(Struct):
    state: str
    total_count: int = 0


class _Run(Struct):
    status: str
    conclusion: str | None = None


class _Runs(Struct):
    check_runs: list[_Run] = []


class _Said(Struct):
    message: str = ""


class _Graph(Struct):
    errors: list[_Said] = []


class GitHubForge(ApiForge):
    name = "github"

    async def find(self, api: Api, place: Place, branch: str) -> Found | None:
        query = {"head": f"{place.owner}:{branch}", "state": "all", "per_page": PAGE, "direction": "desc"}
        pulls = await api.ask("GET", f"/repos/{place.path}/pulls", list[_Pull], query=query)
        # The owner may have a fork of the repository beside it, with a branch of this name; one that was
        # deleted since is no repository here.
        ours = [
            one.found()
            for one in pulls
            if one.head.ref == branch
            and one.head.repo is not None
            and one.head.repo.full_name.lower() == place.path.lower()
        ]
        return next((one for one in ours if one.state is ChangeState.OPEN), ours[0] if ours else None)

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
        reviews = await api.ask(
            "GET",
            f"/repos/{place.path}/pulls/{found.number}/reviews",
            list[_Review],
            query={"per_page": PAGE},
        )
        last = {one.user.login: one.state for one in reviews if one.user and one.state != "COMMENTED"}
        approved = "APPROVED" in last.values() and "CHANGES_REQUESTED" not in last.values()
        commit = f"/repos/{place.path}/commits/{found.commit}"
        status = await api.ask("GET", f"{commit}/status", _Status)
        states = {status.state} if status.total_count else set[str]()
        try:
            runs = await api.ask("GET", f"{commit}/check-runs", _Runs, query={"per_page": PAGE})
        except ForgeRefused as refusal:
            # A personal token of the finer kind can't read them at all.
            if refusal.status not in (403, 404):
                raise
            runs = _Runs()
        states |= {one.conclusion or one.status for one in runs.check_runs}
        return approved, checks_of(states, _FAILING, _PENDING)

    async def comments(self, api: Api, place: Place, found: Found) -> list[str]:
        said: list[str] = []
        path = f"/repos/{place.path}/issues/{found.number}/comments"
        for number in range(1, COMMENT_PAGES + 1):
            page = await api.ask("GET", path, list[_Comment], query={"per_page": PAGE, "page": number})
            said += [one.body for one in page]
            if len(page) < PAGE:
                break
        return said

    async def say(self, api: Api, place: Place, found: Found, text: str) -> None:
        await api.ask(
            "POST", f"/repos/{place.path}/issues/{found.number}/comments", _Comment, body={"body": text}
        )
