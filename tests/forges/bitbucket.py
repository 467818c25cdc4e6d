"""Bitbucket's API over a server of ours; shapes as in its description (npm ``bitbucket`` 2.12, MIT)."""

import json
from typing import Any
from urllib.parse import unquote

from tests.forges.recorded import Route, answerer, paged
from tests.forges.server import OWN, REASON, Asked, Change, ForgeServer, Refused
from tests.repositories import git_in

API = "/2.0"
PULL = {
    "id": int,
    **dict.fromkeys(("type", "state", "title", "description"), str),
    "draft": bool,
    **dict.fromkeys(("source", "destination", "links"), dict),
    **dict.fromkeys(("merge_commit",), (dict, type(None))),
    "participants": list,
}
WISH = {
    **dict.fromkeys(("title", "description"), str),
    **dict.fromkeys(("source", "destination"), dict),
    **dict.fromkeys(("draft", "close_source_branch"), bool),
    "reviewers": list,
}
MERGE = {**dict.fromkeys(("type", "message", "merge_strategy"), str), "close_source_branch": bool}


def pull(server: ForgeServer, change: Change) -> dict[str, Any]:
    words = {"open": "OPEN", "closed": "DECLINED", "merged": "MERGED"}
    repository = {"full_name": server.name}
    states = {"approved": "approved", "changes": "changes_requested"}
    return {
        "type": "pullrequest",
        "id": change.number,
        "state": words[change.state],
        "title": change.title,
        "description": change.body,
        "draft": change.draft,
        "source": {
            "branch": {"name": change.branch},
            # It shows the beginnings of ids only.
            "commit": {"hash": server.head(change)[:12]},
            "repository": None if change.gone_fork else repository,
        },
        "destination": {"branch": {"name": change.base}, "repository": repository},
        "links": {"html": {"href": server.page(change, "pull-requests")}},
        "merge_commit": {"hash": change.merged_commit[:12]} if change.merged_commit else None,
        "participants": [
            {"approved": state == "approved", "state": states[state]} for _, state in change.reviews
        ],
    }


def error(message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"message": message}}


def list_pulls(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    name, _, wanted = asked.query["q"].partition(" = ")
    assert name == "source.branch.name"
    opened, newest_first = asked.query["state"] == "OPEN", asked.query["sort"] == "-created_on"
    found = server.from_branch(json.loads(wanted), opened=opened, newest_first=newest_first)
    return 200, {"values": [pull(server, one) for one in paged(found, asked, "pagelen")], "pagelen": 50}


def create_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    wish = asked.body
    branch = wish["source"]["branch"]["name"]
    if server.open_of(branch):
        raise Refused(409, error("There is already an open pull request for this source branch."))
    base = wish["destination"]["branch"]["name"]
    made = server.create(branch, base, wish["title"], wish["description"], draft=wish["draft"])
    return 201, pull(server, made)


def show_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    return 200, pull(server, server.numbered(values[2]))


def edit_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change, wish = server.numbered(values[2]), asked.body
    people = [one.get("account_id") or one["uuid"] for one in wish.get("reviewers", [])]
    if strangers := [name for name in people if name not in server.people]:
        raise Refused(400, error(f"Malformed reviewers list: {strangers[0]}"))
    change.title, change.body = wish["title"], wish.get("description", change.body)
    change.base = wish.get("destination", {"branch": {"name": change.base}})["branch"]["name"]
    change.draft = wish.get("draft", change.draft)
    change.reviewers = people or change.reviewers
    return 200, pull(server, change)


def merge_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[2])
    if change.state != "open" or change.draft:
        raise Refused(400, error("This pull request can't be merged."))
    if not server.mergeable(change):
        raise Refused(409, error("You can't merge until you resolve all merge conflicts."))
    if server.protected:
        raise Refused(400, error(server.protected))
    server.merge(change, asked.body["message"])
    return 200, pull(server, change)


def decline_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    server.numbered(values[2]).state = "closed"
    return 200, pull(server, server.numbered(values[2]))


