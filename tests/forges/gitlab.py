"""GitLab's API over a server of ours; shapes as in its documentation (npm ``@gitbeaker/core`` 43.8, MIT)."""

from typing import Any

from tests.forges.recorded import Route, answerer, paged
from tests.forges.server import OWN, REASON, Asked, Change, ForgeServer, Issue, Refused

API = "/api/v4"
TEXT = (str, type(None))
REQUEST = {
    **dict.fromkeys(("iid", "target_project_id"), int),
    "source_project_id": (int, type(None)),
    **dict.fromkeys(("state", "title", "web_url", "source_branch", "target_branch"), str),
    **dict.fromkeys(("description", "sha", "merge_commit_sha", "squash_commit_sha"), TEXT),
    "draft": bool,
    "detailed_merge_status": str,
    "head_pipeline": (dict, type(None)),
}
PROJECT = {"visibility": str, "public_jobs": bool, "builds_access_level": str}
EDIT = {
    **dict.fromkeys(("target_branch", "title", "add_labels", "labels", "remove_labels"), str),
    **dict.fromkeys(("description", "state_event"), str),
    **dict.fromkeys(("assignee_id", "milestone_id"), int),
    **dict.fromkeys(("assignee_ids", "reviewer_ids"), list),
    **dict.fromkeys(("remove_source_branch", "squash", "allow_collaboration"), bool),
}
CREATE = {**EDIT, "source_branch": str, "target_project_id": int}
MERGE = {
    **dict.fromkeys(("merge_commit_message", "squash_commit_message", "sha"), str),
    **dict.fromkeys(("squash", "should_remove_source_branch", "merge_when_pipeline_succeeds"), bool),
}


def shown(server: ForgeServer, change: Change) -> dict[str, Any]:
    words = {"open": "opened", "closed": "closed", "merged": "merged"}
    return {
        "iid": change.number,
        "source_project_id": None if change.gone_fork else 9,
        "target_project_id": 9,
        "state": words[change.state],
        "title": change.title,
        "description": change.body,
        "web_url": server.page(change, "-/merge_requests"),
        "source_branch": change.branch,
        "target_branch": change.base,
        "sha": server.head(change),
        "merge_commit_sha": change.merged_commit,
        "squash_commit_sha": None,
        "draft": change.title.startswith("Draft:"),
        "detailed_merge_status": "mergeable" if server.mergeable(change) else "conflict",
        "head_pipeline": pipeline_of(server, change),
    }


def pipeline_of(server: ForgeServer, change: Change) -> dict[str, Any] | None:
    words = {"passing": "success", "failing": "failed", "pending": "running"}
    if not change.checks:
        return None
    worst = next(one for one in ("pending", "failing", "passing") if one in change.checks)
    return {"id": 500 + change.number, "status": words[worst], "sha": server.head(change)}


