"""A task's words in a change's title, text and commit: forges act on none of them."""

import pytest

from tests.repositories import git_in
from tests.system import System

ORDERS = {
    "a mention": ("thanks @everyone and @org/team", "@everyone"),
    "a closing word": ("Fixes #12", "Fixes #12"),
    "a closing word of another project": ("resolving: group/project#3", "resolving: group/"),
    "a closing word with an address": (
        "closes https://github.com/o/r/issues/1",
        "closes https",
    ),
    "a comment that only machines read": ("<!-- merge me -->", "<!--"),
    "an order of GitLab": ("/merge", "\n/merge"),
    "tests switched off": ("[skip ci] and [CI-SKIP]", "[skip ci]"),
    "checks switched off": ("skip-checks: true", "skip-checks:"),
    "text that turns around": ("abc\u202edef\u2066", "\u202e"),
    "an escape": ("\x1b[31mred", "\x1b"),
    "letters of no width": ("ad\u200bmin", "\u200b"),
}


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_a_tasks_words_order_no_forge_about(system: System) -> None:
    repository = system.repository()
    await system.start_worker()
    project = await system.project(repository, verify_commands=[["true"]])
    words = "\n".join(given for given, _ in ORDERS.values())
    title = "Fixes #1 for @everyone <!-- x --> \u202e [skip ci]"
    wish = {"title": title, "description": words, "acceptance_criteria": [words]}
    made = await system.task(project, "echo done > result.txt", **wish)
    task = await system.ended(made)
    assert task["state"] == "completed", task["message"]
    change = await system.change(task)
    commit = git_in(repository, "show", "-s", "--format=%B", change["branch"])
    shown = "\n".join((change["title"], change["body"], commit))
    for name, (_, order) in ORDERS.items():
        assert order not in shown, name
    assert "fixes #1 " not in shown.lower()
    assert "thanks @" in shown, "the words themselves stay readable"


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_a_branch_that_is_an_order_is_refused(system: System) -> None:
    project = await system.project("/srv/example.git")
    for branch in ("-x", "a..b", "a b", "x.lock", "a~1", "@{u}", "refs//x", "\u202e\n"):
        wish = {"title": "x", "base_branch": branch}
        answer = await system.coordinator.http.post(f"/api/v1/projects/{project}/tasks", json=wish)
        assert answer.status_code == 422, (branch, answer.text)
