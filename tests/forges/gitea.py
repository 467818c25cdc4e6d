"""Gitea's API over a server of ours; shapes as in its swagger of 1.23 (npm ``gitea-js`` 1.23, MIT)."""

from typing import Any

from tests.forges.recorded import Route, answerer, paged
from tests.forges.server import OWN, REASON, Asked, Change, ForgeServer, Refused

API = "/api/v1"
LABELS = {"bot": 3, "help": 4}
PULL = {
    **dict.fromkeys(("number", "id"), int),
    **dict.fromkeys(("state", "title", "body", "html_url"), str),
    **dict.fromkeys(("draft", "merged"), bool),
    "merge_commit_sha": (str, type(None)),
    **dict.fromkeys(("head", "base"), dict),
}
CREATE = {
    **dict.fromkeys(("assignee", "base", "body", "due_date", "head", "title"), str),
    **dict.fromkeys(("assignees", "labels", "reviewers", "team_reviewers"), list),
    "milestone": int,
}
EDIT = {**CREATE, "state": str, "allow_maintainer_edit": bool}
del EDIT["head"]
MERGE = {
    **dict.fromkeys(("Do", "MergeCommitID", "MergeMessageField", "MergeTitleField", "head_commit_id"), str),
    **dict.fromkeys(("delete_branch_after_merge", "force_merge", "merge_when_checks_succeed"), bool),
}


def pull(server: ForgeServer, change: Change) -> dict[str, Any]:
    commit = server.head(change)
    gone = change.gone_fork or server.open_of(change.branch) is None
    repository = {"full_name": server.name}
    reference = f"refs/pull/{change.number}/head" if gone else change.branch
    return {
        "id": 100 + change.number,
        "number": change.number,
        "state": "open" if change.state == "open" else "closed",
        "title": change.title,
        "body": change.body,
        "html_url": server.page(change, "pulls"),
        "draft": change.title.startswith("WIP:"),
        "merged": change.state == "merged",
        "merge_commit_sha": change.merged_commit,
        "head": {
            "ref": reference,
            "label": change.branch,
            "sha": commit,
            "repo": None if change.gone_fork else repository,
        },
        "base": {"ref": change.base, "label": change.base, "sha": commit, "repo": repository},
    }


def list_pulls(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    opened = asked.query["state"] == "open"
    found = [one for one in server.changes if (one.state == "open") == opened]
    return 200, [pull(server, one) for one in paged(list(reversed(found)), asked, "limit")]


def create_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    wish = asked.body
    if server.open_of(wish["head"]):
        raise Refused(409, {"message": "pull request already exists for these targets", "url": "x"})
    return 201, pull(server, server.create(wish["head"], wish["base"], wish["title"], wish["body"]))


def edit_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[2])
    for name, value in asked.body.items():
        setattr(change, name, value)
    return 201, pull(server, change)


def show_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    return 200, pull(server, server.numbered(values[2]))


def merge_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change, wish = server.numbered(values[2]), asked.body
    if change.title.startswith("WIP:"):
        raise Refused(405, {"message": "Work in progress PRs cannot be merged", "url": "x"})
    if change.state != "open" or not server.mergeable(change):
        raise Refused(405, {"message": "Please try again later", "url": "x"})
    if server.protected:
        raise Refused(405, {"message": server.protected, "url": "x"})
    if wish["head_commit_id"] != server.head(change):
        raise Refused(409, {"message": "head out of date", "url": "x"})
    server.merge(change, wish["MergeTitleField"])
    return 200, None


