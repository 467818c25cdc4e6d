"""Does what the model calls for, as far as the policy's verdicts go; these guide, the sandbox is the wall."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_ai.messages import ModelResponse, ToolCallPart, ToolReturnPart

from pullyard.agents.inside.tools import (
    RESULT_CHARACTERS,
    TOOLS,
    Asked,
    Outcome,
    RunCommand,
    Tool,
    ToolProblem,
)
from pullyard.agents.inside.window import describe
from pullyard.lifecycle.command_rules import CommandDecision, CommandRule, judge_command
from pullyard.lifecycle.tool_routing import Verdict, strictest

APPROVE, REJECT = "approve", "reject"
MOST_CALLS = 64
"""Of one answer; the others are not done."""
MOST_FAILED_CALLS = 12
"""One after the other, without one that went well."""
MOST_SAME_CALLS = 6
SHOWN_CHARACTERS = 1500
"""Of what a person is asked to allow: nobody approves what was not shown."""


class Ended(Exception):
    """Not as it should: ``reason`` is one of the adapter's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Calls:
    rules: Sequence[Sequence[CommandRule]]
    """Of commands: each side's, the strictest verdict counts."""
    verdicts: dict[str, Verdict]
    """Of tools, by name; a tool that is not here does not exist."""
    tell: Callable[..., None]
    results: list[ToolReturnPart] = field(default_factory=list[ToolReturnPart])
    """Of the calls in the last answer that were done already."""
    asked: str = ""
    """The call that waits for a person."""
    answer: str | None = None
    _failed_calls: int = 0
    _last_call: str = ""
    _same_calls: int = 0

    async def do_all(self, response: ModelResponse) -> list[ToolReturnPart]:
        """In their order, those that were done before a question left out. Raises Asked, Ended."""
        done = {result.tool_call_id for result in self.results}
        for place, call in enumerate(response.tool_calls):
            if call.tool_call_id in done:
                continue
            if place >= MOST_CALLS:
                self._take(call, f"Not done: make at most {MOST_CALLS} calls at once.", failed=True)
                continue
            await self._do(call)
        results, self.results = self.results, []
        return results

    async def _do(self, call: ToolCallPart) -> None:
        given = call.args_as_dict()
        if self.asked != call.tool_call_id:
            self.tell("tool-call", tool=call.tool_name, call_id=call.tool_call_id, data=given)
        outcome = Outcome("")
        failed = True
        try:
            self._check_repetition(call)
            outcome = await self._outcome(call)
            failed = False
        except ToolProblem as problem:
            outcome.text = str(problem)
        except (OSError, ValueError) as error:
            outcome.text = f"{type(error).__name__}: {error}"
        if outcome.diff:
            self.tell("diff", text=outcome.diff, call_id=call.tool_call_id)
        self._take(call, outcome.text, failed=failed)
        self._failed_calls = self._failed_calls + 1 if failed else 0
        if self._failed_calls >= MOST_FAILED_CALLS:
            raise Ended("failed", f"{MOST_FAILED_CALLS} calls of tools failed one after the other.")

    def _take(self, call: ToolCallPart, text: str, *, failed: bool) -> None:
        if len(text) > RESULT_CHARACTERS:
            text = f"{text[:RESULT_CHARACTERS]}\n[{len(text) - RESULT_CHARACTERS} characters left out]"
        self.tell("tool-result", text=text, call_id=call.tool_call_id, is_error=failed)
        self.results.append(
            ToolReturnPart(
                call.tool_name,
                text,
                tool_call_id=call.tool_call_id,
                outcome="failed" if failed else "success",
            )
        )

    def _check_repetition(self, call: ToolCallPart) -> None:
        """The same call again and again brings nothing new."""
        if self.asked == call.tool_call_id:
            return
        this = f"{call.tool_name} {call.args_as_json_str()}"
        self._same_calls = self._same_calls + 1 if this == self._last_call else 1
        self._last_call = this
        if self._same_calls >= MOST_SAME_CALLS:
            raise Ended("failed", f"It made the same call {MOST_SAME_CALLS} times in a row: {describe(call)}")
        if self._same_calls == MOST_SAME_CALLS - 1:
            raise ToolProblem("You made exactly this call several times in a row: do something else, or end.")

    async def _outcome(self, call: ToolCallPart) -> Outcome:
        """Raises ToolProblem, Asked, OSError."""
        tool = self._read(call)
        if self.asked == call.tool_call_id:
            return await self._decided(tool)
        verdict, why = self._judge(tool)
        if verdict is Verdict.DENY:
            raise ToolProblem(
                f"{tool.name} is denied here. {why} Find another way, or say that there is none."
            )
        try:
            if verdict is Verdict.ASK and tool.name != "ask_person":
                shown = f"May the agent do this? {why[:200]}\n{shown_whole(tool)}"
                raise Asked(shown, [APPROVE, REJECT], free=False)
            return await tool.run()
        except Asked:
            self.asked = call.tool_call_id
            raise

    def _read(self, call: ToolCallPart) -> Tool:
        """Raises ToolProblem."""
        kind = TOOLS.get(call.tool_name)
        if kind is None or call.tool_name not in self.verdicts:
            known = ", ".join(name for name in TOOLS if name in self.verdicts)
            raise ToolProblem(f"There is no tool {call.tool_name[:60]!r}: use one of {known}.")
        try:
            return kind.model_validate(call.args_as_dict(raise_if_invalid=True))
        except ValidationError as error:
            raise ToolProblem(f"The arguments of {kind.name} are wrong: {explain(error)}.") from error
        except (ValueError, AssertionError) as error:
            raise ToolProblem(f"The arguments of {kind.name} are no JSON object: send one.") from error

    async def _decided(self, tool: Any) -> Outcome:
        """The call waited for a person, who has answered."""
        answer, self.answer, self.asked = self.answer, None, ""
        if tool.name == "ask_person":
            return Outcome(f"The person answered: {answer}")
        if answer == APPROVE:
            return await tool.run()
        raise ToolProblem("A person was asked and does not allow it. Find another way, or say there is none.")

    def _judge(self, tool: Tool) -> tuple[Verdict, str]:
        verdict, decisions = self.verdicts[tool.name], list[CommandDecision]()
        if isinstance(tool, RunCommand):
            decisions = [judge_command(["sh", "-c", tool.command], rules) for rules in self.rules]
        strict = strictest(verdict, *(one.verdict for one in decisions))
        return strict, next((one.why for one in decisions if one.verdict is strict), "The project's policy.")


def shown_whole(tool: Tool) -> str:
    """What a person decides over. Raises ToolProblem for what can't be shown as it is."""
    text = f"{tool.name}\n" + "\n".join(str(value) for value in tool.model_dump().values())
    if len(text) > SHOWN_CHARACTERS or not text.replace("\n", "").replace("\t", "").isprintable():
        raise ToolProblem(
            f"A person has to allow this, and what is longer than {SHOWN_CHARACTERS} characters or not "
            "printable can't be shown: do it in smaller and plainer steps."
        )
    return text


def explain(error: ValidationError) -> str:
    """Without the addresses of pages that the model can't reach."""
    told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
    return "; ".join(told)[:500]
