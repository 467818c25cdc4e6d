"""Bitbucket Cloud: https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/."""

from collections.abc import Mapping

import msgspec

from pullyard.coordinator.webhooks import protocol
from pullyard.coordinator.webhooks.payloads import anything_of, moment, path_of, present
from pullyard.coordinator.webhooks.protocol import Account, Comment, Labelled, Nothing, Subject, Told, Touched
from pullyard.coordinator.webhooks.signatures import is_hex_signature

OPEN = frozenset({"new", "open"})


class _Link(msgspec.Struct):
    href: str = ""


class _Links(msgspec.Struct):
    html: _Link = msgspec.field(default_factory=_Link)


class _Account(msgspec.Struct):
    nickname: str = ""
    account_id: str = ""
    uuid: str = ""


class _Repository(msgspec.Struct):
    full_name: str = ""
    links: _Links = msgspec.field(default_factory=_Links)


class _Text(msgspec.Struct):
    raw: str | None = None


class _Component(msgspec.Struct):
    name: str = ""


class _Change(msgspec.Struct):
    new: str | None = None


class _Changes(msgspec.Struct):
    component: _Change | None = None


class _Issue(msgspec.Struct):
    id: int = 0
    title: str = ""
    state: str = ""
    content: _Text | None = None
    component: _Component | None = None
    reporter: _Account | None = None
    links: _Links = msgspec.field(default_factory=_Links)


class _Comment(msgspec.Struct):
    id: int = 0
    content: _Text | None = None
    created_on: str = ""


class _Request(msgspec.Struct):
    links: _Links = msgspec.field(default_factory=_Links)


class _Commit(msgspec.Struct):
    hash: str = ""


class _Status(msgspec.Struct):
    commit: _Commit | None = None
    refname: str | None = None


class _Payload(msgspec.Struct):
    actor: _Account | None = None
    repository: _Repository | None = None
    issue: _Issue | None = None
    changes: _Changes | None = None
    comment: _Comment | None = None
    pullrequest: _Request | None = None
    commit_status: _Status | None = None


class BitbucketReader:
    events: tuple[str, ...] = (
        "Issue: Created, Updated, Comment created",
        "Pull request: Updated, Approved, Approval removed, Changes Request created, Merged, Declined, "
        "Comment created",
        "Repository: Build status created, Build status updated",
    )

    def is_signed(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        return is_hex_signature(headers, ("x-hub-signature",), body, secret)

    def event(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-event-key", "")

    def read(self, event: str, body: bytes) -> Told:
        payload = msgspec.json.decode(body, type=_Payload)
        repository = payload.repository or _Repository()
        names = present(repository.full_name, path_of(repository.links.html.href))
        return Told(frozenset(names), subject_of(event, payload))


def subject_of(event: str, payload: _Payload) -> Subject:
    actor = payload.actor or _Account()
    # A nickname is not one account's alone, so it can't be trusted, and is not even shown.
    by = Account(present(actor.account_id, actor.uuid) or ("",))
    if event in ("issue:created", "issue:updated"):
        return labelled(event, payload, by)
    touched = touched_by(payload)
    if event.endswith(":comment_created") and (said := payload.comment):
        about = read_issue(payload.issue) if payload.issue else None
        return Comment(f"comment-{said.id}", raw(said.content), by, moment(said.created_on), about, touched)
    return anything_of(touched)


def touched_by(payload: _Payload) -> Touched:
    status, request = payload.commit_status or _Status(), payload.pullrequest or _Request()
    return Touched(
        urls=present(request.links.html.href),
        branches=present(status.refname or ""),
        commits=present(status.commit.hash if status.commit else ""),
    )


def labelled(event: str, payload: _Payload, by: Account) -> Subject:
    issue = payload.issue or _Issue()
    if issue.state not in OPEN:
        return Nothing("Nobody labelled an open issue.")
    return Labelled(read_issue(issue), frozenset(present(component_given(event, payload, issue))), by)


def read_issue(issue: _Issue) -> protocol.Issue:
    return protocol.Issue(issue.links.html.href, issue.id, issue.title, raw(issue.content))


def component_given(event: str, payload: _Payload, about: _Issue) -> str:
    if event == "issue:updated":
        # Whoever edits an issue has not given it the component that it had before.
        changed = payload.changes.component if payload.changes else None
        return (changed.new if changed else None) or ""
    return about.component.name if about.component else ""


def raw(text: _Text | None) -> str:
    return (text.raw if text else "") or ""
