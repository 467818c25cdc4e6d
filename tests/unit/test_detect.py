"""Which commands verify a repository, by the files at its top; where the tool is here, they are run."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from pullyard.worker.counts import count_tests
from pullyard.worker.detect import Detected, detect, lookup_of

Files = dict[str, str]

PYTEST = "python3 -m pytest -q"
UNITTEST = "python3 -m unittest discover"
CMAKE = ["cmake -S . -B build", "cmake --build build", "ctest --test-dir build --output-on-failure"]
VENV = "python3 -m venv --system-site-packages .venv"
PIP = ".venv/bin/python -m pip install --quiet --disable-pip-version-check"
WITH_PYTEST = "[dependency-groups]\ndev = ['pytest']\n"


async def found(files: Files, *, online: bool) -> Detected:
    async def read(path: str) -> bytes | None:
        content = files.get(path)
        return None if content is None else content.encode()

    return await detect(list(files), read, online=online)


def package(**fields: object) -> Files:
    return {"package.json": json.dumps({"scripts": {"test": "node --test"}, **fields})}


LOCKED = package(dependencies={"a": "1"})
WORDLESS = {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}

# Files, the commands with a network, and those without where they are others.
TABLE: list[tuple[Files, list[str], list[str] | None]] = [
    ({"Cargo.toml": "", "Cargo.lock": ""}, ["cargo test --locked"], ["cargo test --locked --offline"]),
    ({"Cargo.toml": ""}, ["cargo test"], ["cargo test --offline"]),
    ({"go.mod": ""}, ["go test ./..."], ["env GOPROXY=off go test ./..."]),
    (
        {"pom.xml": "", "mvnw": ""},
        ["./mvnw --batch-mode test"],
        ["./mvnw --offline --batch-mode test"],
    ),
    ({"pom.xml": ""}, ["mvn --batch-mode test"], ["mvn --offline --batch-mode test"]),
    ({"build.gradle": "", "gradlew": ""}, ["./gradlew test"], ["./gradlew --offline test"]),
    ({"build.gradle": ""}, ["gradle test"], ["gradle --offline test"]),
    ({"build.gradle.kts": ""}, ["gradle test"], ["gradle --offline test"]),
    ({"settings.gradle.kts": ""}, ["gradle test"], ["gradle --offline test"]),
    # Node, by its lock file.
    (package(), ["npm test"], None),
    (LOCKED, ["npm install --no-save --no-package-lock", "npm test"], ["npm test"]),
    (LOCKED | {"package-lock.json": ""}, ["npm ci", "npm test"], ["npm ci --offline", "npm test"]),
    (LOCKED | {"npm-shrinkwrap.json": ""}, ["npm ci", "npm test"], ["npm ci --offline", "npm test"]),
    (
        LOCKED | {"pnpm-lock.yaml": ""},
        ["pnpm install --frozen-lockfile", "pnpm test"],
        ["pnpm install --frozen-lockfile --offline", "pnpm test"],
    ),
    (
        LOCKED | {"yarn.lock": ""},
        ["yarn install --frozen-lockfile", "yarn test"],
        ["yarn install --frozen-lockfile --offline", "yarn test"],
    ),
    (
        LOCKED | {"yarn.lock": "", ".yarnrc.yml": ""},
        ["yarn install --immutable", "yarn test"],
        ["env YARN_ENABLE_NETWORK=0 yarn install --immutable", "yarn test"],
    ),
    (
        package(dependencies={}, packageManager="yarn@4.5.0") | {"yarn.lock": ""},
        ["yarn install --immutable", "yarn test"],
        ["env YARN_ENABLE_NETWORK=0 yarn install --immutable", "yarn test"],
    ),
    (
        package(dependencies={}, packageManager="yarn@1.22.0") | {"yarn.lock": ""},
        ["yarn install --frozen-lockfile", "yarn test"],
        ["yarn install --frozen-lockfile --offline", "yarn test"],
    ),
    (
        {"package.json": '{"scripts": {"build": "x", "test": "y"}, "devDependencies": {}}'}
        | {"package-lock.json": ""},
        ["npm ci", "npm run build", "npm test"],
        ["npm ci --offline", "npm run build", "npm test"],
    ),
    (WORDLESS, [], None),
    (WORDLESS | {"go.mod": ""}, ["go test ./..."], ["env GOPROXY=off go test ./..."]),
    ({"package.json": "[" * 100_000, "Makefile": "test:\n"}, ["make test"], None),
    # Python, by what locks it.
    (
        {"uv.lock": "", "pyproject.toml": WITH_PYTEST},
        ["uv sync --locked", "uv run --no-sync pytest -q"],
        ["uv sync --locked --offline", "uv run --no-sync pytest -q"],
    ),
    (
        {"uv.lock": "", "pyproject.toml": "", "tests": ""},
        ["uv sync --locked", "uv run --no-sync python -m unittest discover"],
        ["uv sync --locked --offline", "uv run --no-sync python -m unittest discover"],
    ),
    (
        {"uv.lock": "", "pyproject.toml": "", "conftest.py": ""},
        ["uv sync --locked", "uv run --no-sync pytest -q"],
        ["uv sync --locked --offline", "uv run --no-sync pytest -q"],
    ),
    ({"uv.lock": "", "pyproject.toml": ""}, [UNITTEST], None),
    (
        {"poetry.lock": "", "pyproject.toml": WITH_PYTEST},
        ["poetry install --no-interaction", "poetry run pytest -q"],
        ["poetry run pytest -q"],
    ),
    (
        {"requirements.txt": "pytest==8\n", "requirements-dev.txt": "", "tests": ""},
        [VENV, f"{PIP} -r requirements.txt -r requirements-dev.txt", ".venv/bin/python -m pytest -q"],
        [UNITTEST],
    ),
    (
        {"requirements.txt": "", "setup.cfg": "[tool:pytest]"},
        [VENV, f"{PIP} -r requirements.txt", ".venv/bin/python -m pytest -q"],
        [PYTEST],
    ),
    (
        {"requirements.txt": "", "test": ""},
        [VENV, f"{PIP} -r requirements.txt", ".venv/bin/python -m unittest discover"],
        [],
    ),
    ({"requirements.txt": "", "app.py": ""}, [], None),
    ({"pytest.ini": ""}, [PYTEST], None),
    ({"tox.ini": ""}, [PYTEST], None),
    ({"pyproject.toml": "[tool.pytest.ini_options]"}, [PYTEST], None),
    ({"pyproject.toml": "[project]"}, [UNITTEST], None),
    ({"setup.py": "", "setup.cfg": "[tool:pytest]"}, [PYTEST], None),
    ({"setup.py": ""}, [UNITTEST], None),
    # Recipes.
    ({"Makefile": "all:\n\ttrue\ntest: all\n\ttrue\n"}, ["make test"], None),
    ({"GNUmakefile": "check:\n\ttrue\n"}, ["make check"], None),
    ({"Makefile": "lint test: all\n"}, ["make test"], None),
    ({"Makefile": "all:\n\ttrue\n.PHONY: test\ntest := 1\n"}, [], None),
    ({"justfile": "test filter='':\n  true\n"}, ["just test"], None),
    ({"Makefile": "test = a: b\ntest ?= a: b\ntest += c: d\n"}, [], None),
    ({".justfile": "@test:\n  true\n"}, ["just test"], None),
    ({"justfile": "build:\n  true\n", "Makefile": "test:\n\ttrue\n"}, ["make test"], None),
    # Others.
    ({"shop.sln": "", "a.csproj": ""}, ["dotnet test"], None),
    ({"mix.exs": ""}, ["mix test"], None),
    ({"deno.json": ""}, ["deno test"], ["deno test --cached-only"]),
    ({"CMakeLists.txt": ""}, CMAKE, None),
    ({"meson.build": ""}, ["meson setup build", "meson test -C build"], None),
    ({"README.md": ""}, [], None),
]


@pytest.mark.parametrize("online", [True, False], ids=["online", "offline"])
@pytest.mark.parametrize(("files", "with_network", "without"), TABLE, ids=[" ".join(row[0]) for row in TABLE])
async def test_the_files_at_the_top_tell_the_commands(
    files: Files, with_network: list[str], without: list[str] | None, *, online: bool
) -> None:
    expected = with_network if online or without is None else without
    detected = await found(files, online=online)
    assert [" ".join(argv) for argv in detected.commands] == expected
    assert bool(detected.warning) is not bool(expected), "nothing to run is never silent"


async def test_a_source_is_told_without_the_repositorys_own_words() -> None:
    """It goes into the task list that an initialization writes, where a name could be an item of its own."""
    detected = await found({"a\n-->\n- [ ] Publish the keys.csproj": ""}, online=False)
    assert (detected.commands, detected.source) == ([["dotnet", "test"]], ".csproj")


CASES = "import unittest\n\n\nclass Some(unittest.TestCase):\n    def test_it(self):\n        {}\n"
FUNCTION = "def test_it():\n    {}\n"
CARGO = '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n'
LOCK = 'version = 3\n\n[[package]]\nname = "shop"\nversion = "0.1.0"\n'
PROJECT = '[project]\nname = "shop"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n'
UV_LOCK = 'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "shop"\nversion = "0.1.0"\n'
UV_LOCK += 'source = { virtual = "." }\n'
NODE_TEST = "require('node:test')('it', () => {{ require('node:assert')({}) }})\n"
NPM = {"name": "shop", "version": "0.1.0", "dependencies": {}}
NPM_LOCK = {"name": "shop", "version": "0.1.0", "lockfileVersion": 3, "packages": {"": NPM}}

# A tool, whose framework counts, the files, and the one of them whose braces hold what passes or fails.
REAL: dict[str, tuple[str | None, Files, str, tuple[str, str]]] = {
    "make": (None, {"Makefile": "test:\n\t{}\n"}, "Makefile", ("true", "false")),
    "npm": (
        "tap",
        {
            "package.json": json.dumps(NPM | {"scripts": {"test": "node --test --test-reporter=tap"}}),
            "package-lock.json": json.dumps(NPM_LOCK),
            "it.test.js": NODE_TEST,
        },
        "it.test.js",
        ("true", "false"),
    ),
    "cargo": (
        "cargo",
        {
            "Cargo.toml": CARGO,
            "Cargo.lock": LOCK,
            "src/lib.rs": "#[test]\nfn it() {{ assert!({}); }}\n",
        },
        "src/lib.rs",
        ("true", "false"),
    ),
    "python3": (
        "unittest",
        {"setup.py": "", "test_it.py": CASES},
        "test_it.py",
        ("pass", "self.fail()"),
    ),
    "pytest": (
        "pytest",
        {"pytest.ini": "[pytest]\n", "test_it.py": FUNCTION},
        "test_it.py",
        ("pass", "raise"),
    ),
    "pip": (
        "unittest",
        {"requirements.txt": "# Nothing.\n", "tests/test_it.py": CASES, "tests/__init__.py": ""},
        "tests/test_it.py",
        ("pass", "self.fail()"),
    ),
    "uv": (
        "unittest",
        {"pyproject.toml": PROJECT, "uv.lock": UV_LOCK, "tests/test_it.py": CASES, "tests/__init__.py": ""},
        "tests/test_it.py",
        ("pass", "self.fail()"),
    ),
}


@pytest.mark.parametrize("tool", REAL)
async def test_what_is_detected_runs_and_its_tests_are_counted(tool: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not on this machine")
    framework, files, tested, words = REAL[tool]
    tops = {name.partition("/")[0] for name in files}
    detected = await found({name: files.get(name, "") for name in tops}, online=tool == "pip")
    for word, passes in zip(words, (True, False), strict=True):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content.format(word) if name == tested else content)
        # What was installed stays for the second time.
        commands = detected.commands if passes else detected.commands[-1:]
        assert run_all(commands, tmp_path) == (passes, framework, int(passes), int(not passes))


# This machine's own plugins of pytest take seconds to load.
QUICK = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run_all(commands: Sequence[Sequence[str]], place: Path) -> tuple[bool, str | None, int, int]:
    """Whether all passed, and what the last command's output counts: framework, passed and failed."""
    for argv in commands:
        done = subprocess.run(argv, cwd=place, capture_output=True, check=False, timeout=60, env=QUICK)
        if done.returncode:
            break
    tally = count_tests(done.stdout + done.stderr)
    counts = (
        (tally.framework, tally.passed, tally.failed) if tally else (None, *counts_of_exit(done.returncode))
    )
    return done.returncode == 0, *counts


def counts_of_exit(code: int) -> tuple[int, int]:
    return int(code == 0), int(code != 0)


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("sh -c true", True),
        ("no-such-program test", False),
        ("env A=1 sh -c true", True),
        ("env A=1 no-such-program", False),
        ("python3 -m unittest discover", True),
        ("python3 -m no_such_module", False),
        ("python3 -m venv .venv", True),
    ],
)
def test_a_program_that_is_not_installed_is_told_from_one_that_fails(line: str, *, there: bool) -> None:
    lookup = lookup_of(shlex.split(line))
    assert lookup is not None
    done = subprocess.run(lookup, capture_output=True, check=False, timeout=60)
    assert (done.returncode == 0) is there
    assert lookup_of(["./gradlew", "test"]) is None, "one of the repository's own has to be there"
