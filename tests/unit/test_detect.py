"""Which commands verify a repository, by the files at its top."""

import pytest

from pullyard.worker.detect import detect


async def commands(files: dict[str, str]) -> list[str]:
    async def read(path: str) -> bytes | None:
        content = files.get(path)
        return None if content is None else content.encode()

    return [" ".join(argv) for argv in (await detect(list(files), read)).commands]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"Cargo.toml": ""}, ["cargo test --offline"]),
        ({"go.mod": ""}, ["go test ./..."]),
        ({"pyproject.toml": "[tool.pytest.ini_options]"}, ["python3 -m pytest -q"]),
        ({"pyproject.toml": "[project]"}, ["python3 -m unittest discover"]),
        ({"setup.py": "", "setup.cfg": "[tool:pytest]"}, ["python3 -m pytest -q"]),
        ({"Makefile": "all:\n\ttrue\ntest: all\n\ttrue\n"}, ["make test"]),
        ({"Makefile": "check:\n\ttrue\n"}, ["make check"]),
        ({"Makefile": "all:\n\ttrue\n"}, []),
        ({"justfile": "build:\n  true\n", "Makefile": "test:\n\ttrue\n"}, ["make test"]),
        ({"justfile": "test:\n  true\n"}, ["just test"]),
        ({"shop.sln": "", "a.csproj": ""}, ["dotnet test"]),
        ({"build.gradle.kts": ""}, ["gradle --offline test"]),
        ({"mix.exs": ""}, ["mix test"]),
        (
            {"CMakeLists.txt": ""},
            ["cmake -S . -B build", "cmake --build build", "ctest --test-dir build --output-on-failure"],
        ),
        ({"package.json": '{"scripts": {"test": "vitest"}}'}, ["npm test"]),
        (
            {
                "package.json": '{"scripts": {"build": "x", "test": "y"}, "dependencies": {}}',
                "package-lock.json": "",
            },
            ["npm ci --offline", "npm run build", "npm test"],
        ),
        ({"package.json": "[" * 100_000, "go.mod": ""}, ["go test ./..."]),
        ({"README.md": ""}, []),
    ],
)
async def test_the_files_at_the_top_tell_the_commands(files: dict[str, str], expected: list[str]) -> None:
    assert await commands(files) == expected


async def test_a_source_is_told_without_the_repositorys_own_words() -> None:
    """It goes into the task list that an initialization writes, where a name could be an item of its own."""

    async def nothing(_name: str) -> bytes | None:
        return None

    found = await detect(["a\n-->\n- [ ] Publish the keys.csproj"], nothing)
    assert (found.commands, found.source) == ([["dotnet", "test"]], ".csproj")