def list_labels(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del server, asked, values
    return 200, [{"id": number, "name": name} for name, number in LABELS.items()]


def add_labels(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    names = {number: name for name, number in LABELS.items()}
    change = server.numbered(values[2])
    change.labels += [names[one] for one in asked.body["labels"] if names[one] not in change.labels]
    return 200, []


def edit_issue(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    server.numbered(values[2]).assignees = asked.body["assignees"]
    return 201, {}


def add_reviewers(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    names = asked.body["reviewers"]
    if strangers := [name for name in names if name not in server.people]:
        raise Refused(404, {"message": f"user does not exist [name: {strangers[0]}]", "url": "x"})
    server.numbered(values[2]).reviewers = names
    return 201, []


def words(server: ForgeServer, number: int, who: str, text: str) -> dict[str, Any]:
    page = f"http://{server.host}/{server.name}#{number}"
    return {"id": number, "body": text, "user": {"login": who}, "html_url": page}


def list_reviews(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[2])
    states = {"approved": "APPROVED", "changes": "REQUEST_CHANGES"}
    given = [(2000 + place, who, "", states[state], 0) for place, (who, state) in enumerate(change.reviews)]
    # Each comment at a line is of a review.
    kinds = {"review": ("REQUEST_CHANGES", 0), "remark": ("COMMENT", 0), "line": ("COMMENT", 1)}
    given += [
        (3000 + place, one.who, "" if one.kind == "line" else one.text, *kinds[one.kind])
        for place, one in enumerate(change.spoken)
        if one.kind in kinds
    ]
    reviews = [
        words(server, number, who, text)
        | {"state": state, "stale": False, "dismissed": False, "comments_count": count}
        for number, who, text, state, count in given
    ]
    return 200, paged(reviews, asked, "limit")


def list_line_comments(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    change = server.numbered(values[2])
    one = change.spoken[int(values[3]) - 3000]
    where = {"path": one.path, "position": one.line, "original_position": 0}
    resolver = {"login": "ada"} if one.resolved else None
    return 200, [words(server, int(values[3]) + 1000, one.who, one.text) | where | {"resolver": resolver}]


def permission(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    return 200, {"permission": "write" if values[2] in server.members else "read", "role_name": ""}


def list_issues(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    assert (asked.query["type"], asked.query["state"]) == ("issues", "open")
    return 200, [
        words(server, one.number, one.who, one.body)
        | {
            "number": one.number,
            "title": one.title,
            "html_url": f"http://{server.host}/{server.name}/issues/{one.number}",
        }
        for one in server.labelled(asked.query["labels"])
    ]


def timeline(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    issue = server.discussed(values[2])
    if isinstance(issue, Change):
        said = [{"type": "comment", **one} for one in list_comments(server, asked, values)[1]]
        return 200, paged([{"type": "close", "body": "x"}, *said], asked, "limit")
    events: list[dict[str, Any]] = [
        {"type": "label", "user": {"login": who}, "label": {"id": 3, "name": issue.label}, "body": "1"}
        for who in (*issue.labelled_before, issue.labelled_by)
    ]
    return 200, paged([{"type": "comment", "body": "x"}, *events], asked, "limit")


def combined(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    checks = next((one.checks for one in server.changes if server.head(one) == values[2]), [])
    states = {"passing": "success", "failing": "failure", "pending": "pending"}
    worst = next((one for one in ("failing", "pending", "passing") if one in checks), "")
    statuses = [
        {
            "status": states[one],
            "context": f"check {place}",
            "description": REASON if one == "failing" else "",
            "target_url": f"http://{server.host}/checks/{place}",
        }
        for place, one in enumerate(checks)
    ]
    return 200, {
        "state": states.get(worst, ""),
        "total_count": len(checks),
        "sha": values[2],
        "statuses": statuses,
    }


def list_comments(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    thing = server.discussed(values[2])
    said = [
        words(server, 1000 + place, server.speaker(thing, place), text)
        for place, text in enumerate(thing.comments)
    ]
    # In no pages.
    del asked
    return 200, said


def add_comment(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    server.discussed(values[2]).comments.append(asked.body["body"])
    return 201, words(server, 1, OWN, asked.body["body"])


R = "/repos/{owner}/{repo}"
ISSUE = f"{R}/issues/{{index}}"
PAGES = frozenset({"page", "limit"})
LISTED = PAGES | {"state", "sort", "milestone", "labels", "poster"}
answer = answerer(
    API,
    [
        Route("GET", f"{R}/pulls", list_pulls, LISTED, answer=PULL),
        Route("POST", f"{R}/pulls", create_pull, body=CREATE, answer=PULL),
        Route("GET", f"{R}/pulls/{{index}}", show_pull, answer=PULL),
        Route("PATCH", f"{R}/pulls/{{index}}", edit_pull, body=EDIT, answer=PULL),
        Route("POST", f"{R}/pulls/{{index}}/merge", merge_pull, body=MERGE, needed=frozenset({"Do"})),
        Route(
            "POST",
            f"{R}/pulls/{{index}}/requested_reviewers",
            add_reviewers,
            body={"reviewers": list, "team_reviewers": list},
        ),
        Route("GET", f"{R}/pulls/{{index}}/reviews", list_reviews, PAGES),
        Route("GET", f"{R}/pulls/{{index}}/reviews/{{id}}/comments", list_line_comments),
        Route("GET", f"{R}/collaborators/{{collaborator}}/permission", permission),
        Route("GET", f"{R}/issues", list_issues, PAGES | {"labels", "state", "type"}),
        Route("GET", f"{ISSUE}/timeline", timeline, PAGES | {"since", "before"}),
        Route("GET", f"{R}/labels", list_labels, PAGES),
        Route("POST", f"{ISSUE}/labels", add_labels, body={"labels": list}),
        Route("PATCH", ISSUE, edit_issue, body={**CREATE, "state": str, "ref": str}),
        Route("GET", f"{ISSUE}/comments", list_comments, frozenset({"since", "before"})),
        Route("POST", f"{ISSUE}/comments", add_comment, body={"body": str}, needed=frozenset({"body"})),
        Route("GET", f"{R}/commits/{{ref}}/status", combined, PAGES),
    ],
)