def list_requests(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    known(server, values)
    query = asked.query
    opened, newest_first = query["state"] == "opened", query["sort"] == "desc"
    found = server.from_branch(query["source_branch"], opened=opened, newest_first=newest_first)
    return 200, [shown(server, one) for one in paged(found, asked, "per_page")]


def known(server: ForgeServer, values: list[str]) -> None:
    if values[0] != server.name.replace("/", "%2F"):
        raise Refused(404, {"message": "404 Project Not Found"})


def create_request(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    known(server, values)
    wish = asked.body
    if other := server.open_of(wish["source_branch"]):
        said = f"Another open merge request already exists for this source branch: !{other.number}"
        raise Refused(409, {"message": [said]})
    made = server.create(wish["source_branch"], wish["target_branch"], wish["title"], wish["description"])
    return 201, shown(server, made)


def show_request(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    return 200, shown(server, server.numbered(values[1]))


def edit_request(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change, wish = server.numbered(values[1]), asked.body
    change.title = wish.get("title", change.title)
    change.body = wish.get("description", change.body)
    change.base = wish.get("target_branch", change.base)
    change.labels += [
        one for one in wish.get("add_labels", "").split(",") if one and one not in change.labels
    ]
    change.reviewers = [server.people[one - 1] for one in wish.get("reviewer_ids", [])] or change.reviewers
    change.assignees = [server.people[one - 1] for one in wish.get("assignee_ids", [])] or change.assignees
    if wish.get("state_event") == "close":
        change.state = "closed"
    return 200, shown(server, change)


def merge_request(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change, wish = server.numbered(values[1]), asked.body
    if change.state != "open" or change.title.startswith("Draft:"):
        raise Refused(405, {"message": "405 Method Not Allowed"})
    if server.protected:
        raise Refused(401, {"message": "401 Unauthorized"})
    if wish["sha"] != server.head(change):
        raise Refused(409, {"message": "SHA does not match HEAD of source branch"})
    if not server.mergeable(change):
        raise Refused(422, {"message": "Branch cannot be merged"})
    server.merge(change, wish["merge_commit_message"])
    return 200, shown(server, change)


def list_users(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    name = asked.query["username"]
    return 200, [{"id": server.people.index(name) + 1, "username": name}] if name in server.people else []


def approvals(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    given = [who for who, state in server.numbered(values[1]).reviews if state == "approved"]
    held = any(state == "changes" for _, state in server.numbered(values[1]).reviews)
    # Without a rule that asks for one, it is always approved.
    return 200, {"approved": not held, "approved_by": [{"user": {"username": who}} for who in given]}


def author(server: ForgeServer, name: str) -> dict[str, Any]:
    everybody = [*server.people, *server.members, OWN]
    number = everybody.index(name) + 1 if name in everybody else 666
    return {"id": number, "username": name}


def list_notes(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    thing = server.discussed(values[1])
    notes = [
        {"id": 1000 + place, "body": text, "author": author(server, server.speaker(thing, place))}
        for place, text in enumerate(thing.comments)
    ]
    return 200, paged(notes[::-1] if asked.query.get("sort") == "desc" else notes, asked, "per_page")


def add_note(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    server.discussed(values[1]).comments.append(asked.body["body"])
    return 201, {"id": 1, "body": asked.body["body"], "author": author(server, OWN)}


def list_discussions(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[1])
    plain = [
        note(server, 1000 + place, server.speaker(change, place), text)
        for place, text in enumerate(change.comments)
    ]
    plain.append(note(server, 999, "ada", "added 1 commit") | {"system": True})
    spoken = [
        note(server, 2000 + place, one.who, one.text)
        | {
            "resolvable": True,
            "resolved": one.resolved,
            "position": {"new_path": one.path, "new_line": one.line, "old_path": one.path, "old_line": None},
        }
        for place, one in enumerate(change.spoken)
        if one.kind == "line"
    ]
    threads = [
        {"id": f"d{one['id']}", "notes": [one, *replies_to(server, change, one["id"] - 2000)]}
        for one in plain + spoken
    ]
    return 200, paged(threads, asked, "per_page")


def replies_to(server: ForgeServer, change: Change, place: int) -> list[dict[str, Any]]:
    texts = change.replies.get(place, [])
    return [note(server, 3000 + place, OWN, text) | {"resolvable": True} for text in texts]


def reply(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    place = int(values[2].removeprefix("d")) - 2000
    server.reply(server.numbered(values[1]), place, asked.body["body"])
    return 201, note(server, 3000 + place, OWN, asked.body["body"])


def note(server: ForgeServer, number: int, who: str, text: str) -> dict[str, Any]:
    said = {"id": number, "body": text, "author": author(server, who)}
    return said | {
        "system": False,
        "resolvable": False,
        "resolved": False,
        "internal": "internal" in text,
    }


def show_member(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    everybody = [*server.people, *server.members, OWN]
    name = everybody[int(values[1]) - 1] if int(values[1]) <= len(everybody) else ""
    if name not in everybody:
        raise Refused(404, {"message": "404 Not found"})
    return 200, {"id": int(values[1]), "access_level": 30 if name in server.members else 20}


def show_project(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    known(server, values)
    return 200, {"visibility": "public", "public_jobs": server.logs, "builds_access_level": "enabled"}


def list_jobs(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    assert asked.query["scope[]"] == "failed"
    change = server.numbered(int(values[1]) - 500)
    failed = [place for place, one in enumerate(change.checks) if one == "failing"]
    return 200, [
        {
            "id": 700 + place,
            "name": f"check {place}",
            "web_url": f"http://{server.host}/jobs/{place}",
            "allow_failure": False,
        }
        for place in failed
    ]


def show_trace(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del server, asked, values
    return 200, f"\x1b[0Ksection_start:1:step\n{'noise' * 2000}\n\x1b[31m{REASON}\x1b[0m\n"


def list_issues(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    known(server, values)
    return 200, [
        {
            "iid": one.number,
            "title": one.title,
            "description": one.body,
            "web_url": f"http://{server.host}/{server.name}/-/issues/{one.number}",
            "author": author(server, one.who),
            "confidential": one.title.startswith("Confidential"),
        }
        for one in paged(server.labelled(asked.query["labels"]), asked, "per_page")
    ]


def label_events(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    issue = server.discussed(values[1])
    assert isinstance(issue, Issue)
    events = [
        {"action": "add", "user": author(server, who), "label": {"name": issue.label}}
        for who in (*issue.labelled_before, issue.labelled_by)
    ]
    return 200, paged(events, asked, "per_page")


REQUESTS = "/projects/{id}/merge_requests"
ONE = f"{REQUESTS}/{{iid}}"
ISSUES = "/projects/{id}/issues"
PAGES = frozenset({"page", "per_page"})
LISTED = PAGES | {"source_branch", "target_branch", "state", "order_by", "sort"}
answer = answerer(
    API,
    [
        Route("GET", "/projects/{id}", show_project, answer=PROJECT),
        Route("GET", REQUESTS, list_requests, LISTED, answer=REQUEST),
        Route(
            "POST",
            REQUESTS,
            create_request,
            body=CREATE,
            needed=frozenset({"source_branch", "target_branch", "title"}),
            answer=REQUEST,
        ),
        Route("GET", ONE, show_request, answer=REQUEST),
        Route("PUT", ONE, edit_request, body=EDIT, answer=REQUEST),
        Route("PUT", f"{ONE}/merge", merge_request, body=MERGE, answer=REQUEST),
        Route("GET", f"{ONE}/approvals", approvals),
        Route("GET", f"{ONE}/notes", list_notes, PAGES | {"sort", "order_by"}),
        Route("POST", f"{ONE}/notes", add_note, body={"body": str}, needed=frozenset({"body"})),
        Route("GET", f"{ONE}/discussions", list_discussions, PAGES),
        Route(
            "POST",
            f"{ONE}/discussions/{{discussion_id}}/notes",
            reply,
            body={"body": str},
            needed=frozenset({"body"}),
        ),
        Route("GET", "/projects/{id}/members/all/{user_id}", show_member),
        Route("GET", "/projects/{id}/pipelines/{pipeline_id}/jobs", list_jobs, PAGES | {"scope[]"}),
        Route("GET", "/projects/{id}/jobs/{job_id}/trace", show_trace),
        Route("GET", ISSUES, list_issues, PAGES | {"labels", "state", "order_by", "sort"}),
        Route("GET", f"{ISSUES}/{{iid}}/resource_label_events", label_events, PAGES),
        Route("GET", f"{ISSUES}/{{iid}}/notes", list_notes, PAGES | {"sort", "order_by"}),
        Route("POST", f"{ISSUES}/{{iid}}/notes", add_note, body={"body": str}, needed=frozenset({"body"})),
        Route("GET", "/users", list_users, frozenset({"username"})),
    ],
)
