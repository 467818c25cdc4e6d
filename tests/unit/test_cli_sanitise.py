"""What hostile text may do to a terminal: nothing but colour it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.cli.sanitise import LINE_CHARACTERS, Lines, coloured, one_line, plain

HOSTILE = [
    "\x1b]0;owned\x07title",
    "\x1b]8;;http://evil\x1b\\title\x1b]8;;\x1b\\",
    "\x1b[2Jtitle",
    "\x1b[1;1Htitle",
    "\x1bctitle",
    "\x1bP1$r\x1b\\title",
    "\x9b2Jtitle",
    "\x1b[8mtitle",
    "\x1b[5mtitle",
    "\x08\x08title",
    "\u202etitle\u2066",
    "ti\x00tle\x7f",
    "loading\rtitle",
    "title\x1b[",
    "title\x1b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_takes_every_sequence_out(text: str) -> None:
    assert plain(text) == "title"
    assert coloured(text) == "title"


def test_keeps_plain_colours_and_ends_them_with_the_line() -> None:
    assert coloured("\x1b[1;31mred\nplain") == "\x1b[1;31mred\x1b[0m\nplain"
    assert coloured("\x1b[38;5;208mx") == "\x1b[38;5;208mx\x1b[0m"
    assert plain("\x1b[1;31mred") == "red"


def test_keeps_tabs_and_other_alphabets() -> None:
    assert coloured("a\tö 漢 🙂") == "a\tö 漢 🙂"


def test_a_title_stays_on_one_line() -> None:
    assert one_line("a\nb\r\n c") == "a b c"
    assert len(one_line("x" * 500)) == 200


@given(st.text())
def test_nothing_that_controls_is_left(text: str) -> None:
    left = plain(text)
    assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) <= 0x9F for c in left)


@given(st.binary(max_size=300), st.integers(1, 7))
def test_lines_are_the_same_however_the_bytes_are_cut(data: bytes, size: int) -> None:
    whole, cut = Lines(colours=True), Lines(colours=True)
    expected = whole.feed(data) + whole.end()
    pieces = [line for start in range(0, len(data), size) for line in cut.feed(data[start : start + size])]
    assert pieces + cut.end() == expected


def test_a_line_without_end_comes_in_bounded_pieces() -> None:
    lines = Lines(colours=False)
    pieces = [piece for _ in range(100) for piece in lines.feed(b"x" * 10_000)] + lines.end()
    assert sum(map(len, pieces)) == 1_000_000
    assert max(map(len, pieces)) <= LINE_CHARACTERS
