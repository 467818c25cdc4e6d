"""Our own agent's loop with a scripted model: what it heeds, what it stands, and when it ends."""

import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pullyard.agents.built_in import SERVED
from pullyard.agents.inside.calls import Ended
from pullyard.agents.inside.loop import Loop
from pullyard.agents.inside.program import Job, open_loop
from pullyard.agents.inside.tools import Asked
from tests.model_server import Broken, Failure, ModelServer, Raw, Text, ToolUse, Turn

EDIT = ToolUse("edit_file", {"path": "greeting.txt", "old": "helo", "new": "hello"})
DONE = Text("Fixed the greeting.")
LONG = "0123456789 word\n" * 5000


class Told(list[dict[str, Any]]):
    def tell(self, kind: str, **fields: Any) -> None:
        json.dumps(fields)
        self.append({"kind": kind, **fields})

    @property
    def results(self) -> list[str]:
        return [one["text"] for one in self if one["kind"] == "tool-result"]


@pytest.fixture(autouse=True)
def greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.txt").write_text(LONG)
    (tmp_path / "greeting.txt").write_text("helo world\n")
    return tmp_path / "greeting.txt"


def job(server: ModelServer, **more: Any) -> Job:
    usual = {
        "prompt": "# Task 1: Fix the greeting",
        "instructions": "Be careful.",
        "api": "anthropic",
        "model": "claude-sonnet-5",
        "address": server.base_url,
        "limits": {"turns": 100, "tokens": None},
        "window_tokens": 200_000,
        "answer_tokens": 1000,
        "tools": dict.fromkeys(SERVED, "allow"),
        "commands": [],
    }
    return Job.model_validate({**usual, **more})


@asynccontextmanager
async def scripted(*script: Turn, **more: Any) -> AsyncIterator[tuple[Loop, Told, ModelServer]]:
    async with ModelServer(script) as server:
        told = Told()
        loop = open_loop(job(server, **more), told.tell)
        loop.retry_seconds = 0.0
        yield loop, told, server


async def gone_on(loop: Loop, answer: str, server: ModelServer, **more: Any) -> Told:
    """As the next process does with the session and the answer."""
    told = Told()
    await open_loop(job(server, session=loop.state(), answer=answer, **more), told.tell).run()
    return told


def sizes(server: ModelServer) -> list[int]:
    return [len(request.body) for request in server.model_requests()]


def reads(count: int, input_tokens: int = 100) -> Sequence[Turn]:
    return [
        ToolUse("read_file", {"path": "long.txt", "first_line": 1 + number, "lines": 1500}, input_tokens)
        for number in range(count)
    ]


RULES = [["deny curl **", "ask make **", "ask touch **"], ["allow **"]]


async def test_a_denied_command_is_not_run_and_the_model_is_told_why() -> None:
    run = ToolUse("run_command", {"command": "touch seen; curl http://example.com"})
    async with scripted(run, DONE, commands=[["deny curl **"]]) as (loop, told, _):
        await loop.run()
    assert "denied" in told.results[0]
    assert "deny curl **" in told.results[0]
    assert not Path("seen").exists()


@pytest.mark.parametrize(("answer", "made"), [("approve", True), ("reject", False), ("yes", False)])
async def test_a_command_that_is_asked_about_runs_only_when_approved(answer: str, *, made: bool) -> None:
    run = ToolUse("run_command", {"command": "touch made"})
    async with scripted(run, DONE, commands=RULES) as (loop, _, server):
        with pytest.raises(Asked, match="touch made") as asked:
            await loop.run()
        assert (asked.value.choices, asked.value.free) == (["approve", "reject"], False)
        assert not Path("made").exists()
        told = await gone_on(loop, answer, server, commands=RULES)
    assert Path("made").exists() is made
    assert ("does not allow" in told.results[0]) is not made


