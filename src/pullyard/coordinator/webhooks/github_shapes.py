"""What GitHub's payloads are made of, and those of Gitea and Forgejo, which are modelled on them."""

import msgspec

from pullyard.coordinator.webhooks import protocol
from pullyard.coordinator.webhooks.payloads import branch_of, moment, path_of, present
from pullyard.coordinator.webhooks.protocol import Account, Subject, Told, Touched


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


class Payload(msgspec.Struct):
    """What both send; of one event there are a few of these."""

    action: str = ""
    repository: Repository | None = None
    sender: User | None = None
    issue: Issue | None = None
    comment: Comment | None = None
    pull_request: Pull | None = None
    workflow_run: Checked | None = None
    ref: str | None = None
    sha: str | None = None

    def told(self, subject: Subject) -> Told:
        repository = self.repository or Repository()
        return Told(frozenset(present(repository.full_name, path_of(repository.html_url))), subject)

    def touched(self, event: str, checked: Checked | None) -> Touched:
        pull, checked = self.pull_request or Pull(), checked or Checked()
        status = self.sha if event == "status" else None
        return Touched(
            urls=present(pull.html_url),
            branches=branch_of(self.ref or "") + present(checked.head_branch or ""),
            commits=present(checked.head_sha, status or ""),
        )


def login_of(user: User | None) -> str:
    return user.login if user else ""


def read_issue(issue: Issue) -> protocol.Issue:
    return protocol.Issue(issue.html_url, issue.number, issue.title, issue.body or "", login_of(issue.user))


def read_comment(
    comment: Comment, by: Account, issue: protocol.Issue | None, change: Touched
) -> protocol.Comment:
    key, at = f"comment-{comment.id}", moment(comment.created_at)
    return protocol.Comment(key, comment.body or "", by, at, issue, change)
