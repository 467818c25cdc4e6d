"""How agents read what is printed: any bytes, cut anywhere, in bounded memory."""

import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullyard.agents.claude_stream import RESULT_LIMIT, ClaudeStream
from pullyard.agents.lines import JSON_LINE_LIMIT_BYTES, JsonLines
from pullyard.agents.registry import AGENTS
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.conversation import to_line
from pullyard.protocol.worker import MOST, Usage
from tests.agent_runs import Run, read_run

PARSING = sorted(name for name, agent in AGENTS.items() if not agent.plain_log)
WORDS = st.sampled_from(
    [
        *("type", "message", "content", "assistant", "user", "result", "system", "init", "text", "tool_use"),
        *(
            "tool_result",
            "usage",
            "input_tokens",
            "output_tokens",
            "total_cost_usd",
            "is_error",
            "id",
            "name",
        ),
        *("kind", "data", "choices", "free", "reason", "call_id", "message", "note", "diff", "used"),
        *("question", "session", "end", "tool-call", "tool-result", "thought", "budget", "failed"),
        *("input", "do", "call", "say", "shown", "thinking", "subtype", "api_error_status", "num_turns"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=6),
    max_leaves=20,
)
LINES = st.binary(max_size=80) | VALUES.map(lambda value: json.dumps(value).encode())


def claude(*lines: dict[str, Any], exit_code: int = 0, piece_bytes: int = 7) -> Run:
    output = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return read_run(AGENTS["claude-code"](), output, exit_code, piece_bytes)


def said(*blocks: dict[str, Any], message_id: str = "m1", **usage: int) -> dict[str, Any]:
    return {"type": "assistant", "message": {"id": message_id, "content": list(blocks), "usage": usage}}


def result(**more: Any) -> dict[str, Any]:
    whole = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 2, "duration_ms": 1500}
    return {**whole, "total_cost_usd": 0.25, "usage": {"input_tokens": 9, "output_tokens": 4}, **more}


@pytest.mark.parametrize("name", PARSING)
@settings(max_examples=120, deadline=None)
@given(lines=st.lists(LINES, max_size=8), piece_bytes=st.integers(1, 60), exit_code=st.integers(0, 255))
def test_no_output_makes_an_agent_raise(
    name: str, lines: list[bytes], piece_bytes: int, exit_code: int
) -> None:
    run = read_run(AGENTS[name](), b"\n".join(lines), exit_code, piece_bytes)
    for entry in run.entries:
        assert msgspec.json.decode(to_line(entry))["kind"] == entry.kind
    assert 0 <= run.usage.cost_micros <= MOST
    assert len(run.verdict.message) < 1000
    assert "\n" not in run.verdict.message


@given(lines=st.lists(LINES, max_size=6), piece_bytes=st.integers(1, 50))
def test_where_the_output_is_cut_changes_nothing(lines: list[bytes], piece_bytes: int) -> None:
    output = b"\n".join(lines)
    cut = read_run(AGENTS["claude-code"](), output, 0, piece_bytes)
    whole = read_run(AGENTS["claude-code"](), output, 0, max(1, len(output)))
    assert (cut.log, cut.entries, cut.usage) == (whole.log, whole.entries, whole.usage)


@given(data=st.binary(max_size=300), piece_bytes=st.integers(1, 50))
def test_plain_bytes_come_out_as_they_went_in(data: bytes, piece_bytes: int) -> None:
    reader, out = JsonLines(limit_bytes=20), b""
    for at in range(0, len(data), piece_bytes):
        out += b"".join(
            piece for piece in reader.feed(data[at : at + piece_bytes]) if isinstance(piece, bytes)
        )
    out += b"".join(piece for piece in reader.feed(b"") if isinstance(piece, bytes))
    assert out == data


