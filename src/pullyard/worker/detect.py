"""Which commands verify a repository, by the files at its top: a table, the first row that fits wins.

Only the top is looked at: what is in a repository of several projects is for its owner to say.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

ReadFile = Callable[[str], Awaitable[bytes | None]]
"""Reads one file of the base commit by its path; None where there is none. Bounded by the reader."""
Commands = Sequence[Sequence[str]]

PLACEHOLDER_TEST = "no test specified"
CONFIGURED = "configured"


@dataclass(frozen=True)
class Detected:
    """``commands`` is empty where nothing was found; ``warning`` then says what to configure."""

    commands: list[list[str]]
    source: str = ""
    warning: str | None = None

    @property
    def configured(self) -> bool:
        """Whether the task or the project names the commands, so that all of them have to be there."""
        return self.source == CONFIGURED


NOTHING = Detected(
    [],
    warning="No verify command was found in the repository: nothing was verified. "
    "Set verify_commands on the project or the task.",
)


async def detect(names: Sequence[str], read: ReadFile, *, online: bool) -> Detected:
    """``names`` are the entries at the top of the base commit's tree.

    ``online`` says that package registries can be reached: then the commands fetch what they need.
    """
    present = set(names)
    return (
        from_package(
            await read("package.json") if "package.json" in present else None, present, online=online
        )
        or by_file(_COMPILED, present, online=online)
        or await by_python_lock(present, read, online=online)
        or by_file(_INTERPRETED, present, online=online)
        or await by_recipe(present, read)
        or by_suffix(present)
        or await by_python_sources(present, read)
        or NOTHING
    )


def lookup_of(argv: Sequence[str]) -> list[str] | None:
    """Fails where ``argv``'s program is not installed; None for one of the repository's own."""
    if list(argv[:2]) == ["python3", "-m"]:
        module = {"venv": "ensurepip"}.get(argv[2], argv[2])
        return ["python3", "-I", "-c", f"import {module}"]
    program = argv[2] if argv[0] == "env" else argv[0]
    return None if "/" in program else ["sh", "-c", 'command -v "$1"', "sh", program]


def by_file(table: Sequence["_Row"], present: set[str], *, online: bool) -> Detected | None:
    for name, commands, offline in table:
        if name in present:
            chosen = commands if online or offline is None else offline
            return Detected([list(command) for command in chosen], source=name)
    return None


async def by_python_lock(present: set[str], read: ReadFile, *, online: bool) -> Detected | None:
    """uv, Poetry and pip: what is locked is installed first, into an environment of the checkout's own."""
    lock = next((name for name in _PYTHON_LOCKS if name in present), None)
    if lock is None:
        return None
    test = await python_test(present, read)
    if test is None:
        return None
    if lock == "uv.lock":
        network = [] if online else ["--offline"]
        return Detected(
            [["uv", "sync", "--locked", *network], ["uv", "run", "--no-sync", *test]], source=lock
        )
    if lock == "poetry.lock":
        # Poetry knows no way to install without a network: what is there already has to do.
        install = [["poetry", "install", "--no-interaction"]] if online else []
        return Detected([*install, ["poetry", "run", *test]], source=lock)
    return Detected(with_pip(present, test), source=lock) if online else None


async def python_test(present: set[str], read: ReadFile) -> list[str] | None:
    """None where there are no tests to be seen."""
    if present & {"pytest.ini", "conftest.py", "tox.ini"} or await _first_with(
        b"pytest", ("pyproject.toml", "setup.cfg", *_REQUIREMENTS), present, read
    ):
        return ["pytest", "-q"]
    return ["python", "-m", "unittest", "discover"] if present & {"tests", "test"} else None


def with_pip(present: set[str], test: list[str]) -> list[list[str]]:
    files = [word for name in _REQUIREMENTS if name in present for word in ("-r", name)]
    python = f"{ENVIRONMENT}/bin/python"
    return [
        ["python3", "-m", "venv", "--system-site-packages", ENVIRONMENT],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *files],
        [python, *(test[1:] if test[0] == "python" else ["-m", *test])],
    ]


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
    if source := await _first_with(b"pytest", ("pyproject.toml", "setup.cfg"), present, read):
        return Detected([PYTEST], source=source)
    if present & {"pyproject.toml", "setup.py", "tests"}:
        return Detected([["python3", "-m", "unittest", "discover"]], source="Python sources")
    return None


async def _first_with(word: bytes, names: Sequence[str], present: set[str], read: ReadFile) -> str | None:
    for name in names:
        if name in present and word in (await read(name) or b""):
            return name
    return None


PYTEST = ["python3", "-m", "pytest", "-q"]
ENVIRONMENT = ".venv"
_REQUIREMENTS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
)
_PYTHON_LOCKS = ("uv.lock", "poetry.lock", *_REQUIREMENTS)


_Row = tuple[str, Commands, Commands | None]
"""A file, the commands for it, and those without a network where they are others."""

