"""Logs by lines, by what is in them, and as a whole: always the bytes that were written."""

import random
import time

import pytest

from pullyard.coordinator.logs import lines as lines_module
from tests.coordinator import RunningCoordinator
from tests.logs import WrittenLog, begin_log

ALPHABET = [b"\n", b"\n", b"a", b"needle", b"\r", "ü".encode(), b"\xff", b" ", b"bb"]


def random_frames(seed: int, count: int) -> list[bytes]:
    dice = random.Random(seed)
    return [b"".join(dice.choices(ALPHABET, k=dice.randint(1, 30))) for _ in range(count)]


async def check_lines(log: WrittenLog, first: int, last: int) -> None:
    wanted = log.lines()[first - 1 : last]
    offset = sum(len(line) + 1 for line in log.lines()[: first - 1])
    answer = await log.ask("/lines", lines=f"{first}-{last}")
    assert [(one["number"], one["text"]) for one in answer["lines"]] == [
        (number, line.decode(errors="replace")) for number, line in enumerate(wanted, first)
    ]
    for one, line in zip(answer["lines"], wanted, strict=True):
        assert log.data[one["offset"] :][: one["size_bytes"]] == line
    assert (answer["next"], answer["total_lines"]) == (None, len(log.lines()))
    plain = await log.get(lines=f"{first}-{last}")
    assert plain.content == log.data[offset:][: sum(len(line) + 1 for line in wanted)]
    assert not wanted or plain.headers["pullyard-log-offset"] == str(offset)


async def check_search(log: WrittenLog, words: str) -> None:
    expected = [number for number, line in enumerate(log.lines(), 1) if words.encode() in line]
    found, cursor = [], 0
    while cursor is not None:
        answer = await log.ask("/search", q=words, limit=3, cursor=cursor)
        found += answer["matches"]
        cursor = answer["next"]
    assert [one["line"] for one in found] == expected
    for one in found:
        assert log.data[one["match_offset"] :].startswith(words.encode())


async def check_ranges(log: WrittenLog, dice: random.Random) -> None:
    for _ in range(5):
        first = dice.randint(1, len(log.lines()) + 1)
        await check_lines(log, first, first + dice.choice((0, 1, 7, 10_000)))
        offset = dice.randint(0, len(log.data))
        limit = dice.choice((1, 10, 500))
        part = await log.get(offset=offset, limit=limit)
        assert part.content == log.data[offset : offset + limit]
    await check_search(log, "needle")
    await check_search(log, "ü a")


async def test_every_range_and_search_is_that_of_the_plain_bytes(coordinator: RunningCoordinator) -> None:
    log = await begin_log(coordinator)
    for seed in range(4):
        await log.write(*random_frames(seed, 12))
        await check_ranges(log, random.Random(seed))


async def test_lines_without_an_end_and_beyond_the_end(coordinator: RunningCoordinator) -> None:
    log = await begin_log(coordinator)
    empty = await log.ask("/lines")
    assert (empty["lines"], empty["total_lines"], empty["final"]) == ([], 0, False)
    await log.write(b"one\ntw")
    assert [one["text"] for one in (await log.ask("/lines"))["lines"]] == ["one", "tw"]
    await log.write(b"o\n")
    assert [one["text"] for one in (await log.ask("/lines", lines="2-"))["lines"]] == ["two"]
    assert (await log.ask("/lines", lines="3-"))["lines"] == []
    assert (await log.ask("/lines", lines="9999999999999999"))["lines"] == []


@pytest.mark.parametrize("words", ["0", "-1", "5-2", "a", "1-2-3", "", " 1", "1" * 30, "1,2", "%00"])
async def test_a_range_of_lines_that_is_none_is_refused(coordinator: RunningCoordinator, words: str) -> None:
    log = await begin_log(coordinator, b"one\n")
    for more in ("", "/lines"):
        assert (await log.get(more, lines=words)).status_code == 422


