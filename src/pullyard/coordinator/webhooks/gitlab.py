"""GitLab: https://docs.gitlab.com/user/project/integrations/webhook_events/."""

from collections.abc import Mapping

import msgspec

from pullyard.coordinator.webhooks import protocol
from pullyard.coordinator.webhooks.payloads import anything_of, branch_of, moment, path_of, present
from pullyard.coordinator.webhooks.protocol import Account, Comment, Labelled, Nothing, Subject, Told, Touched
from pullyard.coordinator.webhooks.signatures import is_standard_signature, same


class _User(msgspec.Struct):
    username: str = ""


class _Project(msgspec.Struct):
    path_with_namespace: str = ""
    web_url: str = ""
    git_http_url: str = ""


class _Label(msgspec.Struct):
    title: str = ""


class _Labels(msgspec.Struct):
    previous: list[_Label] | None = None
    current: list[_Label] | None = None


class _Changes(msgspec.Struct):
    labels: _Labels | None = None


class _Commit(msgspec.Struct):
    id: str = ""


class _Issue(msgspec.Struct):
    iid: int = 0
    title: str = ""
    description: str | None = None
    confidential: bool = False


class _Request(msgspec.Struct):
    """A merge request beside what happened to it."""

    iid: int = 0
    url: str = ""
    last_commit: _Commit | None = None


class _Object(msgspec.Struct):
    """What the event is about: an issue, a merge request, a note or a pipeline."""

    id: int = 0
    iid: int = 0
    title: str | None = None
    description: str | None = None
    url: str = ""
    action: str = ""
    state: str = ""
    note: str = ""
    noteable_type: str = ""
    system: bool = False
    confidential: bool = False
    internal: bool = False
    created_at: str | None = None
    ref: str | None = None
    sha: str | None = None
    tag: bool = False


class _Payload(msgspec.Struct):
    object_kind: str = ""
    user: _User | None = None
    project: _Project | None = None
    object_attributes: _Object | None = None
    labels: list[_Label] | None = None
    changes: _Changes | None = None
    issue: _Issue | None = None
    merge_request: _Request | None = None
    ref: str | None = None


SECRET = Nothing("It is confidential, and what is made of it would not be.")


class GitLabReader:
    events: tuple[str, ...] = ("Issues events", "Comments", "Merge request events", "Pipeline events")

    def is_signed(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        if "webhook-signature" in headers:
            return is_standard_signature(headers, body, secret)
        return same(headers.get("x-gitlab-token", ""), secret)

    def event(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-gitlab-event", "")

    def read(self, event: str, body: bytes) -> Told:
        del event
        payload = msgspec.json.decode(body, type=_Payload)
        project = payload.project or _Project()
        names = present(project.path_with_namespace, path_of(project.web_url), path_of(project.git_http_url))
        return Told(frozenset(names), subject_of(payload))


def subject_of(payload: _Payload) -> Subject:
    about = payload.object_attributes or _Object()
    by = Account((payload.user.username if payload.user else "",))
    if payload.object_kind in ("issue", "work_item"):
        return labelled(payload, about, by)
    if payload.object_kind == "note":
        return commented(payload, about, by)
    return anything_of(touched_by(payload, about))


def touched_by(payload: _Payload, about: _Object) -> Touched:
    match payload.object_kind:
        case "merge_request":
            return Touched(urls=present(page_of(about.url)))
        case "pipeline":
            request = payload.merge_request.url if payload.merge_request else ""
            branch = about.ref or "" if not about.tag else ""
            return Touched(present(page_of(request)), present(branch), present(about.sha or ""))
        case "push":
            return Touched(branches=branch_of(payload.ref or ""))
        case _:
            return Touched()


def labelled(payload: _Payload, about: _Object, by: Account) -> Subject:
    if about.action not in ("open", "update") or about.state != "opened":
        return Nothing("Nobody labelled an open issue.")
    if about.confidential:
        return SECRET
    labels = titles(payload.labels)
    if about.action == "update":
        # Whoever edits an issue has not given it the labels that it had before.
        changed = (payload.changes or _Changes()).labels or _Labels()
        labels = titles(changed.current) - titles(changed.previous)
    return Labelled(read_issue(about.url, about), labels, by)


def titles(labels: list[_Label] | None) -> frozenset[str]:
    return frozenset(one.title for one in labels or ())


def commented(payload: _Payload, about: _Object, by: Account) -> Subject:
    issue = payload.issue if about.noteable_type == "Issue" else None
    if is_secret(about, issue):
        return SECRET
    if not issue and about.noteable_type != "MergeRequest":
        return Nothing("Only comments on issues and on changes ask for anything.")
    change = Touched() if issue else Touched(urls=present(page_of(about.url)))
    if about.system or about.action not in ("", "create"):
        return Nothing("Only new comments ask for anything.") if issue else change
    on_issue = read_issue(about.url, issue) if issue else None
    return Comment(f"note-{about.id}", about.note, by, moment(about.created_at), on_issue, change)


def is_secret(note: _Object, issue: _Issue | None) -> bool:
    return note.confidential or note.internal or (issue is not None and issue.confidential)


def read_issue(url: str, issue: _Issue | _Object) -> protocol.Issue:
    return protocol.Issue(page_of(url), issue.iid, issue.title or "", issue.description or "")


def page_of(url: str) -> str:
    return url.partition("#")[0]
