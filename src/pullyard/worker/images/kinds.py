"""What a repository is written in, by the files at its top: a table, the first row that fits wins."""

from collections.abc import Iterable

DEFAULT_IMAGES = {
    "node": "node:22-bookworm",
    "python": "python:3.13-bookworm",
    "go": "golang:1-bookworm",
    "rust": "rust:1-bookworm",
    "java": "maven:3-eclipse-temurin-21",
    "plain": "buildpack-deps:bookworm",
}
"""Public images by kind; all hold a shell and git, which the harvest needs."""

PLAIN = "plain"

_BY_FILE = (
    ("rust", frozenset({"Cargo.toml"})),
    ("go", frozenset({"go.mod", "go.work"})),
    (
        "java",
        frozenset({"pom.xml", "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"}),
    ),
    (
        "python",
        frozenset(
            {
                *("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "tox.ini"),
                *("uv.lock", "poetry.lock", "pytest.ini"),
            }
        ),
    ),
    ("node", frozenset({"package.json", "deno.json", "tsconfig.json"})),
)


def kind_of(names: Iterable[str]) -> str:
    """One of the keys of ``DEFAULT_IMAGES``."""
    present = frozenset(names)
    return next((kind for kind, files in _BY_FILE if present & files), PLAIN)