async def test_long_answers_say_where_to_go_on(coordinator: RunningCoordinator) -> None:
    line = b"x" * 300_000
    log = await begin_log(coordinator, *([line] * 5), b"\n", *([line + b"\nshort\n"] * 3))
    texts, following = [], 1
    while following is not None:
        answer = await log.ask("/lines", lines=f"{following}-")
        texts += [(one["size_bytes"], one["truncated"]) for one in answer["lines"]]
        following = answer["next"]
    assert texts == [(1_500_000, True), *([(300_000, False), (5, False)] * 3)]
    many = await begin_log(coordinator, b"\n" * (lines_module.MAX_LINES + 5))
    answer = await many.ask("/lines")
    assert (len(answer["lines"]), answer["next"]) == (lines_module.MAX_LINES, lines_module.MAX_LINES + 1)


async def test_a_search_knows_case_and_context_and_refuses_what_is_no_line(
    coordinator: RunningCoordinator,
) -> None:
    log = await begin_log(coordinator, "eins\nZWÖLF\ndrei\n".encode())
    assert (await log.ask("/search", q="zwölf"))["matches"] == []
    answer = await log.ask("/search", q="zwölf", ignore_case=True, context=1)
    assert (answer["next"], answer["searched_bytes"]) == (None, len(log.data))
    match = answer["matches"][0]
    assert (match["line"], match["offset"], match["before"], match["after"]) == (2, 5, ["eins"], ["drei"])
    for query in ({"q": ""}, {"q": "a\nb"}, {"q": "a\0"}, {"q": "a" * 201}, {"q": "a", "limit": 0}):
        assert (await log.get("/search", **query)).status_code == 422
    for query in ({"context": 6}, {"cursor": -1}, {"cursor": 2**63}, {"limit": 101}):
        assert (await log.get("/search", q="a", **query)).status_code == 422
    assert (await log.ask("/search", q="e", cursor=2**62))["matches"] == []


async def test_a_log_is_downloaded_whole_or_by_a_range_of_http(coordinator: RunningCoordinator) -> None:
    log = await begin_log(coordinator, *([b"0123456789" * 100_000] * 2), b"end")
    size = len(log.data)
    whole = await log.get("/raw")
    assert (whole.status_code, whole.content) == (200, log.data)
    assert whole.headers["content-length"] == str(size)
    for words, begin, end in (("0-9", 0, 10), (f"{size - 5}-", size - 5, size), ("-3", size - 3, size)):
        part = await log.get("/raw", headers={"range": f"bytes={words}"})
        assert (part.status_code, part.content) == (206, log.data[begin:end])
        assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
    for words in (f"{size}-", "99999999999-", "-0"):
        assert (await log.get("/raw", headers={"range": f"bytes={words}"})).status_code == 416
    for words in ("bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "rubbish"):
        assert (await log.get("/raw", headers={"range": words})).content == log.data


async def test_logs_of_others_and_of_nobody_are_not_found(coordinator: RunningCoordinator) -> None:
    log = await begin_log(coordinator, b"one\n")
    for more, query in (("", {}), ("/lines", {}), ("/search", {"q": "one"}), ("/raw", {})):
        path = log.path.replace(log.grant.execution_id, "exec_00000000000000000000000000")
        assert (await coordinator.http.get(path + more, params=query)).status_code == 404
        assert (await coordinator.client().get(log.path + more, params=query)).status_code == 401
    assert (await log.get("/nothing")).status_code == 404


async def test_a_million_lines_answer_any_range_at_once(coordinator: RunningCoordinator) -> None:
    log = await begin_log(coordinator)
    line = b"%07d the quick brown fox jumps over the lazy dog\n"
    for start in range(0, 1_000_000, 20_000):
        await log.write(b"".join(line % number for number in range(start + 1, start + 20_001)))
    began = time.process_time()
    for number in (1, 120, 500_000, 999_999, 1_000_000):
        answer = await log.ask("/lines", lines=f"{number}-{number + 20}")
        assert answer["lines"][0]["text"].startswith(f"{number:07d} ")
    answer = await log.ask("/search", q="0999999 the", limit=1)
    assert answer["matches"][0]["line"] == 999_999
    # A scan for each of the ranges would take ten times as long. The coordinator is a part of this process.
    assert time.process_time() - began < 5