async def test_a_denied_tool_is_neither_offered_nor_done() -> None:
    tools = {name: "deny" if name == "write_file" else "allow" for name in SERVED}
    write = ToolUse("write_file", {"path": "x", "content": "y"})
    async with scripted(write, DONE, tools=tools) as (loop, told, server):
        await loop.run()
    offered = {tool["name"] for tool in server.model_requests()[0].json["tools"]}
    assert offered == {*SERVED} - {"write_file"}
    assert "denied" in told.results[0]
    assert not Path("x").exists()


@pytest.mark.parametrize(
    ("limits", "word"),
    [({"turns": 3, "tokens": None}, "max_turns"), ({"turns": 99, "tokens": 2000}, "max_tokens")],
)
async def test_it_stops_at_its_limits_also_over_a_question(limits: dict[str, Any], word: str) -> None:
    script = [ToolUse("list_files", {"glob": str(number)}, 800, 100) for number in range(8)]
    ask = ToolUse("ask_person", {"question": "Which?"}, 800, 100)
    async with scripted(ask, *script, limits=limits) as (loop, _, server):
        with pytest.raises(Asked):
            await loop.run()
        with pytest.raises(Ended, match=word):
            await gone_on(loop, "That one.", server, limits=limits)
    assert len(server.model_requests()) == 3


async def test_garbage_from_the_model_is_answered_and_it_goes_on(greeting: Path) -> None:
    script = [
        ToolUse("no_such_tool", {"a": 1}),
        ToolUse("read_file", {"pth": "x", "lines": "many"}),
        ToolUse("read_file", {"path": "no/such/file"}),
        ToolUse("read_file", {"path": "nul\0name"}),
        ToolUse("search_files", {"pattern": "("}),
        ToolUse("edit_file", {"path": "greeting.txt", "old": "nothing", "new": ""}),
        Raw(b'event: message_start\ndata: {"type": "mess\n\n'),
        Raw(b"", content_type="application/json"),
        Broken(Text("a" * 500), 300),
        Failure(529),
        EDIT,
        DONE,
    ]
    async with scripted(*script) as (loop, told, _):
        await loop.run()
    words = [
        "no tool 'no_such_tool'",
        "Field required",
        "No such file",
        "null",
        "regular expr",
        "read it again",
    ]
    assert [word in text for word, text in zip(words, told.results, strict=False)] == [True] * len(words)
    assert greeting.read_text() == "hello world\n"


async def test_arguments_that_are_no_json_are_answered() -> None:
    call = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "read_file", "arguments": '{"pa'},
    }
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    deltas = [({"role": "assistant", "tool_calls": [call]}, None), ({}, "tool_calls")]
    lines = [{**chunk, "choices": [{"index": 0, "delta": one, "finish_reason": end}]} for one, end in deltas]
    body = b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines) + b"data: [DONE]\n\n"
    async with scripted(Raw(body), DONE, api="openai-chat", model="gpt-5") as (loop, told, server):
        await loop.run()
    assert "no JSON object" in told.results[0]
    assert len(server.model_requests()) == 2


@pytest.mark.parametrize("turn", [ToolUse("list_files", {}), ToolUse("read_file", {"path": "none"})])
async def test_the_same_call_again_and_again_ends_it(turn: Turn) -> None:
    async with scripted(turn) as (loop, told, server):
        with pytest.raises(Ended, match="same call"):
            await loop.run()
    assert len(server.model_requests()) == 6
    assert "do something else" in told.results[-1]


async def test_failure_after_failure_ends_it() -> None:
    script = [ToolUse("read_file", {"path": f"none-{number}"}) for number in range(40)]
    async with scripted(*script) as (loop, _, server):
        with pytest.raises(Ended, match="failed one after the other"):
            await loop.run()
    assert len(server.model_requests()) == 12


async def test_a_model_that_says_nothing_ends_it() -> None:
    async with scripted(Text(" ")) as (loop, _, server):
        with pytest.raises(Ended, match="nothing"):
            await loop.run()
    assert len(server.model_requests()) == 3