_COMPILED: Sequence[_Row] = (
    ("Cargo.lock", [["cargo", "test", "--locked"]], [["cargo", "test", "--locked", "--offline"]]),
    ("Cargo.toml", [["cargo", "test"]], [["cargo", "test", "--offline"]]),
    ("go.mod", [["go", "test", "./..."]], [["env", "GOPROXY=off", "go", "test", "./..."]]),
    ("mvnw", [["./mvnw", "--batch-mode", "test"]], [["./mvnw", "--offline", "--batch-mode", "test"]]),
    ("pom.xml", [["mvn", "--batch-mode", "test"]], [["mvn", "--offline", "--batch-mode", "test"]]),
    ("gradlew", [["./gradlew", "test"]], [["./gradlew", "--offline", "test"]]),
    ("build.gradle", [["gradle", "test"]], [["gradle", "--offline", "test"]]),
    ("build.gradle.kts", [["gradle", "test"]], [["gradle", "--offline", "test"]]),
    ("settings.gradle", [["gradle", "test"]], [["gradle", "--offline", "test"]]),
    ("settings.gradle.kts", [["gradle", "test"]], [["gradle", "--offline", "test"]]),
)

_INTERPRETED: Sequence[_Row] = (
    ("pytest.ini", [PYTEST], None),
    ("conftest.py", [PYTEST], None),
    ("tox.ini", [PYTEST], None),
    ("mix.exs", [["mix", "test"]], None),
    ("Package.swift", [["swift", "test"]], None),
    ("deno.json", [["deno", "test"]], [["deno", "test", "--cached-only"]]),
    ("pubspec.yaml", [["dart", "test"]], None),
    ("build.zig", [["zig", "build", "test"]], None),
    ("dune-project", [["dune", "test"]], None),
    ("stack.yaml", [["stack", "test"]], None),
    ("phpunit.xml", [["vendor/bin/phpunit"]], None),
    ("phpunit.xml.dist", [["vendor/bin/phpunit"]], None),
    (".rspec", [["bundle", "exec", "rspec"]], None),
    ("MODULE.bazel", [["bazel", "test", "//..."]], None),
)

# Files of named recipes, which are only a proof where there is one for it.
_RECIPE_FILES = (
    ("justfile", "just"),
    ("Justfile", "just"),
    (".justfile", "just"),
    ("Makefile", "make"),
    ("GNUmakefile", "make"),
    ("makefile", "make"),
)

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


_NodeRow = tuple[str, str, Sequence[str], Sequence[str]]
"""A lock file, its program, and how it installs with a network and without one."""

_NODE: Sequence[_NodeRow] = (
    # A lock file, its program, and how that installs exactly what is locked, with and without a network.
    (
        "pnpm-lock.yaml",
        "pnpm",
        ["pnpm", "install", "--frozen-lockfile"],
        ["pnpm", "install", "--frozen-lockfile", "--offline"],
    ),
    # The one of these two that the first version of Yarn does not know comes first.
    (
        ".yarnrc.yml",
        "yarn",
        ["yarn", "install", "--immutable"],
        ["env", "YARN_ENABLE_NETWORK=0", "yarn", "install", "--immutable"],
    ),
    (
        "yarn.lock",
        "yarn",
        ["yarn", "install", "--frozen-lockfile"],
        ["yarn", "install", "--frozen-lockfile", "--offline"],
    ),
    ("package-lock.json", "npm", ["npm", "ci"], ["npm", "ci", "--offline"]),
    ("npm-shrinkwrap.json", "npm", ["npm", "ci"], ["npm", "ci", "--offline"]),
)


def from_package(content: bytes | None, present: set[str], *, online: bool) -> Detected | None:
    package = read_package(content)
    scripts = package.get("scripts")
    if not isinstance(scripts, dict):
        return None
    named = str(package.get("packageManager", ""))
    # Yarn writes a lock file of the same name in all its versions.
    modern = {".yarnrc.yml"} if re.match(r"yarn@(?!0|1\.)", named) else set[str]()
    row = next((row for row in _NODE if row[0] in present | modern), None)
    commands = proofs_of(scripts, row[1] if row else "npm")
    if not commands:
        return None
    return Detected([*install_of(package, row, online=online), *commands], source="package.json")


def proofs_of(scripts: dict[str, Any], program: str) -> list[list[str]]:
    commands = [[program, "run", "build"]] if "build" in scripts else []
    test = scripts.get("test")
    if isinstance(test, str) and PLACEHOLDER_TEST not in test:
        commands.append([program, "test"])
    return commands


def install_of(package: dict[str, Any], row: "_NodeRow | None", *, online: bool) -> list[list[str]]:
    """Empty where nothing is needed, or nothing could be fetched."""
    kinds = ("dependencies", "devDependencies", "workspaces")
    if not any(isinstance(package.get(kind), dict) for kind in kinds):
        return []
    if row is None:
        return [["npm", "install", "--no-save", "--no-package-lock"]] if online else []
    return [list(row[2] if online else row[3])]


def read_package(content: bytes | None) -> dict[str, Any]:
    """Empty where it is not what npm would take."""
    try:
        package: Any = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return package if isinstance(package, dict) else {}


# Parameters of a recipe of just may have defaults; a variable of make is no recipe.
_RECIPE = re.compile(
    rb"^@?(?:[\w.-]+[ \t]+){0,20}(test|check)(?:[ \t]+(?![?+!:]?=)[^:#\s]+){0,20}[ \t]*::?(?!=)"
)


def test_recipe(content: bytes | None) -> str | None:
    """The recipe that proves the work: ``test``, else ``check``; None where there is neither."""
    found = {
        match[1].decode() for line in (content or b"").splitlines() if (match := _RECIPE.match(line[:1000]))
    }
    return next((name for name in ("test", "check") if name in found), None)
