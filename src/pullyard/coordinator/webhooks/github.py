"""GitHub: https://docs.github.com/en/webhooks/webhook-events-and-payloads."""

from collections.abc import Mapping

import msgspec

from pullyard.coordinator.webhooks import github_shapes as shapes
from pullyard.coordinator.webhooks.github_shapes import login_of, read_comment, read_issue
from pullyard.coordinator.webhooks.payloads import anything_of, json_of
from pullyard.coordinator.webhooks.protocol import Account, Labelled, Nothing, Subject, Told, Touched
from pullyard.coordinator.webhooks.signatures import is_hex_signature

# Anybody of the organisation, and who was invited to read alone: of them only the forge can tell.
_PERHAPS = frozenset({"MEMBER", "COLLABORATOR"})


class _Payload(shapes.Payload):
    label: shapes.Label | None = None
    check_suite: shapes.Checked | None = None
    check_run: shapes.Checked | None = None


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
        return payload.told(subject_of(event, payload))


def subject_of(event: str, payload: _Payload) -> Subject:
    if event == "ping":
        return Nothing("GitHub tries whether we are here.")
    if event == "issues" and payload.issue:
        return labelled(payload, payload.issue)
    if event == "issue_comment" and payload.issue and payload.comment:
        return commented(payload, payload.issue, payload.comment)
    checked = payload.check_suite or payload.check_run or payload.workflow_run
    return anything_of(payload.touched(event, checked))


def labelled(payload: _Payload, issue: shapes.Issue) -> Subject:
    if payload.action not in ("opened", "labeled") or issue.state == "closed":
        return Nothing("Nobody labelled an open issue.")
    labels = [payload.label] if payload.action == "labeled" else issue.labels
    names = frozenset(one.name for one in labels or () if one)
    return Labelled(read_issue(issue), names, who_labelled(payload, issue))


def who_labelled(payload: _Payload, issue: shapes.Issue) -> Account:
    """Labels need the triage role, but those that an issue's form brings along are anybody's."""
    sender, author = payload.sender or shapes.User(), issue.user or shapes.User()
    if sender.login == author.login:
        return Account((sender.login,), is_member(issue.author_association))
    return Account((sender.login,), member=sender.type == "User" and payload.action == "labeled")


def is_member(association: str) -> bool | None:
    return None if association in _PERHAPS else association == "OWNER"


def commented(payload: _Payload, issue: shapes.Issue, comment: shapes.Comment) -> Subject:
    change = Touched(urls=(issue.html_url,)) if issue.pull_request else Touched()
    if payload.action != "created":
        return change if issue.pull_request else Nothing("Only new comments ask for anything.")
    by = Account((login_of(comment.user),), is_member(comment.author_association))
    return read_comment(comment, by, None if issue.pull_request else read_issue(issue), change)
