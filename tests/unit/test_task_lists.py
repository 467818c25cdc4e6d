"""Task lists as people write them: what is read, what is warned of, and that only what must be is written."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.lifecycle.task_lists.model import MAX_BYTES, MAX_ITEMS, MAX_WARNINGS, Mark, TaskList
from pullyard.lifecycle.task_lists.order import that_stay
from pullyard.lifecycle.task_lists.parse import decode, encode, parse_task_list, readable
from pullyard.lifecycle.task_lists.template import task_list_template
from pullyard.lifecycle.task_lists.write import check_items

FULL = """\
# Work

## Server

- [ ] Add a health endpoint {#health}
  Load balancers ask for it.

  Every second.
  - accept: answers 200
  - [ ] answers within 10 ms
  - files: `src/app.py`, src/routes.py
  - verify: make test
  - verify: `npm ci && npm test`
  - Priority: high
  - labels: gpu=nvidia, linux
  - agent: claude-code
  - budget: $2.50
- [x] Done already
* [-] Not now
1. [ ] Show it
   - depends on: health
"""


def only(text: str) -> TaskList:
    return parse_task_list(text)


def said(text: str) -> list[str]:
    return [f"{one.line}: {one.message}" for one in parse_task_list(text).warnings]


def test_every_field_is_read() -> None:
    health, done, held, show = parse_task_list(FULL).items
    assert (health.key, health.title, health.group) == ("health", "Add a health endpoint", "Work / Server")
    assert health.description == "Load balancers ask for it.\n\nEvery second."
    assert health.acceptance_criteria == ["answers 200", "answers within 10 ms"]
    assert health.target_files == ["src/app.py"]
    assert health.verify_commands == [["make", "test"], ["sh", "-c", "npm ci && npm test"]]
    assert (health.priority, health.labels, health.agent) == (10, ["gpu=nvidia", "linux"], "claude-code")
    assert health.budget_micros == 2_500_000
    assert [item.mark for item in (done, held, show)] == [Mark.DONE, Mark.HELD, Mark.OPEN]
    assert show.after == ["health"]


def test_values_may_stand_below_their_field() -> None:
    text = "- [ ] One\n  - **Criteria:**\n    - first\n    - [ ] second\n  - what:\n    Long\n    words\n"
    (item,) = parse_task_list(text).items
    assert item.acceptance_criteria == ["first", "second"]
    assert item.description == "Long\nwords"


def test_a_missing_field_is_warned_of_with_its_line() -> None:
    assert said("\n- [ ] One\n  Words.\n") == [
        "2: It does not say: accept, files, verify; the defaults hold."
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  - priority: soon", "'soon' is no priority"),
        ("  - budget: a lot", "no amount of money"),
        ("  - id: ä ö", "is no id"),
        ("  - labels: ok, not/[ok]", "is no label"),
        ("  - agent: ../x", "is no agent"),
        ("  - verify: 'open", "can't be split"),
        ("  - after: nobody", "no item 'nobody'"),
        ("  - colour: blue", "'colour' is no field"),
        ("- just words", "no box"),
        ("- [ ]", "without a title"),
        ("- [?] odd", "'?'"),
        ("- [ ] one", "same title"),
    ],
)
def test_what_is_not_understood_is_warned_of(line: str, words: str) -> None:
    warnings = said(f"- [ ] One\n{line}\n")
    assert [one for one in warnings if one.startswith("2:") and words in one], warnings


def test_only_the_good_labels_are_kept() -> None:
    assert parse_task_list("- [ ] One\n  - labels: a=b, not/[ok]\n").items[0].labels == ["a=b"]


def test_a_circle_of_dependencies_is_opened() -> None:
    text = "- [ ] A\n  - after: B\n- [ ] B\n  - after: C\n- [ ] C\n  - after: A\n"
    a, b, c = parse_task_list(text).items
    assert (a.after, b.after, c.after) == ([b.key], [c.key], [])
    assert [one for one in said(text) if one.startswith("6:")]


def test_numbers_are_items_only_where_nothing_has_a_box() -> None:
    numbered = "Plan:\n\n1. First\n   - accept: x\n2. Second\n"
    assert [item.title for item in parse_task_list(numbered).items] == ["First", "Second"]
    assert [item.title for item in parse_task_list(numbered + "- [ ] Third\n").items] == ["Third"]


def test_code_and_comments_hold_no_items() -> None:
    text = "```\n- [ ] code\n```\n<!--\n- [ ] comment\n-->\n- [ ] real\n  ```\n  - [ ] sample\n  ```\n"
    (item,) = parse_task_list(text).items
    assert item.title == "real"
    assert "- [ ] sample" in item.description


def test_an_unclosed_block_in_an_item_ends_with_it() -> None:
    text = "- [ ] A\n  ```\n  x\n- [ ] B\n"
    assert [item.title for item in parse_task_list(text).items] == ["A", "B"]


def test_the_template_holds_nothing_to_run_and_no_warning() -> None:
    parsed = parse_task_list(task_list_template())
    assert (parsed.items, parsed.warnings) == ([], [])
    shown = task_list_template().replace("<!--", "").replace("-->", "")
    health, page = parse_task_list(shown).items
    assert (page.after, health.verify_commands) == (["health"], [["make", "test"]])


def test_the_size_is_bounded() -> None:
    many = parse_task_list("".join(f"- [ ] {number}\n" for number in range(MAX_ITEMS + 5)))
    assert len(many.items) == MAX_ITEMS
    assert many.cut
    assert len(many.warnings) == MAX_WARNINGS
    assert parse_task_list("x" * (MAX_BYTES + 1)).cut


def test_checking_changes_the_box_and_one_line() -> None:
    health = "Add a health endpoint {#health}"
    written = check_items(FULL, {"health": "merged as abc", "gone": "merged"})
    assert (written.done, written.absent) == ({"health"}, {"gone"})
    expected = FULL.replace(f"[ ] {health}", f"[x] {health}").replace(
        "  - budget: $2.50\n", "  - budget: $2.50\n  - status: merged as abc\n"
    )
    assert written.text == expected
    assert check_items(written.text, {"health": "merged as abc"}).text == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1. One", "1. [x] One\n   - status: s"),
        ("1. One\n2. Two\n", "1. [x] One\n   - status: s\n2. [ ] Two\n"),
        ("10. [ ] One\n  accept:", "10. [x] One\n  accept:\n  - status: s"),
        ("- [] One\r\n", "- [x] One\r\n  - status: s\r\n"),
        ("- [ ] One\r\n- [ ] Two", "- [x] One\r\n  - status: s\r\n- [ ] Two"),
        ("\t* [ ] One\n\n\nend", "\t* [x] One\n\t  - status: s\n\n\nend"),
        ("- [ ] One\n  - Status: old\n  x\n", "- [x] One\n  - status: s\n  x\n"),
        ("- [ ] One\n  ```\n  open\n", "- [x] One\n  - status: s\n  ```\n  open\n"),
        ("- [ ] One\n  <!-- a\n  b -->\n", "- [x] One\n  <!-- a\n  b -->\n  - status: s\n"),
    ],
)
def test_boxes_and_line_ends_stay_as_they_are_written(before: str, after: str) -> None:
    key = parse_task_list(before).items[0].key
    assert check_items(before, {key: "s"}).text == after


def test_the_digest_is_of_the_task_and_not_of_the_box() -> None:
    def digest(text: str) -> str:
        return parse_task_list(text).items[0].digest

    assert digest("- [ ] A\n  x\n") == digest("\n\n- [x] A\n  x\n  - status: merged\n")
    assert digest("- [ ] A\n  x\n") != digest("- [ ] A\n  y\n")


FIELDS = [
    "accept: ",
    "after: ",
    "id: a",
    "verify: ",
    "priority: ",
    "budget: ",
    "status: ",
    "labels: ",
    "files: ",
]
MARKUP = ["- [ ] ", "- [x] ", "\n", "\n  - ", "```\n", "<!--", "-->", "\n\t- [ ] ", "1. ", "{#a}"]
PIECES = st.sampled_from([*"-*+#`~<>![]()xX:,{}\t\r\n 1.\x00é\u2028", *MARKUP, *FIELDS])
ANY_BYTES = st.one_of(
    st.binary(max_size=400), st.lists(PIECES, max_size=120).map(lambda parts: "".join(parts).encode())
)


@given(ANY_BYTES)
def test_no_bytes_crash_it(content: bytes) -> None:
    text = decode(content)
    parsed = parse_task_list(text)
    assert encode(text) == content
    assert len({item.key for item in parsed.items}) == len(parsed.items)
    for item in parsed.items:
        assert item.title
        item.title.encode()
        item.description.encode()
        assert item.digest
    # The coordinator reads what the worker sends it, and both mean the same items.
    assert [item.key for item in parse_task_list(readable(content).replace("\x00", "\ufffd")).items] == [
        item.key for item in parsed.items
    ]
    lines = text.count("\n") + 1
    assert all(1 <= warning.line <= lines for warning in parsed.warnings)


@given(ANY_BYTES)
def test_whatever_is_checked_is_done_and_nothing_else_moves(content: bytes) -> None:
    text = decode(content)
    before = parse_task_list(text)
    chosen = {item.key: "merged" for item in before.items[::2]}
    written = check_items(text, chosen)
    after = parse_task_list(written.text)
    assert written.done == chosen.keys()
    assert [item.title for item in after.items] == [item.title for item in before.items]
    assert [item.digest for item in after.items] == [item.digest for item in before.items]
    for item in after.items:
        if item.key in chosen:
            assert (item.mark, item.status) == (Mark.DONE, "merged")
    assert check_items(written.text, chosen).text == written.text
    touched = {item.place.title_line for item in before.items if item.key in chosen or not item.place.box}
    touched |= {item.place.status_line for item in before.items if item.key in chosen} - {None}
    kept = [line.rstrip("\r") for number, line in enumerate(text.split("\n")) if number not in touched]
    remaining = iter(line.rstrip("\r") for line in written.text.split("\n"))
    assert all(line in remaining for line in kept)


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=12, unique_by=lambda one: one or object()))
def test_what_stays_is_in_order_and_as_much_as_can_be(positions: list[int | None]) -> None:
    kept = that_stay(positions)
    values = [positions[index] for index in sorted(kept)]
    assert None not in values
    assert values == sorted(values, key=lambda one: one or 0)
    best = [0] * len(positions)
    for index, position in enumerate(positions):
        if position is not None:
            earlier = [
                best[one]
                for one in range(index)
                if (other := positions[one]) is not None and other < position
            ]
            best[index] = 1 + max(earlier, default=0)
    assert len(kept) == max(best, default=0)


@pytest.mark.parametrize(
    "text",
    [
        "- [ ] a\n" + "  - after: " + "`x`" * 60_000,
        "- [ ] " + "`" * 200_000,
        "- [ ] a\n  - " + " " * 200_000 + ":",
        "#" * 200_000,
        "- [ ] a\n" * 30_000,
        "".join(
            f"- [ ] {n}\n  - after: {', '.join(map(str, range(max(0, n - 40), n + 40)))}\n"
            for n in range(900)
        ),
        "- [ ] a {#" * 20_000,
        "[" * 100_000,
    ],
    ids=range(8),
)
def test_a_hostile_list_takes_no_longer_than_its_size(text: str) -> None:
    began = time.process_time()
    parsed = parse_task_list(text)
    assert len(parsed.items) <= MAX_ITEMS
    # A tenth of it is usual; what grows with the square of the size takes minutes.
    assert time.process_time() - began < 10


def test_the_own_example_of_the_reference_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/task-lists.md").read_text()
    example = page.split("```markdown\n")[1].split("```\n")[0]
    parsed = parse_task_list(example)
    assert len(parsed.items) == 4
    assert parsed.warnings == []
