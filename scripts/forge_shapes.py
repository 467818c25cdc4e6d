"""Cut what the tests need out of GitHub's published OpenAPI description, as plain JSON Schema.

Give it the directory of the npm package ``@octokit/openapi`` (MIT), as ``npm pack`` and ``tar`` leave it:
``npm pack @octokit/openapi@23.0.2``, ``tar xzf octokit-openapi-*.tgz``, and this with ``package``.
"""

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "tests" / "forges" / "shapes" / "github.json"
REPOSITORY = "/repos/{owner}/{repo}"
OPERATIONS = (
    (f"{REPOSITORY}/pulls", "get"),
    (f"{REPOSITORY}/pulls", "post"),
    (f"{REPOSITORY}/pulls/{{pull_number}}", "patch"),
    (f"{REPOSITORY}/pulls/{{pull_number}}/merge", "put"),
    (f"{REPOSITORY}/pulls/{{pull_number}}/requested_reviewers", "post"),
    (f"{REPOSITORY}/pulls/{{pull_number}}/reviews", "get"),
    (f"{REPOSITORY}/issues/{{issue_number}}/labels", "post"),
    (f"{REPOSITORY}/issues/{{issue_number}}/assignees", "post"),
    (f"{REPOSITORY}/issues/{{issue_number}}/comments", "get"),
    (f"{REPOSITORY}/issues/{{issue_number}}/comments", "post"),
    (f"{REPOSITORY}/pulls/{{pull_number}}/comments", "get"),
    (f"{REPOSITORY}/pulls/{{pull_number}}/comments/{{comment_id}}/replies", "post"),
    (f"{REPOSITORY}/issues", "get"),
    (f"{REPOSITORY}/issues/{{issue_number}}/events", "get"),
    (f"{REPOSITORY}/collaborators/{{username}}/permission", "get"),
    (f"{REPOSITORY}/check-runs/{{check_run_id}}/annotations", "get"),
    (f"{REPOSITORY}/commits/{{ref}}/check-runs", "get"),
    (f"{REPOSITORY}/commits/{{ref}}/status", "get"),
    (f"{REPOSITORY}/installation", "get"),
    ("/app/installations/{installation_id}/access_tokens", "post"),
)
WORDS = {
    *("description", "example", "examples", "externalDocs", "summary", "tags", "title", "headers"),
    *("operationId", "format", "deprecated"),
}


def plain(value: Any, *, names: bool = False) -> Any:
    """Without words; ``names``: the keys are a shape's properties and not words of JSON Schema."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: plain(one, names=key == "properties" and not names)
        for key, one in value.items()
        if names or (key not in WORDS and not key.startswith("x-"))
    }
    if not names and kept.pop("nullable", False):
        return {"anyOf": [kept, {"type": "null"}]}
    return kept


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set[str]()
        return own.union(*(references(one) for one in value.values()))
    return set[str]().union(*(references(one) for one in value)) if isinstance(value, list) else set()


def main() -> None:
    package = Path(sys.argv[1])
    version = json.loads((package / "package.json").read_text())["version"]
    whole = json.loads((package / "generated" / "api.github.com.json").read_text())
    paths: dict[str, Any] = {}
    for path, method in OPERATIONS:
        paths.setdefault(path, {})[method] = plain(whole["paths"][path][method])
    components: dict[str, Any] = {}
    wanted, taken = references(paths), set[str]()
    while wanted:
        reference = wanted.pop()
        taken.add(reference)
        _, _, kind, name = reference.split("/")
        components.setdefault(kind, {})[name] = plain(whole["components"][kind][name])
        wanted |= references(components[kind][name]) - taken
    source = f"npm @octokit/openapi {version}, MIT License, Copyright (c) 2020 Octokit contributors"
    shapes = {"source": source, "paths": paths, "components": components}
    TARGET.write_text(json.dumps(shapes, sort_keys=True, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
