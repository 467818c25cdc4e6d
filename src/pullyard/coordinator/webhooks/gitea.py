"""Gitea and Forgejo: https://docs.gitea.com/usage/repository/webhooks and its ``modules/structs/hook.go``."""

from collections.abc import Mapping

import msgspec

from pullyard.coordinator.webhooks import github_shapes as shapes
from pullyard.coordinator.webhooks.github_shapes import login_of, read_comment, read_issue
from pullyard.coordinator.webhooks.payloads import anything_of, json_of, present
from pullyard.coordinator.webhooks.protocol import Account, Labelled, Nothing, Subject, Told, Touched
from pullyard.coordinator.webhooks.signatures import is_hex_signature

_SIGNATURES = ("x-gitea-signature", "x-forgejo-signature", "x-hub-signature-256")


class _Payload(shapes.Payload):
    is_pull: bool = False


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
        return payload.told(subject_of(event, payload))


def subject_of(event: str, payload: _Payload) -> Subject:
    if payload.issue and payload.comment:
        return commented(payload, payload.issue, payload.comment)
    if payload.issue:
        return labelled(payload, payload.issue)
    return anything_of(payload.touched(event, payload.workflow_run))


def labelled(payload: _Payload, issue: shapes.Issue) -> Subject:
    if payload.action not in ("opened", "label_updated") or issue.state == "closed":
        return Nothing("Nobody labelled an open issue.")
    names = frozenset(one.name for one in issue.labels or () if one)
    return Labelled(read_issue(issue), names, Account((login_of(payload.sender),)))


def commented(payload: _Payload, issue: shapes.Issue, comment: shapes.Comment) -> Subject:
    is_change = payload.is_pull or issue.pull_request is not None
    # An issue's page is also where its change is: a forge leads from one to the other.
    page = comment.pull_request_url or issue.html_url
    change = Touched(urls=present(page, issue.html_url)) if is_change else Touched()
    if payload.action != "created":
        return change if is_change else Nothing("Only new comments ask for anything.")
    about = None if is_change else read_issue(issue)
    return read_comment(comment, Account((login_of(comment.user),)), about, change)
