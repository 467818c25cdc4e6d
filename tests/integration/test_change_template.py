"""What a repository and a forge bring into a change's text and page: bounded, and nothing but words."""

from pathlib import Path

import msgspec
import pytest

from pullyard.forges.feedback import page_url
from pullyard.git.program import Git
from pullyard.worker.change_template import TEMPLATE_BYTES, TEMPLATE_PLACES, read_template
from pullyard.worker.change_text import criterion_text, task_link
from tests.repositories import commit_files, git_in, make_repository
from tests.unit.test_receipts import RECEIPT


async def template(place: Path, files: dict[str, str], kind: str = "github") -> str:
    repository = make_repository(place / "repository", {"README": "x\n", **files})
    commit = git_in(repository, "rev-parse", "HEAD")
    return await read_template(Git(), repository / ".git", commit, TEMPLATE_PLACES[kind])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("github", ".github/PULL_REQUEST_TEMPLATE.md"),
        ("github", "docs/pull_request_template.md"),
        ("gitea", ".forgejo/pull_request_template.md"),
        ("gitlab", ".gitlab/merge_request_templates/Default.md"),
    ],
)
async def test_each_forges_own_template(tmp_path: Path, kind: str, name: str) -> None:
    assert await template(tmp_path, {name: "## What\r\n\r\n\r\n<!-- Say it. -->\r\n- [ ] x\r\n"}, kind) == (
        "## What\n\n- [ ] x"
    )


async def test_the_first_place_wins(tmp_path: Path) -> None:
    files = {"pull_request_template.md": "top", ".github/pull_request_template.md": "first"}
    assert await template(tmp_path, files) == "first"


@pytest.mark.parametrize("text", ["x" * (TEMPLATE_BYTES + 1), "<!-- never closed, with @all"])
async def test_what_is_no_template(tmp_path: Path, text: str) -> None:
    assert await template(tmp_path, {"pull_request_template.md": text}) == ""


async def test_a_link_is_no_template(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", {"README": "x\n"})
    (repository / "pull_request_template.md").symlink_to("/etc/hostname")
    commit = commit_files(repository, {})
    assert await read_template(Git(), repository / ".git", commit, TEMPLATE_PLACES["github"]) == ""


RAN = RECEIPT.commands[0]


@pytest.mark.parametrize(
    ("criterion", "argv", "outcome", "ticked"),
    [
        ("`npm test` passes", ["npm", "test"], "passed", True),
        ("npm test passes", ["npm", "test"], "passed", True),
        ("`npm test` passes", ["npm", "test"], "failed", False),
        ("npm tests pass", ["npm", "test"], "passed", False),
        ("We make it fast", ["make"], "passed", False),
        ("`make` passes", ["make"], "passed", True),
    ],
)
def test_a_criterion_is_ticked_by_proof_alone(
    criterion: str, argv: list[str], outcome: str, ticked: object
) -> None:
    result = msgspec.structs.replace(RAN, argv=argv, outcome=outcome)
    receipt = msgspec.structs.replace(RECEIPT, commands=[result])
    assert criterion_text(criterion, receipt).startswith("- [x] " if ticked else "- [ ] ")


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "https://x/\n[a](b)", "https://" + "x" * 2000, "", None, "data:text/html,x"],
)
def test_what_is_no_page_is_not_shown(url: str | None) -> None:
    assert page_url(url) is None
    assert task_link(url, "task_1") is None


def test_a_place_that_closes_its_brackets_is_no_link() -> None:
    assert task_link("https://x.test/) [a](https://evil.test", "task_1") is None
    assert task_link("https://x.test/", "task_1") == "https://x.test/tasks/task_1"
