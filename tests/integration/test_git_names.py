"""Branch names by git's own judgement."""

import subprocess

import pytest

from pullyard.git.names import branch_slug, check_branch, check_object_id
from pullyard.protocol.errors import RequestError

NAMES = ["main", "a/b", "ünï", "a.b", "-x", "a b", "a..b", "a@{b", ".a", "a/.b", "a.lock", "a.lock/b"]
NAMES += [
    "a//b",
    "/a",
    "a/",
    "a.",
    "a~b",
    "a^b",
    "a:b",
    "a?b",
    "a*b",
    "a[b",
    "a\\b",
    "a\tb",
    "a\x7fb",
    "HEAD",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_branch_is_taken_where_git_takes_it(name: str) -> None:
    git = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
    try:
        taken = check_branch(name) == name
    except RequestError:
        taken = False
    assert taken == (git.returncode == 0)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Fix the  thing!", "fix-the-thing"),
        ("Überprüfe Größe", "uberprufe-groe"),
        ("修复", "task"),
        ("", "task"),
        ("-rf ..", "rf"),
        ("x.lock", "x-lock"),
        ("a@{b}", "a-b"),
        ("w" * 100, "w" * 40),
    ],
)
def test_slugs(title: str, slug: str) -> None:
    assert branch_slug(title) == slug
    assert check_branch(f"pullyard/1-{slug}-abcdef")


@pytest.mark.parametrize("text", ["", "abc", "g" * 40, "A" * 40, "a" * 41, "a" * 40 + "\n"])
def test_what_is_no_object_id(text: str) -> None:
    with pytest.raises(RequestError):
        check_object_id(text)