@pytest.mark.parametrize(
    ("status", "reason", "requests"), [(402, "budget", 1), (401, "provider", 1), (400, "provider", 1)]
)
async def test_a_refusal_ends_it_at_once(status: int, reason: str, requests: int) -> None:
    async with scripted(Failure(status, message="No.")) as (loop, _, server):
        with pytest.raises(Ended) as ended:
            await loop.run()
    assert ended.value.reason == reason
    assert len(server.model_requests()) == requests


async def test_what_is_sent_stays_within_the_window(greeting: Path) -> None:
    more = {"window_tokens": 24_000}
    async with scripted(*reads(10, 9000), EDIT, DONE, **more) as (loop, _, server):
        await loop.run()
    assert max(sizes(server)) < 24_000 * 4
    last = json.dumps(server.model_requests()[-1].json)
    assert "Fix the greeting" in last, "the task stays, whatever goes"
    assert "left out" in last
    assert greeting.read_text() == "hello world\n"


async def test_a_very_long_conversation_keeps_a_note_of_what_was_done() -> None:
    writes = [
        ToolUse("write_file", {"path": f"file-{number}.txt", "content": f"{number}\n" * 600})
        for number in range(40)
    ]
    async with scripted(*writes, DONE, window_tokens=16_000) as (loop, _, server):
        await loop.run()
    assert max(sizes(server)) < 16_000 * 4
    last = json.dumps(server.model_requests()[-1].json)
    assert "write_file file-0.txt" in last
    assert "Fix the greeting" in last


