"""A repository's Dockerfile: what the engine is given of it, and what it never gets to see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.worker.images.dockerfile import Recipe, read_dockerfile
from pullyard.worker.images.errors import ImageRefused
from pullyard.worker.images.references import registry_of


def read(text: str, **arguments: str) -> Recipe:
    return read_dockerfile(
        text.encode(), "Dockerfile", arguments, lambda name: registry_of(name) == "docker.io"
    )


def test_the_engine_is_given_one_line_for_each_instruction() -> None:
    found = read("# syntax=x/y\n# why\nFROM node:22\n\nRUN one && \\\n  # between\n  two\ncopy . /app\n")
    assert found.text == "# escape=\\\nFROM node:22\nRUN one &&   two\nCOPY . /app\n"
    assert [line for line, _ in found.steps] == [3, 5, 8]
    assert found.images == ["node:22"]


def test_arguments_choose_the_base_image() -> None:
    text = 'ARG VARIANT="22"\nARG EMPTY\nFROM node:${VARIANT}-bookworm${EMPTY:+-slim} AS Build\nFROM build\n'
    assert read(text).images == ["node:22-bookworm"]
    assert read(text, VARIANT="24", EMPTY="x").images == ["node:24-bookworm-slim"]


@pytest.mark.parametrize(
    "line",
    [
        "ADD http://169.254.169.254/latest /x",
        "ADD HTTP://x /x",
        'ADD ["https://x/y", "/x"]',
        "ADD $WHERE /x",
        "ADD http:\\//x /x",
        "ADD http:'//'x /x",
        "ADD git@github.com:a/b /x",
        'ADD --checksum=sha256:0 "https://x" /x',
        'ADD ["ht\\u0074p://x", "/x"]',
        "ADD \\\n http://x /x",
        "ONBUILD ADD http://x /x",
        "onbuild RUN true",
        "RUN --mount=type=bind,from=10.0.0.1/x,target=/x true",
        "RUN --network=host true",
        "RUN --security=insecure true",
        "COPY --from=10.0.0.5:5000/secret / /x",
        'COPY --fr"om"=10.0.0.5/secret / /x',
        "COPY --from=$X / /x",
        "FROM 10.0.0.5:5000/secret",
        "FROM localhost/x",
        "FROM $UNKNOWN",
        "FROM --security=x node",
        "FROM node\rADD http://x /x",
        "INCLUDE other",
        "EOF",
    ],
)
def test_what_the_engine_would_do_outside_of_a_container_is_refused(line: str) -> None:
    with pytest.raises(ImageRefused, match=r"^Dockerfile, line 2: "):
        read(f"FROM node:22\n{line}\n")


def test_a_refused_registry_says_what_to_set() -> None:
    with pytest.raises(ImageRefused, match=r"line 1: images of ghcr\.io are not taken.*image_registries"):
        read("FROM ghcr.io/a/b\n")


def test_another_sign_that_continues_lines_hides_nothing() -> None:
    with pytest.raises(ImageRefused, match="line 5"):
        read("# escape=`\nFROM node:22\nRUN x `\n&& y \\\nADD http://x /x `\n\n")
    text = read("# escape=`\nFROM node:22\nRUN x `\n&& y\n").text
    assert text == "# escape=`\nFROM node:22\nRUN x && y\n"


@pytest.mark.parametrize("text", ["", "RUN true", "# only\n", "ARG X=1", "FROM", "FROM a b", "FROM a AS -x"])
def test_a_file_without_a_beginning_is_refused(text: str) -> None:
    with pytest.raises(ImageRefused, match="Dockerfile, line"):
        read(text)


PIECES = st.sampled_from(
    [
        *(
            "FROM node",
            "FROM x AS y",
            "\n",
            "\\\n",
            "# escape=`\n",
            "`\n",
            "ADD ",
            "http://x",
            "COPY --from=",
        ),
        *(
            "RUN ",
            "--mount",
            " ",
            "\t",
            "\r",
            "$X",
            "${X:-y}",
            '"',
            "'",
            "[",
            "]",
            "<<EOF",
            "ONBUILD ",
            "\x85",
        ),
    ]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=30))
def test_whatever_is_let_through_reads_the_same_again(pieces: list[str]) -> None:
    """The engine parses what we wrote, so our own reading of it must find the same steps."""
    try:
        first = read("FROM node\n" + "".join(pieces))
    except ImageRefused:
        return
    again = read(first.text)
    assert [step for _, step in again.steps] == [step for _, step in first.steps]
    assert not any(step.startswith("ADD") and "//" in step for _, step in first.steps)


@given(st.binary(max_size=2000))
def test_no_bytes_break_it(content: bytes) -> None:
    with pytest.raises(ImageRefused):
        read_dockerfile(content, "Dockerfile", {}, lambda _: False)
