"""GitHub: https://docs.github.com/en/webhooks/webhook-events-and-payloads."""

from collections.abc import Mapping

import msgspec

from pullyard.coordinator.webhooks import protocol
from pullyard.coordinator.webhooks.payloads import branch_of, json_of, moment, path_of, present
from pullyard.coordinator.webhooks.protocol import Account, Comment, Labelled, Nothing, Subject, Told, Touched
from pullyard.coordinator.webhooks.signatures import is_hex_signature

# Anybody of the organisation, and who was invited to read alone: of them only the forge can tell.
_PERHAPS = frozenset({"MEMBER", "COLLABORATOR"})


class _User(msgspec.Struct):
    login: str = ""
    type: str = ""


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
    author_association: str = ""
    labels: list[_Label | None] = []
    state: str = ""
    pull_request: dict[str, object] | None = None


class _Comment(msgspec.Struct):
    id: int = 0
    body: str | None = None
    user: _User | None = None
    author_association: str = ""
    created_at: str = ""


class _Pull(msgspec.Struct):
    html_url: str = ""


class _Checked(msgspec.Struct):
    """A check suite, a check run or a workflow's run."""

    head_sha: str = ""
    head_branch: str | None = None


class _Payload(msgspec.Struct):
    action: str = ""
    repository: _Repository | None = None
    sender: _User | None = None
    issue: _Issue | None = None
    label: _Label | None = None
    comment: _Comment | None = None
    pull_request: _Pull | None = None
    check_suite: _Checked | None = None
    check_run: _Checked | None = None
    workflow_run: _Checked | None = None
    ref: str | None = None
    sha: str | None = None


class GitHubReader:
    events: tuple[str, ...] = (
        "Issues",
        "Issue comments",
        "Pull requests",
        "Pull request reviews",
        "Pull request review comments",
        "Check suites",
        "Statuses",
    )

    def is_signed(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        return is_hex_signature(headers, ("x-hub-signature-256",), body, secret)

    def event(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-github-event", "")

    def read(self, event: str, body: bytes) -> Told:
        payload = msgspec.json.decode(json_of(body), type=_Payload)
        repository = payload.repository or _Repository()
        names = present(repository.full_name, path_of(repository.html_url))
        return Told(frozenset(names), subject_of(event, payload))


def subject_of(event: str, payload: _Payload) -> Subject:
    if event == "ping":
        return Nothing("GitHub tries whether we are here.")
    if event == "issues" and payload.issue:
        return labelled(payload, payload.issue)
    if event == "issue_comment" and payload.issue and payload.comment:
        return commented(payload, payload.issue, payload.comment)
    touched = touched_by(payload, (event == "status" and payload.sha) or "")
    return touched if touched != Touched() else Nothing("This event is about nothing that Pullyard made.")


def touched_by(payload: _Payload, commit: str) -> Touched:
    checked = payload.check_suite or payload.check_run or payload.workflow_run or _Checked()
    return Touched(
        urls=present(payload.pull_request.html_url) if payload.pull_request else (),
        branches=branch_of(payload.ref or "") + present(checked.head_branch or ""),
        commits=present(checked.head_sha, commit),
    )


def labelled(payload: _Payload, issue: _Issue) -> Subject:
    if payload.action not in ("opened", "labeled") or issue.state == "closed":
        return Nothing("Nobody labelled an open issue.")
    labels = [payload.label] if payload.action == "labeled" else issue.labels
    return Labelled(
        read_issue(issue), frozenset(one.name for one in labels if one), who_labelled(payload, issue)
    )


def who_labelled(payload: _Payload, issue: _Issue) -> Account:
    """Labels need the triage role, but those that an issue's form brings along are anybody's."""
    sender, author = payload.sender or _User(), issue.user or _User()
    if sender.login == author.login:
        return Account((sender.login,), is_member(issue.author_association))
    return Account((sender.login,), member=sender.type == "User" and payload.action == "labeled")


def is_member(association: str) -> bool | None:
    return None if association in _PERHAPS else association == "OWNER"


def commented(payload: _Payload, issue: _Issue, comment: _Comment) -> Subject:
    change = Touched(urls=(issue.html_url,)) if issue.pull_request else Touched()
    if payload.action != "created":
        return change if issue.pull_request else Nothing("Only new comments ask for anything.")
    by = Account((comment.user.login if comment.user else "",), is_member(comment.author_association))
    about = None if issue.pull_request else read_issue(issue)
    return Comment(f"comment-{comment.id}", comment.body or "", by, moment(comment.created_at), about, change)


def read_issue(issue: _Issue) -> protocol.Issue:
    author = issue.user.login if issue.user else ""
    return protocol.Issue(issue.html_url, issue.number, issue.title, issue.body or "", author)