def show_commit(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    return 200, {"hash": git_in(server.repository, "rev-parse", f"{values[2]}^{{commit}}")}


def list_statuses(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    states = {"passing": "SUCCESSFUL", "failing": "FAILED", "pending": "INPROGRESS"}
    return 200, {
        "values": [
            {
                "state": states[one],
                "key": f"key-{place}",
                "name": f"check {place}",
                "description": REASON if one == "failing" else "",
                "url": f"http://{server.host}/checks/{place}",
            }
            for place, one in enumerate(server.numbered(values[2]).checks)
        ]
    }


def user(name: str) -> dict[str, Any]:
    # Anybody may be called like somebody else.
    return {"account_id": name, "uuid": f"{{{name}}}", "nickname": "ada", "display_name": "Ada"}


def words(server: ForgeServer, number: int, who: str, text: str) -> dict[str, Any]:
    return {
        "id": number,
        "content": {"raw": text},
        "user": user(who),
        "deleted": False,
        "pending": False,
        "links": {"html": {"href": f"http://{server.host}/{server.name}#{number}"}},
    }


def list_comments(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    thing = server.discussed(values[2])
    said = [
        words(server, 1000 + place, server.speaker(thing, place), text)
        for place, text in enumerate(thing.comments)
    ]
    for place, one in enumerate(thing.spoken if isinstance(thing, Change) else []):
        if one.kind == "line":
            inline = {"inline": {"path": one.path, "to": one.line, "from": None}}
            resolution = {"resolution": {"type": "x"} if one.resolved else None}
            said.append(words(server, 2000 + place, one.who, one.text) | inline | resolution)
    for place, texts in thing.replies.items() if isinstance(thing, Change) else ():
        parent = {"parent": {"id": 2000 + place}}
        said += [words(server, 3000 + place, OWN, text) | parent for text in texts]
    return 200, {"values": paged(newest_first(said, asked), asked, "pagelen")}


def newest_first(items: list[Any], asked: Asked) -> list[Any]:
    assert asked.query["sort"] == "-created_on"
    return items[::-1]


def add_comment(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    thing, text = server.discussed(values[2]), asked.body["content"]["raw"]
    if isinstance(thing, Change) and "parent" in asked.body:
        server.reply(thing, asked.body["parent"]["id"] - 2000, text)
    else:
        thing.comments.append(text)
    return 201, words(server, 1, OWN, asked.body["content"]["raw"])


def list_tasks(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    tasks = [
        {
            "id": 3000 + place,
            "state": "RESOLVED" if one.resolved else "UNRESOLVED",
            "content": {"raw": one.text},
            "creator": user(one.who),
        }
        for place, one in enumerate(server.numbered(values[2]).spoken)
        if one.kind == "task"
    ]
    return 200, {"values": paged(newest_first(tasks, asked), asked, "pagelen")}


def permission(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    name = unquote(values[2]).strip("{}")
    if name not in server.people + server.members:
        raise Refused(404, error("No such user."))
    return 200, {"permission": "write" if name in server.members else "read", "user": user(name)}


def list_issues(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    name, _, wanted = asked.query["q"].partition(" = ")
    assert name == "component.name"
    label, _ = json.JSONDecoder().raw_decode(wanted)
    return 200, {
        "values": [
            {
                "id": one.number,
                "title": one.title,
                "content": {"raw": one.body},
                "reporter": user(one.who),
                "links": {"html": {"href": f"http://{server.host}/{server.name}/issues/{one.number}"}},
            }
            for one in server.labelled(label)
        ]
    }


R = "/repositories/{workspace}/{repo_slug}"
PULLS = f"{R}/pullrequests"
ONE = f"{PULLS}/{{pull_request_id}}"
PAGES = frozenset({"page", "pagelen"})
answer = answerer(
    API,
    [
        Route("GET", PULLS, list_pulls, PAGES | {"q", "sort", "state", "fields"}),
        Route("POST", PULLS, create_pull, body=WISH, needed=frozenset({"title", "source"}), answer=PULL),
        Route("GET", ONE, show_pull, answer=PULL),
        Route("PUT", ONE, edit_pull, body=WISH, needed=frozenset({"title"}), answer=PULL),
        Route("POST", f"{ONE}/merge", merge_pull, body=MERGE, needed=frozenset({"type"}), answer=PULL),
        Route("POST", f"{ONE}/decline", decline_pull, answer=PULL),
        Route("GET", f"{ONE}/statuses", list_statuses, PAGES),
        Route("GET", f"{ONE}/comments", list_comments, PAGES | {"sort"}),
        Route(
            "POST",
            f"{ONE}/comments",
            add_comment,
            body={"content": dict, "parent": dict},
            needed=frozenset({"content"}),
        ),
        Route("GET", f"{ONE}/tasks", list_tasks, PAGES | {"q", "sort"}),
        Route("GET", f"{R}/permissions-config/users/{{selected_user_id}}", permission),
        Route("GET", f"{R}/issues", list_issues, PAGES | {"q", "sort"}),
        Route("GET", f"{R}/issues/{{issue_id}}/comments", list_comments, PAGES | {"sort"}),
        Route(
            "POST",
            f"{R}/issues/{{issue_id}}/comments",
            add_comment,
            body={"content": dict},
            needed=frozenset({"content"}),
        ),
        Route("GET", f"{R}/commit/{{commit}}", show_commit),
    ],
)
