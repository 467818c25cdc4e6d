"""Gitea and Forgejo: https://docs.gitea.com/usage/repository/webhooks and its ``modules/structs/hook.go``."""

from collections.abc import Mapping

import msgspec

from pullyard.coordinator.webhooks import protocol
from pullyard.coordinator.webhooks.payloads import branch_of, json_of, moment, path_of, present
from pullyard.coordinator.webhooks.protocol import Account, Comment, Labelled, Nothing, Subject, Told, Touched
from pullyard.coordinator.webhooks.signatures import is_hex_signature

_SIGNATURES = ("x-gitea-signature", "x-forgejo-signature", "x-hub-signature-256")


class _User(msgspec.Struct):
    login: str = ""


class _Repository(msgspec.Struct):
    full_name: str = ""
    html_url: str = ""


class _Label(msgspec.Struct):
    name: str = ""


class _Issue(msgspec.Struct):
    number: int = 0
    html_url: str = ""
    title: str = ""
    body: str | None = None
    user: _User | None = None
    labels: list[_Label] | None = None
    state: str = ""
    pull_request: dict[str, object] | None = None


class _Comment(msgspec.Struct):
    id: int = 0
    body: str | None = None
    user: _User | None = None
    created_at: str = ""
    pull_request_url: str = ""


class _Pull(msgspec.Struct):
    html_url: str = ""


class _Run(msgspec.Struct):
    head_sha: str = ""
    head_branch: str | None = None


class _Payload(msgspec.Struct):
    action: str = ""
    repository: _Repository | None = None
    sender: _User | None = None
    issue: _Issue | None = None
    comment: _Comment | None = None
    pull_request: _Pull | None = None
    workflow_run: _Run | None = None
    is_pull: bool = False
    ref: str = ""
    sha: str = ""


class GiteaReader:
    events: tuple[str, ...] = (
        "Issues",
        "Issue Labels",
        "Issue Comment",
        "Pull Request",
        "Pull Request Comment",
        "Pull Request Reviewed",
        "Status, or Workflow Run, where there is one",
    )

    def is_signed(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        return is_hex_signature(headers, _SIGNATURES, body, secret)

    def event(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-gitea-event") or headers.get("x-forgejo-event", "")

    def read(self, event: str, body: bytes) -> Told:
        payload = msgspec.json.decode(json_of(body), type=_Payload)
        repository = payload.repository or _Repository()
        names = present(repository.full_name, path_of(repository.html_url))
        return Told(frozenset(names), subject_of(event, payload))


def subject_of(event: str, payload: _Payload) -> Subject:
    if payload.issue and payload.comment:
        return commented(payload, payload.issue, payload.comment)
    if payload.issue:
        return labelled(payload, payload.issue)
    run = payload.workflow_run or _Run()
    touched = Touched(
        urls=present(payload.pull_request.html_url) if payload.pull_request else (),
        branches=branch_of(payload.ref) + present(run.head_branch or ""),
        commits=present(run.head_sha, payload.sha if event == "status" else ""),
    )
    return touched if touched != Touched() else Nothing("This event is about nothing that Pullyard made.")


def labelled(payload: _Payload, issue: _Issue) -> Subject:
    if payload.action not in ("opened", "label_updated") or issue.state == "closed":
        return Nothing("Nobody labelled an open issue.")
    labels = frozenset(one.name for one in issue.labels or ())
    return Labelled(read_issue(issue), labels, Account((payload.sender.login if payload.sender else "",)))


def commented(payload: _Payload, issue: _Issue, comment: _Comment) -> Subject:
    is_change = payload.is_pull or issue.pull_request is not None
    # An issue's page is also where its change is: a forge leads from one to the other.
    page = comment.pull_request_url or issue.html_url
    change = Touched(urls=present(page, issue.html_url)) if is_change else Touched()
    if payload.action != "created":
        return change if is_change else Nothing("Only new comments ask for anything.")
    by = Account((comment.user.login if comment.user else "",))
    about = None if is_change else read_issue(issue)
    return Comment(f"comment-{comment.id}", comment.body or "", by, moment(comment.created_at), about, change)


def read_issue(issue: _Issue) -> protocol.Issue:
    author = issue.user.login if issue.user else ""
    return protocol.Issue(issue.html_url, issue.number, issue.title, issue.body or "", author)