@pytest.mark.parametrize("name", PARSING)
@pytest.mark.parametrize("first", [b"{", b"x"])
def test_a_line_of_100_megabytes_needs_little_memory(name: str, first: bytes) -> None:
    agent, piece = AGENTS[name](), b"x" * (1 << 20)
    agent.read(first, 0.0)
    tracemalloc.start()
    passed = sum(len(agent.read(piece, 0.0).log) for _ in range(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert passed >= 100 << 20
    assert peak < 5 * JSON_LINE_LIMIT_BYTES


@pytest.mark.parametrize("line", [b'{"a":' * 50_000, b"{[" * 90_000, b'{"type":"\\ud800"}', b'{"a":1e999}'])
def test_json_that_can_not_be_read_is_text(line: bytes) -> None:
    assert ClaudeStream().read(line + b"\n", 0.0).log == line + b"\n"


def test_claude_says_what_it_does() -> None:
    run = claude(
        {"type": "system", "subtype": "init", "model": "opus", "claude_code_version": "2.1"},
        said({"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "I'll look."}),
        said({"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "a.py", "limit": 3}}),
        {
            "type": "user",
            "message": {"content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]},
        },
        result(),
    )
    assert run.kinds() == ["note", "thought", "message", "tool-call", "tool-result", "usage"]
    assert run.log.decode() == (
        "Claude Code 2.1, model opus\n\nI'll look.\n\n→ Read a.py\n"
        "\nDone: 2 turns, 1.5 s, 13 tokens, $0.25.\n"
    )
    assert run.entries[3].data == {"file_path": "a.py", "limit": 3}
    assert run.entries[4].call_id == "t1"
    assert run.verdict.reason is None


def test_claudes_usage_is_counted_once_a_message_while_it_runs() -> None:
    lines = [
        said({"type": "text", "text": "a"}, message_id="m1", input_tokens=10, output_tokens=1),
        said({"type": "text", "text": "b"}, message_id="m1", input_tokens=10, output_tokens=5),
        said({"type": "text", "text": "c"}, message_id="m2", input_tokens=20, cache_read_input_tokens=7),
    ]
    assert claude(*lines).usage == Usage(input_tokens=37, output_tokens=5)
    assert claude(*lines, result()).usage == Usage(input_tokens=9, output_tokens=4, cost_micros=250_000)


def test_long_results_of_tools_are_cut() -> None:
    content = [{"type": "text", "text": "y" * 3_000_000}, {"type": "image", "source": {"data": "z" * 9}}]
    run = claude({"type": "user", "message": {"content": [{"type": "tool_result", "content": content}]}})
    assert len(run.entries[0].text) < RESULT_LIMIT + 100
    assert "left out" in run.entries[0].text


@pytest.mark.parametrize(
    ("more", "reason", "word"),
    [
        ({"subtype": "error_max_turns"}, Reason.AGENT_FAILED, "max_turns"),
        ({"subtype": "error_during_execution"}, Reason.AGENT_FAILED, "log"),
        ({"api_error_status": 401}, Reason.PROVIDER_FAILED, "key"),
        ({"api_error_status": 529}, Reason.PROVIDER_FAILED, "529"),
        ({"api_error_status": 402}, Reason.BUDGET_SPENT, "budget"),
        ({"result": "a\nb\x1b[31m\0" + "c" * 5000}, Reason.AGENT_FAILED, "a b"),
    ],
)
def test_claudes_errors_are_told_apart(more: dict[str, Any], reason: Reason, word: str) -> None:
    run = claude(result(**{"is_error": True, **more}), exit_code=1)
    assert run.verdict.reason is reason
    assert word in run.verdict.message
    assert run.verdict.message.isprintable()


def test_a_good_result_does_not_hide_a_bad_end() -> None:
    assert claude(result(), exit_code=137).verdict.reason is Reason.AGENT_FAILED
    assert claude(result(), exit_code=1).verdict.reason is Reason.AGENT_FAILED
    assert claude(exit_code=0).verdict.reason is Reason.AGENT_FAILED
