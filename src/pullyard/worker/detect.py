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
    return (
        from_package(await read("package.json") if "package.json" in present else None, present)
        or by_file(present)
        or await by_recipe(present, read)
        or by_suffix(present)
        or await by_python_sources(present, read)
        or NOTHING
    )


def by_file(present: set[str]) -> Detected | None:
    for name, commands in _BY_FILE:
        if name in present:
            return Detected([list(command) for command in commands], source=name)
    return None


async def by_recipe(present: set[str], read: ReadFile) -> Detected | None:
    for name, program in _RECIPE_FILES:
        if name in present and (recipe := test_recipe(await read(name))):
            return Detected([[program, recipe]], source=name)
    return None


def by_suffix(present: set[str]) -> Detected | None:
    for suffix, commands in _BY_SUFFIX:
        # The file's own name is the repository's words, and what is told of the source goes into a task list.
        if any(name.endswith(suffix) for name in present):
            return Detected([list(command) for command in commands], source=suffix)
    return None


async def by_python_sources(present: set[str], read: ReadFile) -> Detected | None:
    for name in ("pyproject.toml", "setup.cfg"):
        if name in present and b"pytest" in (await read(name) or b""):
            return Detected([PYTEST], source=name)
    if present & {"pyproject.toml", "setup.py", "tests"}:
        return Detected([["python3", "-m", "unittest", "discover"]], source="Python sources")
    return None


PYTEST = ["python3", "-m", "pytest", "-q"]


_BY_FILE: Sequence[tuple[str, Sequence[Sequence[str]]]] = (
    ("Cargo.toml", [["cargo", "test", "--offline"]]),
    ("go.mod", [["go", "test", "./..."]]),
    ("pytest.ini", [PYTEST]),
    ("conftest.py", [PYTEST]),
    ("tox.ini", [PYTEST]),
    ("pom.xml", [["mvn", "--offline", "--batch-mode", "test"]]),
    ("gradlew", [["./gradlew", "--offline", "test"]]),
    ("build.gradle", [["gradle", "--offline", "test"]]),
    ("build.gradle.kts", [["gradle", "--offline", "test"]]),
    ("mix.exs", [["mix", "test"]]),
    ("Package.swift", [["swift", "test"]]),
    ("deno.json", [["deno", "test", "--cached-only"]]),
    ("pubspec.yaml", [["dart", "test"]]),
    ("build.zig", [["zig", "build", "test"]]),
    ("dune-project", [["dune", "test"]]),
    ("stack.yaml", [["stack", "test"]]),
    ("phpunit.xml", [["vendor/bin/phpunit"]]),
    ("phpunit.xml.dist", [["vendor/bin/phpunit"]]),
    (".rspec", [["bundle", "exec", "rspec"]]),
    ("MODULE.bazel", [["bazel", "test", "//..."]]),
)

# Files of named recipes, which are only a proof where there is one for it.
_RECIPE_FILES = (("justfile", "just"), ("Makefile", "make"), ("GNUmakefile", "make"), ("makefile", "make"))

_BUILD = "build"
_BY_SUFFIX: Sequence[tuple[str, Sequence[Sequence[str]]]] = (
    (".sln", [["dotnet", "test"]]),
    (".csproj", [["dotnet", "test"]]),
    (
        "CMakeLists.txt",
        [
            ["cmake", "-S", ".", "-B", _BUILD],
            ["cmake", "--build", _BUILD],
            ["ctest", "--test-dir", _BUILD, "--output-on-failure"],
        ],
    ),
    ("meson.build", [["meson", "setup", _BUILD], ["meson", "test", "-C", _BUILD]]),
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


def test_recipe(content: bytes | None) -> str | None:
    """The recipe that proves the work: ``test``, else ``check``; None where there is neither."""
    lines = (content or b"").splitlines()
    return next(
        (name for name in ("test", "check") if any(line.startswith(f"{name}:".encode()) for line in lines)),
        None,
    )
