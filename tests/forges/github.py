"""GitHub's API over a server of ours; every request and every answer is held to GitHub's own description."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.forges.recorded import paged
from tests.forges.server import OWN, REASON, Asked, Change, ForgeServer, Issue, Refused

API = "/api/v3"
SHAPES = Path(__file__).parent / "shapes" / "github.json"
MOMENT = "2026-01-02T03:04:05Z"
TOKEN_OF_APP = "ghs_installation"


@cache
def shapes() -> dict[str, Any]:
    return json.loads(SHAPES.read_text())


def resolve(shape: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in shape:
        _, _, kind, name = shape["$ref"].split("/")
        shape = shapes()["components"][kind][name]
    return shape


def sample(shape: dict[str, Any], depth: int = 0) -> Any:
    """The least that fits the shape: what an answer holds beside what matters here."""
    shape = resolve(shape)
    for several in ("allOf", "anyOf", "oneOf"):
        if several in shape:
            options = shape[several]
            if several != "allOf":
                return None if {"type": "null"} in options else sample(options[0], depth)
            return {key: value for one in options for key, value in sample(one, depth).items()}
    if "enum" in shape:
        return shape["enum"][0]
    kind = shape.get("type", "object")
    if kind == "object":
        known = shape.get("properties", {})
        return {name: sample(known.get(name, {}), depth + 1) for name in shape.get("required", ())}
    return {"array": [], "string": "x", "integer": 1, "number": 1, "boolean": False}[kind]


def operation(path: str, method: str) -> tuple[dict[str, Any], list[str]] | None:
    for template, methods in shapes()["paths"].items():
        match = re.fullmatch(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(template)), path)
        if match and method.lower() in methods:
            return methods[method.lower()], [template, *match.groups()]
    return None


def problems(shape: dict[str, Any], value: Any) -> list[str]:
    whole = {**shape, "components": shapes()["components"]}
    return [
        f"{error.json_path}: {error.message[:200]}"
        for error in Draft202012Validator(whole).iter_errors(value)
    ]


def content_of(part: dict[str, Any]) -> dict[str, Any] | None:
    content = resolve(part).get("content", {})
    return content.get("application/json", {}).get("schema") or next(
        (one["schema"] for one in content.values()), None
    )


def answer(server: ForgeServer, asked: Asked) -> tuple[int, Any]:
    if asked.headers.get("x-github-api-version") != "2022-11-28":
        server.wrong.append(f"{asked.path} names no version of the interface")
    if asked.path == "/api/graphql":
        return graph(server, asked)
    path = asked.path.removeprefix(API)
    found = operation(path, asked.method)
    if found is None:
        server.wrong.append(f"{asked.method} {path} is no operation")
        return 404, {"message": "Not Found", "documentation_url": "x", "status": "404"}
    described, (template, *values) = found
    known = {resolve(one)["name"] for one in described.get("parameters", ()) if resolve(one)["in"] == "query"}
    server.wrong += [f"{template} has no query {name}" for name in asked.query.keys() - known]
    if (request := described.get("requestBody")) and asked.body is not None:
        shape = content_of(request)
        assert shape is not None
        server.wrong += [f"{asked.method} {template}: {one}" for one in problems(shape, asked.body)]
        unknown = (
            asked.body.keys() - resolve(shape).get("properties", {}).keys() if "properties" in shape else ()
        )
        server.wrong += [f"{template} has no field {name}" for name in unknown]
    try:
        status, body = HANDLERS[asked.method, template](server, asked, values)
    except Refused as refusal:
        status, body = refusal.status, refusal.body
    part = described["responses"].get(str(status))
    if part is None:
        server.wrong.append(f"{asked.method} {template} never answers {status}")
    elif (shape := content_of(part)) is not None:
        server.wrong += [f"{template} {status}: {one}" for one in problems(shape, body)]
    return status, body


def graph(server: ForgeServer, asked: Asked) -> tuple[int, Any]:
    assert "markPullRequestReadyForReview" in asked.body["query"]
    number = asked.body["variables"]["id"].removeprefix("PR_")
    server.numbered(number).draft = False
    return 200, {"data": {"markPullRequestReadyForReview": {"pullRequest": {"isDraft": False}}}}


def invalid(message: str) -> Refused:
    body = {
        "message": "Validation Failed",
        "documentation_url": "https://docs.github.com/rest",
        "errors": [{"resource": "PullRequest", "code": "custom", "message": message}],
    }
    return Refused(422, body)


def pull(server: ForgeServer, change: Change, name: str = "pull-request") -> dict[str, Any]:
    made = sample({"$ref": f"#/components/schemas/{name}"})
    repository = made["base"].get("repo") or {}
    repository["full_name"] = server.name
    for side, branch in (("head", change.branch), ("base", change.base)):
        made[side] |= {"ref": branch, "repo": repository}
    made["head"]["sha"] = server.head(change)
    if change.gone_fork:
        made["head"]["repo"] = None
    return made | {
        "number": change.number,
        "node_id": f"PR_{change.number}",
        "html_url": server.page(change, "pull"),
        "state": "open" if change.state == "open" else "closed",
        "title": change.title,
        "body": change.body,
        "draft": change.draft,
        "merged_at": MOMENT if change.state == "merged" else None,
        "merge_commit_sha": change.merged_commit,
    }


def list_pulls(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    owner, _, branch = asked.query["head"].partition(":")
    assert owner == values[0]
    # Newest first, as ``direction`` says; all, as ``state`` says.
    assert (asked.query["state"], asked.query["direction"]) == ("all", "desc")
    found = [one for one in reversed(server.changes) if one.branch == branch]
    return 200, [pull(server, one, "pull-request-simple") for one in found]


def create_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    wish = asked.body
    if server.open_of(wish["head"]):
        raise invalid(f"A pull request already exists for {values[0]}:{wish['head']}.")
    if wish.get("draft") and not server.drafts:
        raise invalid("Draft pull requests are not supported in this repository.")
    made = server.create(wish["head"], wish["base"], wish["title"], wish["body"], draft=wish["draft"])
    return 201, pull(server, made)


def edit_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[2])
    for name, value in asked.body.items():
        setattr(change, name, value)
    return 200, pull(server, change)


def merge_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change, wish = server.numbered(values[2]), asked.body
    refusal = {"message": "", "documentation_url": "https://docs.github.com/rest"}
    if change.state != "open" or not server.mergeable(change) or change.draft:
        raise Refused(405, refusal | {"message": "Pull Request is not mergeable"})
    if server.protected:
        raise Refused(405, refusal | {"message": server.protected})
    if wish["merge_method"] not in server.methods:
        said = f"{wish['merge_method'].title()} commits are not allowed on this repository."
        raise Refused(405, refusal | {"message": said})
    if wish["sha"] != server.head(change):
        raise Refused(409, refusal | {"message": "Head branch was modified. Review and try the merge again."})
    made = server.merge(change, wish.get("commit_title", "Rebased"), squash=wish["merge_method"] == "squash")
    return 200, {"sha": made, "merged": True, "message": "Pull Request successfully merged"}


def review_pull(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change, names = server.numbered(values[2]), asked.body["reviewers"]
    if strangers := [name for name in names if name not in server.people]:
        raise invalid(f"Reviews may only be requested from collaborators, not {strangers[0]}.")
    change.reviewers += [name for name in names if name not in change.reviewers]
    return 201, pull(server, change, "pull-request-simple")


def add_labels(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[2])
    change.labels += [name for name in asked.body["labels"] if name not in change.labels]
    shape = sample({"$ref": "#/components/schemas/label"})
    return 200, [shape | {"name": name} for name in change.labels]


def add_assignees(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[2])
    change.assignees += [name for name in asked.body["assignees"] if name in server.people]
    return 201, sample({"$ref": "#/components/schemas/issue"})


def person(name: str) -> dict[str, Any]:
    return sample({"$ref": "#/components/schemas/simple-user"}) | {"login": name}


def association(server: ForgeServer, name: str) -> str:
    """Who may only read is called the same as who may write."""
    if name in server.people + server.members:
        return "MEMBER"
    return "OWNER" if name == OWN else "CONTRIBUTOR"


def words(server: ForgeServer, shape: str, who: str, text: str, number: int) -> dict[str, Any]:
    return sample({"$ref": f"#/components/schemas/{shape}"}) | {
        "id": number,
        "body": text,
        "user": person(who),
        "author_association": association(server, who),
        "html_url": f"http://{server.host}/{server.name}#{number}",
    }


def list_comments(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    thing = server.discussed(values[2])
    all_said = [
        words(server, "issue-comment", server.speaker(thing, place), text, 1000 + place)
        for place, text in enumerate(thing.comments)
    ]
    return 200, paged(all_said, asked, "per_page")


def add_comment(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    server.discussed(values[2]).comments.append(asked.body["body"])
    return 201, words(server, "issue-comment", OWN, asked.body["body"], 1)


def list_reviews(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    change = server.numbered(values[2])
    states = {"approved": "APPROVED", "changes": "CHANGES_REQUESTED"}
    given = [(2000 + place, who, "", states[state]) for place, (who, state) in enumerate(change.reviews)]
    kinds = {"review": "CHANGES_REQUESTED", "remark": "COMMENTED"}
    given += [
        (3000 + place, one.who, one.text, kinds[one.kind])
        for place, one in enumerate(change.spoken)
        if one.kind in kinds
    ]
    reviews = [
        words(server, "pull-request-review", who, text, number) | {"state": state}
        for number, who, text, state in given
    ]
    return 200, paged(reviews, asked, "per_page")


def list_line_comments(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    assert (asked.query["sort"], asked.query["direction"]) == ("created", "desc")
    change = server.numbered(values[2])
    said = [
        words(server, "pull-request-review-comment", one.who, one.text, 3000 + place)
        | {"path": one.path, "line": one.line}
        for place, one in enumerate(change.spoken)
        # It does not tell which ones are resolved.
        if one.kind == "line"
    ]
    said += [reply(server, place, text) for place, all_of in change.replies.items() for text in all_of]
    return 200, paged(said[::-1], asked, "per_page")


def reply(server: ForgeServer, place: int, text: str) -> dict[str, Any]:
    made = words(server, "pull-request-review-comment", OWN, text, 4000 + place)
    return made | {"in_reply_to_id": 3000 + place}


def reply_to_line(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    # Nobody replies to a reply.
    place = int(values[3]) - 3000
    server.reply(server.numbered(values[2]), place, asked.body["body"])
    return 201, reply(server, place, asked.body["body"])


def list_issues(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del values
    assert (asked.query["state"], asked.query["direction"]) == ("open", "desc")
    issues = [
        words(server, "issue", one.who, one.body, one.number)
        | {
            "number": one.number,
            "title": one.title,
            "html_url": f"http://{server.host}/{server.name}/issues/{one.number}",
        }
        for one in server.labelled(asked.query["labels"])
    ]
    # Changes are issues there, too.
    change = words(server, "issue", "ada", "", 1) | {"pull_request": pull_mark()}
    return 200, [change, *issues]


def pull_mark() -> dict[str, Any]:
    return dict.fromkeys(("diff_url", "html_url", "patch_url", "url"), "x")


def list_events(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    issue = server.discussed(values[2])
    assert isinstance(issue, Issue)
    events = [
        sample({"$ref": "#/components/schemas/labeled-issue-event"})
        | {"event": "labeled", "actor": person(who), "label": {"name": issue.label, "color": "x"}}
        for who in (*issue.labelled_before, issue.labelled_by)
    ]
    return 200, paged(events, asked, "per_page")


def permission(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    shape = sample({"$ref": "#/components/schemas/repository-collaborator-permission"})
    return 200, shape | {"permission": "write" if values[2] in server.members else "read"}


def annotations(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del server, asked, values
    return 200, [
        sample({"$ref": "#/components/schemas/check-annotation"}) | {"path": "a.py", "message": REASON}
    ]


def checks_at(server: ForgeServer, commit: str) -> list[str]:
    return next((one.checks for one in server.changes if server.head(one) == commit), [])


def list_runs(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del asked
    states = {
        "passing": ("completed", "success"),
        "failing": ("completed", "failure"),
        "pending": ("queued", None),
    }
    shape = sample({"$ref": "#/components/schemas/check-run"})
    runs = [
        shape | dict(zip(("status", "conclusion"), states[one], strict=True)) | {"name": f"check {place}"}
        for place, one in enumerate(checks_at(server, values[2]))
    ]
    return 200, {"total_count": len(runs), "check_runs": runs}


def combined(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del server, asked, values
    return 200, sample({"$ref": "#/components/schemas/combined-commit-status"}) | {
        "state": "pending",
        "total_count": 0,
    }


def installation(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    del server, asked, values
    return 200, sample({"$ref": "#/components/schemas/installation"}) | {"id": 77}


def installation_token(server: ForgeServer, asked: Asked, values: list[str]) -> tuple[int, Any]:
    assert values == ["77"]
    assert asked.body == {"repositories": [server.name.partition("/")[2]]}
    server.tokens.add(TOKEN_OF_APP)
    shape = sample({"$ref": "#/components/schemas/installation-token"})
    return 201, shape | {"token": TOKEN_OF_APP, "expires_at": "2099-01-01T00:00:00Z"}


R = "/repos/{owner}/{repo}"
HANDLERS = {
    ("GET", f"{R}/pulls"): list_pulls,
    ("POST", f"{R}/pulls"): create_pull,
    ("PATCH", f"{R}/pulls/{{pull_number}}"): edit_pull,
    ("PUT", f"{R}/pulls/{{pull_number}}/merge"): merge_pull,
    ("POST", f"{R}/pulls/{{pull_number}}/requested_reviewers"): review_pull,
    ("GET", f"{R}/pulls/{{pull_number}}/reviews"): list_reviews,
    ("POST", f"{R}/issues/{{issue_number}}/labels"): add_labels,
    ("POST", f"{R}/issues/{{issue_number}}/assignees"): add_assignees,
    ("GET", f"{R}/issues/{{issue_number}}/comments"): list_comments,
    ("POST", f"{R}/issues/{{issue_number}}/comments"): add_comment,
    ("GET", f"{R}/pulls/{{pull_number}}/comments"): list_line_comments,
    ("POST", f"{R}/pulls/{{pull_number}}/comments/{{comment_id}}/replies"): reply_to_line,
    ("GET", f"{R}/issues"): list_issues,
    ("GET", f"{R}/issues/{{issue_number}}/events"): list_events,
    ("GET", f"{R}/collaborators/{{username}}/permission"): permission,
    ("GET", f"{R}/check-runs/{{check_run_id}}/annotations"): annotations,
    ("GET", f"{R}/commits/{{ref}}/check-runs"): list_runs,
    ("GET", f"{R}/commits/{{ref}}/status"): combined,
    ("GET", f"{R}/installation"): installation,
    ("POST", "/app/installations/{installation_id}/access_tokens"): installation_token,
}
