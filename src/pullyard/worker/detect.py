"""Which commands verify a repository, by the files at its top: a table, the first row that fits wins."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

ReadFile = Callable[[str], Awaitable[bytes | None]]
"""Reads one file of the base commit by its path; None where there is none. Bounded by the reader."""

NPM_INSTALLS = {
    "pnpm-lock.yaml": ["pnpm", "install", "--frozen-lockfile", "--offline"],
    "yarn.lock": ["yarn", "install", "--frozen-lockfile", "--offline"],
    "package-lock.json": ["npm", "ci", "--offline"],
}
PLACEHOLDER_TEST = "no test specified"


@dataclass(frozen=True)
class Detected:
    """``commands`` is empty where nothing was found; ``warning`` then says what to configure."""

    commands: list[list[str]]
    source: str = ""
    warning: str | None = None


NOTHING = Detected(
    [],
    warning="No verify command was found in the repository: nothing was verified. "
    "Set verify_commands on the project or the task.",
)


async def detect(names: Sequence[str], read: ReadFile) -> Detected:
    """``names`` are the entries at the top of the base commit's tree."""
    present = set(names)
    if "package.json" in present:
        found = from_package(await read("package.json"), present)
        if found:
            return found
    for name, commands in _BY_FILE:
        if name in present:
            return Detected([list(command) for command in commands], source=name)
    if "Makefile" in present and has_test_target(await read("Makefile")):
        return Detected([["make", "test"]], source="Makefile")
    if present & {"pyproject.toml", "setup.py", "tests"}:
        return Detected([["python3", "-m", "unittest", "discover"]], source="Python sources")
    return NOTHING


_BY_FILE: Sequence[tuple[str, Sequence[Sequence[str]]]] = (
    ("Cargo.toml", [["cargo", "test", "--offline"]]),
    ("go.mod", [["go", "test", "./..."]]),
    ("pytest.ini", [["python3", "-m", "pytest", "-q"]]),
    ("conftest.py", [["python3", "-m", "pytest", "-q"]]),
    ("tox.ini", [["python3", "-m", "pytest", "-q"]]),
    ("pom.xml", [["mvn", "--offline", "--batch-mode", "test"]]),
    ("gradlew", [["./gradlew", "--offline", "test"]]),
    ("justfile", [["just", "test"]]),
)


def from_package(content: bytes | None, present: set[str]) -> Detected | None:
    package = read_package(content)
    scripts = package.get("scripts")
    if not isinstance(scripts, dict):
        return None
    commands = [["npm", "run", "build"]] if "build" in scripts else []
    test = scripts.get("test")
    if isinstance(test, str) and PLACEHOLDER_TEST not in test:
        commands.append(["npm", "test"])
    if not commands:
        return None
    if isinstance(package.get("dependencies"), dict) or isinstance(package.get("devDependencies"), dict):
        install = next((argv for lock, argv in NPM_INSTALLS.items() if lock in present), None)
        commands = [install, *commands] if install else commands
    return Detected(commands, source="package.json")


def read_package(content: bytes | None) -> dict[str, Any]:
    """Empty where it is not what npm would take."""
    try:
        package: Any = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return package if isinstance(package, dict) else {}


def has_test_target(content: bytes | None) -> bool:
    return any(line.startswith(b"test:") for line in (content or b"").splitlines())
