"""What GitHub's payloads are made of, and those of Gitea and Forgejo, which are modelled on them."""

import msgspec

from pullyard.coordinator.webhooks import protocol


class User(msgspec.Struct):
    login: str = ""
    type: str = ""


class Repository(msgspec.Struct):
    full_name: str = ""
    html_url: str = ""


class Label(msgspec.Struct):
    name: str = ""


class Issue(msgspec.Struct):
    number: int = 0
    html_url: str = ""
    title: str = ""
    body: str | None = None
    user: User | None = None
    author_association: str = ""
    """GitHub's alone, as is a comment's."""
    labels: list[Label | None] | None = None
    state: str = ""
    pull_request: dict[str, object] | None = None


class Comment(msgspec.Struct):
    id: int = 0
    body: str | None = None
    user: User | None = None
    author_association: str = ""
    created_at: str = ""
    pull_request_url: str = ""
    """Gitea's alone."""


class Pull(msgspec.Struct):
    html_url: str = ""


class Checked(msgspec.Struct):
    """A check suite, a check run or a workflow's run."""

    head_sha: str = ""
    head_branch: str | None = None


def login_of(user: User | None) -> str:
    return user.login if user else ""


def read_issue(issue: Issue) -> protocol.Issue:
    return protocol.Issue(issue.html_url, issue.number, issue.title, issue.body or "", login_of(issue.user))
