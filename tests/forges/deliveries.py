"""What forges send through webhooks: GitHub's from its published examples, the others as documented."""

import base64
import copy
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

EXAMPLES: dict[str, Any] = json.loads(
    Path(__file__).with_name("shapes").joinpath("github_events.json").read_text()
)
Signed = tuple[bytes, dict[str, str]]
"""A body, and the headers beside it."""


def now() -> str:
    return datetime.now(UTC).isoformat()


def hexed(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


@dataclass
class Forge:
    """One kind: its addresses, its events, and how it signs them."""

    kind: str
    repository: str
    issue_url: Callable[[int], str]
    change_url: str
    trusts: list[str]
    """Accounts that a project has to name, because payloads do not tell who belongs to it."""
    event_header: str
    signature: Callable[[str, bytes], dict[str, str]]
    labelled: Callable[..., tuple[str, Any]]
    """Takes number and label, gives event and payload."""
    commented: Callable[..., tuple[str, Any]]
    """Takes the text and ``change`` for a comment on the change instead of issue 5."""
    touching: Callable[[str, str], dict[str, tuple[str, Any]]]
    """Takes branch and commit of a change: all events that are about it."""
    extra: dict[str, str] = field(default_factory=dict)

    def sign(self, secret: str, event: str, payload: Any) -> Signed:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        headers = {self.event_header: event, "content-type": "application/json", **self.extra}
        return body, {**headers, **self.signature(secret, body)}


def example(name: str, **changes: Any) -> Any:
    return {**copy.deepcopy(EXAMPLES[name]), **changes}


GITHUB = "https://github.com/Codertocat/Hello-World"


def github_labelled(number: int = 5, label: str = "pullyard", **issue: Any) -> tuple[str, Any]:
    payload = example("issues labeled")
    payload["issue"] |= {"number": number, "html_url": f"{GITHUB}/issues/{number}", **issue}
    payload["label"]["name"] = label
    return "issues", payload


def github_commented(text: str, *, change: bool = False, at: str = "") -> tuple[str, Any]:
    payload = example("issue_comment created")
    payload["comment"] |= {"body": text, "created_at": at or now()}
    url = f"{GITHUB}/issues/5"
    if change:
        url = f"{GITHUB}/pull/2"
        payload["issue"]["pull_request"] = {"html_url": url}
    payload["issue"] |= {"number": 5, "html_url": url}
    return "issue_comment", payload


def github_touching(branch: str, commit: str) -> dict[str, tuple[str, Any]]:
    suite, run, workflow = (
        example(f"{name} completed") for name in ("check_suite", "check_run", "workflow_run")
    )
    suite["check_suite"] |= {"head_branch": branch, "head_sha": commit}
    run["check_run"]["head_sha"] = commit
    workflow["workflow_run"] |= {"head_branch": branch, "head_sha": commit}
    names = ("pull_request closed", "pull_request_review submitted", "pull_request_review_comment created")
    return {
        **{name: (name.partition(" ")[0], example(name)) for name in names},
        "suite": ("check_suite", suite),
        "run": ("check_run", run),
        "workflow": ("workflow_run", workflow),
        "status": ("status", example("status", sha=commit)),
        "push": ("push", example("push", ref=f"refs/heads/{branch}")),
    }


GITLAB = "https://gitlab.com/diaspora/web/shop"
GITLAB_PROJECT = {
    "id": 1,
    "path_with_namespace": "diaspora/web/shop",
    "web_url": GITLAB,
    "git_http_url": f"{GITLAB}.git",
}


def gitlab(kind: str, about: Any, **more: Any) -> Any:
    user = {"id": 1, "name": "Administrator", "username": "root"}
    return {
        "object_kind": kind,
        "user": user,
        "project": GITLAB_PROJECT,
        "object_attributes": about,
        **more,
    }


def gitlab_labelled(number: int = 5, label: str = "pullyard", **issue: Any) -> tuple[str, Any]:
    about = {
        "iid": number,
        "title": "Spelling error",
        "description": "It looks wrong.",
        "url": f"{GITLAB}/-/issues/{number}",
        "state": "opened",
        "action": "update",
        "created_at": "2013-12-03T17:15:43Z",
        **issue,
    }
    labels = [{"id": 206, "title": label}]
    given = {"labels": {"previous": [], "current": labels}}
    return "Issue Hook", gitlab("issue", {**about, "labels": labels}, labels=labels, changes=given)


def gitlab_commented(text: str, *, change: bool = False, at: str = "") -> tuple[str, Any]:
    page = f"{GITLAB}/-/merge_requests/2" if change else f"{GITLAB}/-/issues/5"
    note = {
        "id": 1244,
        "note": text,
        "noteable_type": "MergeRequest" if change else "Issue",
        "created_at": at or datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "system": False,
        "action": "create",
        "url": f"{page}#note_1244",
    }
    issue = {
        "id": 92,
        "iid": 5,
        "title": "Spelling error",
        "description": "It looks wrong.",
        "state": "opened",
    }
    about = {"merge_request": {"iid": 2}} if change else {"issue": issue}
    return "Note Hook", gitlab("note", note, **about)


def gitlab_touching(branch: str, commit: str) -> dict[str, tuple[str, Any]]:
    page = f"{GITLAB}/-/merge_requests/2"
    pipeline = {"id": 31, "ref": branch, "tag": False, "sha": commit, "status": "failed"}
    push = {"object_kind": "push", "ref": f"refs/heads/{branch}", "project": GITLAB_PROJECT, "commits": []}
    return {
        "approved": (
            "Merge Request Hook",
            gitlab(
                "merge_request", {"iid": 2, "url": page, "action": "approved", "last_commit": {"id": commit}}
            ),
        ),
        "pipeline": ("Pipeline Hook", gitlab("pipeline", pipeline)),
        "push": ("Push Hook", push),
    }


GITEA = "https://codeberg.org/gitea/webhooks"
GITEA_REPOSITORY = {"id": 140, "full_name": "gitea/webhooks", "html_url": GITEA}


def gitea(action: str, **more: Any) -> Any:
    return {"action": action, "repository": GITEA_REPOSITORY, "sender": {"id": 1, "login": "root"}, **more}


def gitea_issue(number: int, label: str = "", **more: Any) -> Any:
    return {
        "id": 1,
        "number": number,
        "html_url": f"{GITEA}/issues/{number}",
        "title": "Spelling error",
        "body": "It looks wrong.",
        "user": {"login": "someone"},
        "labels": [{"id": 9, "name": label}],
        "state": "open",
        "pull_request": None,
        **more,
    }


def gitea_labelled(number: int = 5, label: str = "pullyard", **issue: Any) -> tuple[str, Any]:
    return "issues", gitea("label_updated", number=number, issue=gitea_issue(number, label, **issue))


def gitea_commented(text: str, *, change: bool = False, at: str = "") -> tuple[str, Any]:
    pull = {"pull_request": {"merged": False}, "html_url": f"{GITEA}/pulls/2"} if change else {}
    comment = {"id": 3, "body": text, "user": {"login": "root"}, "created_at": at or now()}
    return "issue_comment", gitea("created", issue=gitea_issue(5, **pull), comment=comment, is_pull=change)


def gitea_touching(branch: str, commit: str) -> dict[str, tuple[str, Any]]:
    pull = {"id": 2, "number": 2, "html_url": f"{GITEA}/pulls/2", "head": {"ref": branch, "sha": commit}}
    review = {"type": "pull_request_review_approved", "content": "Good"}
    return {
        "closed": ("pull_request", gitea("closed", pull_request=pull, number=2)),
        "reviewed": ("pull_request_approved", gitea("reviewed", pull_request=pull, review=review)),
        "run": ("workflow_run", gitea("completed", workflow_run={"head_branch": branch, "head_sha": commit})),
        "status": ("status", gitea("", sha=commit, state="failure")),
        "push": ("push", gitea("", ref=f"refs/heads/{branch}")),
    }


BITBUCKET = "https://bitbucket.org/team/shop"
BITBUCKET_ACCOUNT = {"nickname": "root", "account_id": "557058:1", "uuid": "{1}"}


def bitbucket(**more: Any) -> Any:
    repository = {"full_name": "team/shop", "links": {"html": {"href": BITBUCKET}}}
    return {"actor": BITBUCKET_ACCOUNT, "repository": repository, **more}


def bitbucket_issue(number: int, label: str = "", **more: Any) -> Any:
    return {
        "id": number,
        "title": "Spelling error",
        "state": "new",
        "content": {"raw": "It looks wrong.", "html": "<p>It looks wrong.</p>"},
        "component": {"name": label} if label else None,
        "links": {"html": {"href": f"{BITBUCKET}/issues/{number}/spelling-error"}},
        **more,
    }


def bitbucket_labelled(number: int = 5, label: str = "pullyard", **issue: Any) -> tuple[str, Any]:
    given = {"component": {"old": None, "new": label}}
    return "issue:updated", bitbucket(issue=bitbucket_issue(number, label, **issue), changes=given)


def bitbucket_commented(text: str, *, change: bool = False, at: str = "") -> tuple[str, Any]:
    comment = {"id": 3, "content": {"raw": text}, "created_on": at or now()}
    if change:
        request = {"id": 2, "links": {"html": {"href": f"{BITBUCKET}/pull-requests/2"}}}
        return "pullrequest:comment_created", bitbucket(pullrequest=request, comment=comment)
    return "issue:comment_created", bitbucket(issue=bitbucket_issue(5), comment=comment)


def bitbucket_touching(branch: str, commit: str) -> dict[str, tuple[str, Any]]:
    request = {"id": 2, "links": {"html": {"href": f"{BITBUCKET}/pull-requests/2"}}}
    status = {"state": "FAILED", "refname": branch, "commit": {"hash": commit}}
    return {
        "approved": ("pullrequest:approved", bitbucket(pullrequest=request, approval={})),
        "merged": ("pullrequest:fulfilled", bitbucket(pullrequest=request)),
        "status": ("repo:commit_status_updated", bitbucket(commit_status=status)),
    }


def standard(secret: str, body: bytes) -> dict[str, str]:
    """GitLab's newer signature, by standardwebhooks.com."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = base64.b64encode(hmac.new(key, b"msg_1.1700000000." + body, sha256).digest()).decode()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{signed}",
    }


def github_signature(secret: str, body: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hexed(secret, body)}


def gitlab_token(secret: str, body: bytes) -> dict[str, str]:
    """Of the same value whatever is sent."""
    del body
    return {"x-gitlab-token": secret}


FORGES = {
    forge.kind: forge
    for forge in (
        Forge(
            "github",
            f"{GITHUB}.git",
            lambda number: f"{GITHUB}/issues/{number}",
            f"{GITHUB}/pull/2",
            [],
            "x-github-event",
            github_signature,
            github_labelled,
            github_commented,
            github_touching,
            {"x-github-delivery": "1"},
        ),
        Forge(
            "gitlab",
            f"{GITLAB}.git",
            lambda number: f"{GITLAB}/-/issues/{number}",
            f"{GITLAB}/-/merge_requests/2",
            ["Root"],
            "x-gitlab-event",
            gitlab_token,
            gitlab_labelled,
            gitlab_commented,
            gitlab_touching,
        ),
        Forge(
            "gitea",
            "git@codeberg.org:gitea/webhooks.git",
            lambda number: f"{GITEA}/issues/{number}",
            f"{GITEA}/pulls/2",
            ["root"],
            "x-gitea-event",
            lambda secret, body: {"x-gitea-signature": hexed(secret, body)},
            gitea_labelled,
            gitea_commented,
            gitea_touching,
        ),
        Forge(
            "bitbucket",
            f"{BITBUCKET}.git",
            lambda number: f"{BITBUCKET}/issues/{number}",
            f"{BITBUCKET}/pull-requests/2",
            ["557058:1"],
            "x-event-key",
            lambda secret, body: {"x-hub-signature": "sha256=" + hexed(secret, body)},
            bitbucket_labelled,
            bitbucket_commented,
            bitbucket_touching,
        ),
    )
}