async def test_a_model_that_finds_it_too_long_is_sent_less(greeting: Path) -> None:
    too_long = Failure(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
    async with scripted(*reads(4), too_long, EDIT, DONE, window_tokens=60_000) as (loop, _, server):
        await loop.run()
    assert sizes(server)[5] < sizes(server)[4]
    assert greeting.read_text() == "hello world\n"


async def test_commands_end_with_all_that_they_started() -> None:
    script = [
        ToolUse("run_command", {"command": "sleep 300 & echo $! > pid; yes | head -c 300000; exit 3"}),
        ToolUse("run_command", {"command": "echo begun; sleep 300", "seconds": 1}),
        DONE,
    ]
    async with scripted(*script) as (loop, told, _):
        await loop.run()
    assert "bytes left out" in told.results[0]
    assert told.results[0].endswith("[exit code 3]")
    assert told.results[1] == "begun\n\n[stopped by its time limit of 1 seconds]"
    left = Path("/proc", Path("pid").read_text().strip(), "stat")
    assert not left.exists() or left.read_text().split()[2] == "Z"


async def test_a_pattern_that_would_take_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullyard.agents.inside.tools.SEARCH_SECONDS", 1)
    Path("a.txt").write_text("a" * 200 + "\n")
    async with scripted(ToolUse("search_files", {"pattern": "(a+)+b"}), DONE) as (loop, told, _):
        await loop.run()
    assert "too long" in told.results[0]


async def test_an_answer_with_several_calls_is_done_in_order_around_a_question() -> None:
    calls = [
        {"type": "tool_use", "id": "t1", "name": "write_file", "input": {"path": "one", "content": "1"}},
        {"type": "tool_use", "id": "t2", "name": "ask_person", "input": {"question": "Go on?"}},
        {"type": "tool_use", "id": "t3", "name": "write_file", "input": {"path": "two", "content": "2"}},
    ]
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {"id": "m", "type": "message", "role": "assistant", "model": "c"},
        },
    ]
    events[0]["message"] |= {
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    for index, call in enumerate(calls):
        given = {"type": "input_json_delta", "partial_json": json.dumps(call["input"])}
        events += [
            {"type": "content_block_start", "index": index, "content_block": {**call, "input": {}}},
            {"type": "content_block_delta", "index": index, "delta": given},
            {"type": "content_block_stop", "index": index},
        ]
    stop = {"stop_reason": "tool_use", "stop_sequence": None}
    events += [
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    body = b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events)
    async with scripted(Raw(body), DONE) as (loop, _, server):
        with pytest.raises(Asked):
            await loop.run()
        assert (Path("one").exists(), Path("two").exists()) == (True, False)
        Path("one").unlink()
        told = await gone_on(loop, "Yes.", server)
    assert (Path("one").exists(), Path("two").exists()) == (False, True), "what was done is not done again"
    assert "Yes." in told.results[0]
    results = server.model_requests()[-1].json["messages"][-1]["content"]
    assert [one["tool_use_id"] for one in results] == ["t1", "t2", "t3"]


async def test_lines_are_counted_and_kept_as_editors_do() -> None:
    Path("dos.txt").write_bytes(b"one\r\ntwo\x0c\r\nthree\xe2\x80\xa8\r\n")
    edit = ToolUse("edit_file", {"path": "dos.txt", "old": "one\ntwo", "new": "1\n2"})
    async with scripted(ToolUse("read_file", {"path": "dos.txt"}), edit, DONE) as (loop, told, _):
        await loop.run()
    assert told.results[0] == "1\tone\n2\ttwo\x0c\n3\tthree\u2028"
    assert Path("dos.txt").read_bytes() == b"1\r\n2\x0c\r\nthree\xe2\x80\xa8\r\n"


async def test_what_is_no_ordinary_file_is_left_alone() -> None:
    os.mkfifo("pipe")
    calls = [
        ToolUse("write_file", {"path": "pipe", "content": "x"}),
        ToolUse("read_file", {"path": "/dev/zero"}),
        ToolUse("edit_file", {"path": ".", "old": "a", "new": "b"}),
    ]
    async with scripted(*calls, DONE) as (loop, told, _):
        await loop.run()
    assert ["no ordinary file" in told.results[0], "no ordinary file" in told.results[1]] == [True, True]
    assert "directory" in told.results[2]


async def test_it_goes_on_from_what_a_person_answers_over_every_wire_format() -> None:
    ask = ToolUse("ask_person", {"question": "Which?"})
    for api, model in (("openai-chat", "gpt-5"), ("openai-responses", "gpt-5"), ("gemini", "gemini-2.5-pro")):
        more = {"api": api, "model": model}
        async with scripted(ToolUse("read_file", {"path": "greeting.txt"}), ask, DONE, **more) as (
            loop,
            _,
            server,
        ):
            with pytest.raises(Asked):
                await loop.run()
            told = await gone_on(loop, "The blue one.", server, **more)
        assert "The blue one." in told.results[0], api
        sent = server.model_requests()[-1].body.decode()
        assert "helo world" in sent, api
        assert "The blue one." in sent, api


@pytest.mark.parametrize("command", ["make " + "x" * 2000, "make \u202etxt.exe", "make a\x1b[31m"])
async def test_nobody_is_asked_about_what_can_not_be_shown_whole(command: str) -> None:
    run = ToolUse("run_command", {"command": command})
    async with scripted(run, DONE, commands=RULES) as (loop, told, _):
        await loop.run()
    assert "can't be shown" in told.results[0]


async def test_a_name_that_no_tool_could_have_is_not_sent_back() -> None:
    async with scripted(ToolUse("rm -rf / ;\n" + "x" * 200, {}), DONE) as (loop, told, server):
        await loop.run()
    assert "no tool" in told.results[0]
    (call,) = server.model_requests()[1].json["messages"][1]["content"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["name"])


@pytest.mark.parametrize("api", ["anthropic", "openai-chat", "openai-responses", "gemini"])
async def test_the_instructions_are_sent_with_every_request(api: str) -> None:
    names = {"anthropic": "claude-sonnet-5", "gemini": "gemini-2.5-pro"}
    read = ToolUse("read_file", {"path": "greeting.txt"})
    async with scripted(read, EDIT, DONE, api=api, model=names.get(api, "gpt-5")) as (loop, _, server):
        await loop.run()
    said = ["Be careful." in request.body.decode() for request in server.model_requests()]
    assert said == [True, True, True]
