"""The search in a log's pieces finds what a search in the whole finds, however the log is cut."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullyard.coordinator.logs import scan as scan_module
from pullyard.coordinator.logs.haystack import Haystack, fold
from pullyard.coordinator.logs.scan import Scan, Wish
from pullyard.coordinator.logs.stored import after_newline

ALPHABET = "aAbß\u0130iI\u03c3\u03c2\u03a3\u212akK\r\n é"
TEXTS = st.text(ALPHABET, max_size=60)
WORDS = st.text(ALPHABET.replace("\n", ""), min_size=1, max_size=4)
CASES = st.sampled_from(["same", "any"])
CUTS = st.lists(st.integers(0, 500))
EDGE = 24


def matching_lines(data: bytes, words: str, *, ignore_case: bool) -> list[tuple[int, int]]:
    """The model: number and offset of each line that holds the words."""
    found, offset = [], 0
    for number, line in enumerate(data.split(b"\n"), 1):
        if ignore_case:
            hit = fold(words) in fold(line.decode("utf-8", "surrogateescape"))
        else:
            hit = words.encode() in line
        if hit:
            found.append((number, offset))
        offset += len(line) + 1
    return found


def scan_all(wish: Wish, data: bytes, cuts: list[int]) -> Scan:
    scan = Scan(wish, offset=0, line=1, line_start=0, begin=0)
    ends = [*sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    begin = 0
    for end in ends:
        scan.feed(data[begin:end], last=end == len(data))
        begin = end
    return scan


@pytest.fixture(autouse=True)
def narrow_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece is then longer than its edges, and every border is crossed."""
    monkeypatch.setattr(scan_module, "EDGE_BYTES", EDGE)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(TEXTS, max_size=8), st.binary(max_size=3), WORDS, st.booleans(), st.lists(st.integers(0, 500))
)
def test_pieces_are_searched_like_the_whole(
    texts: list[str], rubbish: bytes, words: str, case: str, cuts: list[int]
) -> None:
    ignore_case = case == "any"
    data = rubbish.join(text.encode() for text in texts)
    found = scan_all(Wish(words, ignore_case=ignore_case, limit=1000), data, cuts).matches
    assert [(one.line, one.offset) for one in found] == matching_lines(data, words, ignore_case=ignore_case)
    for one in found:
        at = data[one.match_offset :].decode("utf-8", "surrogateescape")
        assert fold(at).startswith(fold(words)) if ignore_case else at.startswith(words)


def test_folding_keeps_every_character_in_its_place() -> None:
    whole = "".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    assert len(fold(whole)) == len(whole)


def test_case_is_no_matter_in_any_alphabet() -> None:
    for words, line in (
        ("straße", "STRAßE"),
        ("éa", "ÉA"),
        ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"),
        ("i\u0307x", "I\u0307X"),
    ):
        assert Haystack(line.encode(), words, ignore_case=True).find(0) == 0
        assert Haystack(line.encode(), words, ignore_case=False).find(0) == -1


def test_context_is_the_lines_around() -> None:
    data = b"one\ntwo\nthree\nfour\nfive"
    found = scan_all(Wish("three", context=2), data, [5, 9]).matches[0]
    assert (found.before, found.text, found.after) == (["one", "two"], "three", ["four", "five"])


def test_of_a_long_line_the_part_around_the_match_is_shown() -> None:
    data = b"x" * 5000 + b"needle" + b"y" * 5000 + b"\nneedle\n"
    found = scan_all(Wish("needle", context=1), data, list(range(0, 10_000, 700))).matches
    assert [(one.line, one.match_offset, one.truncated) for one in found] == [
        (1, 5000, True),
        (2, 10_007, False),
    ]
    assert "needle" in found[0].text
    assert len(found[0].text) <= scan_module.SHOWN_BYTES


def test_the_limit_ends_the_search_after_a_line() -> None:
    data = b"a\na\na\n"
    scan = scan_all(Wish("a", limit=2), data, [])
    assert (len(scan.matches), scan.next) == (2, 4)


@given(st.lists(st.sampled_from([b"\n", b"x", b"yy"]), max_size=60))
def test_a_newline_is_found_by_its_number(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    places = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    assert [after_newline(data, number) for number in range(1, len(places) + 1)] == places
