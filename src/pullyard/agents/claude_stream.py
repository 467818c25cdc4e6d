"""Reads Claude Code's JSON lines into log text, conversation, usage and a result; trusts none of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pullyard.agents.lines import JsonLines, bounded, count_of, object_of, sentence_of, text_of
from pullyard.agents.protocol import Output, Verdict
from pullyard.lifecycle.money import MICROS, dollars
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.conversation import Entry
from pullyard.protocol.worker import Usage

TEXT_LIMIT = 64 << 10
RESULT_LIMIT = 1 << 20
"""Characters of one tool's result; the conversation has the begin of it, the log the whole."""
_INPUT_LIMIT = 16 << 10
_BLOCKS_LIMIT = 256
_SHOWN_INPUTS = ("file_path", "notebook_path", "path", "command", "pattern", "description", "query", "prompt")
_PROVIDER_STATUSES = {401, 403, 404, 408, 413, 429}
_PAYMENT_REQUIRED = 402


@dataclass(frozen=True)
class Result:
    """The last message: how the session ended."""

    subtype: str
    is_error: bool
    text: str
    api_status: int

    def verdict(self) -> Verdict:
        said = f' It said: "{self.text}"' if self.text else ""
        if self.api_status == _PAYMENT_REQUIRED:
            message = "The task's model budget is spent: raise it, or make the task smaller."
            return Verdict(Reason.BUDGET_SPENT, message)
        if self.api_status in _PROVIDER_STATUSES or self.api_status >= 500:
            message = f"The model provider answered {self.api_status}: check the key and its limits.{said}"
            return Verdict(Reason.PROVIDER_FAILED, message)
        if self.subtype == "error_max_turns":
            message = "Claude Code reached its limit of turns: raise max_turns, or make the task smaller."
            return Verdict(Reason.AGENT_FAILED, message)
        return Verdict(Reason.AGENT_FAILED, f"Claude Code gave up: see the log.{said}")


class ClaudeStream:
    def __init__(self) -> None:
        self.result: Result | None = None
        self._lines = JsonLines()
        self._ended = Usage()
        self._message_id = ""
        self._message = Usage()

    @property
    def usage(self) -> Usage:
        """What the agent says it used, the message under way included; the gateway knows better."""
        return self._ended.plus(self._message)

    def read(self, data: bytes, at: float) -> Output:
        log, entries = bytearray(), list[Entry]()
        for piece in self._lines.feed(data):
            if isinstance(piece, bytes):
                log += piece
                continue
            for entry, line in self._understand(piece, at):
                log += line.encode(errors="replace")
                if entry is not None:
                    entries.append(entry)
        return Output(log=bytes(log), entries=entries)

    def _understand(self, line: Mapping[str, Any], at: float) -> list[tuple[Entry | None, str]]:
        kind = line.get("type")
        if kind == "result":
            return [self._end(line, at)]
        if kind == "system":
            return introduce(line, at)
        message = object_of(line.get("message"))
        if kind == "assistant":
            self._count(message)
        content = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if kind not in ("assistant", "user") or not isinstance(content, list):
            return []
        return [_render(object_of(block), at) for block in content[:_BLOCKS_LIMIT]]

    def _count(self, message: Mapping[str, Any]) -> None:
        # One message comes as a line for each of its blocks, each with the same usage.
        message_id = text_of(message.get("id"), 200)
        if message_id != self._message_id:
            self._ended = self._ended.plus(self._message)
            self._message_id = message_id
        self._message = _read_usage(object_of(message.get("usage")))

    def _end(self, line: Mapping[str, Any], at: float) -> tuple[Entry, str]:
        self.result = Result(
            subtype=text_of(line.get("subtype"), 100),
            is_error=line.get("is_error") is not False,
            text=sentence_of(line.get("result")),
            api_status=count_of(line.get("api_error_status"), 999),
        )
        usage = _read_usage(object_of(line.get("usage")))
        cost = line.get("total_cost_usd")
        usage.cost_micros = count_of(cost * MICROS if isinstance(cost, int | float) else 0)
        # One run may print several results; the last one counts all of them.
        self._ended, self._message = usage, Usage()
        turns = count_of(line.get("num_turns"))
        seconds = count_of(line.get("duration_ms")) / 1000
        data = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_micros": usage.cost_micros,
            "turns": turns,
            "seconds": seconds,
        }
        failed = self.result.is_error
        summary = f"{'Ended with an error' if failed else 'Done'}: {turns} turns, {seconds:.1f} s, "
        summary += f"{usage.input_tokens + usage.output_tokens} tokens, {dollars(usage.cost_micros)}."
        said = f"{self.result.text}\n" if failed and self.result.text else ""
        return Entry(kind="usage", at=at, text=summary, data=data, is_error=failed), f"{said}\n{summary}\n"


def introduce(line: Mapping[str, Any], at: float) -> list[tuple[Entry | None, str]]:
    if line.get("subtype") != "init":
        return []
    version = sentence_of(line.get("claude_code_version"), 40)
    text = f"Claude Code {version}, model {sentence_of(line.get('model'), 80)}"
    return [(Entry(kind="note", at=at, text=text), f"{text}\n\n")]


def _render(block: Mapping[str, Any], at: float) -> tuple[Entry | None, str]:
    match block.get("type"):
        case "text":
            text = text_of(block.get("text"), TEXT_LIMIT)
            return Entry(kind="message", at=at, text=text), f"{text}\n\n"
        case "thinking":
            return Entry(kind="thought", at=at, text=text_of(block.get("thinking"), TEXT_LIMIT)), ""
        case "tool_use":
            tool = sentence_of(block.get("name"), 80)
            given = object_of(block.get("input"))
            shown = next((given[name] for name in _SHOWN_INPUTS if name in given), "")
            entry = Entry(
                kind="tool-call",
                at=at,
                tool=tool,
                call_id=text_of(block.get("id"), 200),
                data=object_of(bounded(given, _INPUT_LIMIT)),
            )
            return entry, f"→ {tool} {sentence_of(shown)}\n"
        case "tool_result":
            text = result_text(block.get("content"))
            failed = block.get("is_error") is True
            call_id = text_of(block.get("tool_use_id"), 200)
            entry = Entry(kind="tool-result", at=at, text=text, call_id=call_id, is_error=failed)
            return entry, f"  failed: {sentence_of(text)}\n" if failed else ""
        case _:
            return None, ""


def result_text(content: Any) -> str:
    if isinstance(content, list):
        parts = [object_of(part) for part in content[:_BLOCKS_LIMIT]]
        kinds = [sentence_of(part.get("type"), 40) for part in parts]
        content = "\n".join(
            text_of(part.get("text"), RESULT_LIMIT) if kind == "text" else f"[{kind}]"
            for part, kind in zip(parts, kinds, strict=True)
        )
    return text_of(content, RESULT_LIMIT)


def _read_usage(usage: Mapping[str, Any]) -> Usage:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return Usage(
        input_tokens=count_of(sum(count_of(usage.get(name)) for name in names)),
        output_tokens=count_of(usage.get("output_tokens")),
    )
