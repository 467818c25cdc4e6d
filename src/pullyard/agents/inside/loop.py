"""The loop: ask the model, do what it calls for, tell it what came of that, until it has no more calls."""

import asyncio
import base64
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    UserError,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from pullyard.agents.inside.tools import (
    RESULT_CHARACTERS,
    TOOLS,
    Asked,
    Outcome,
    Tool,
    ToolProblem,
    described,
    schema_of,
)
from pullyard.agents.inside.window import Window, describe
from pullyard.lifecycle.command_rules import CommandRule, judge_command
from pullyard.lifecycle.tool_routing import Verdict, strictest

APPROVE, REJECT = "approve", "reject"
MOST_TRIES = 5
"""Of one request that the provider could not answer."""
MOST_FAILED_CALLS = 12
"""One after the other, without one that went well."""
MOST_SAME_CALLS = 6
MOST_EMPTY_ANSWERS = 3
SHOWN_CHARACTERS = 1500
"""Of what a person is asked to allow: nobody approves what was not shown."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")
MOST_CALLS = 64
"""Of one answer; the others are not done."""
PAYMENT_REQUIRED = 402
_PASSING = {408, 409, 425, 429}


class Ended(Exception):
    """Not as it should: ``reason`` is one of the adapter's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Limits(BaseModel):
    turns: int
    tokens: int | None
    """In and out together; None is no limit but the money's."""


class State(BaseModel):
    """What outlives a question to a person."""

    messages: list[Any]
    results: list[Any] = []
    """Of the calls in the last answer that were done already."""
    asked: str = ""
    """The call that waits for a person."""
    turns: int = 0
    tokens: int = 0


@dataclass
class Loop:
    model: Model
    settings: ModelSettings
    window: Window
    limits: Limits
    rules: Sequence[Sequence[CommandRule]]
    """Of commands: each side's, the strictest verdict counts. They guide; the sandbox is the wall."""
    verdicts: dict[str, Verdict]
    """Of tools, by name; a tool that is not here does not exist."""
    tell: Callable[..., None]
    retry_seconds: float = 1.0
    messages: list[ModelMessage] = field(default_factory=list[ModelMessage])
    results: list[ToolReturnPart] = field(default_factory=list[ToolReturnPart])
    asked: str = ""
    answer: str | None = None
    turns: int = 0
    tokens: int = 0
    _failed_calls: int = 0
    _empty_answers: int = 0
    _last_call: str = ""
    _same_calls: int = 0

    async def run(self) -> None:
        """To a good end. Raises Ended, and Asked: ``state`` then has all that is needed to go on."""
        async with self.model:
            await self._work()

    async def _work(self) -> None:
        while True:
            last = self.messages[-1]
            if isinstance(last, ModelResponse):
                if not last.tool_calls and (last.text or "").strip():
                    return
                await self._do_calls(last)
            self.messages = self.window.fit(self.messages)
            response = await self._ask_model()
            # Asking may have put a shorter list in its place.
            self.messages.append(response)

    async def _ask_model(self) -> ModelResponse:
        if self.turns >= self.limits.turns:
            raise Ended("limit", f"It reached its limit of {self.limits.turns} turns: raise max_turns.")
        if self.limits.tokens is not None and self.tokens >= self.limits.tokens:
            raise Ended("limit", f"It reached its limit of {self.limits.tokens} tokens: raise max_tokens.")
        response = await self._ask_patiently()
        response = with_plain_names(response)
        self.turns += 1
        self._count(response)
        self._show(response)
        return response

    async def _ask_patiently(self) -> ModelResponse:
        """Tried again where that may help. Raises Ended."""
        attempt = 1
        while True:
            try:
                return await self._request()
            except (AgentRunError, UserError, OSError) as error:
                problem = as_end(error)
                if attempt == MOST_TRIES or not is_passing(error):
                    raise problem from error
                if isinstance(error, ModelContextWindowExceededError):
                    self.window.narrow()
                    self.messages = self.window.fit(self.messages)
            self.tell("note", text=f"{problem} Trying again.", is_error=True)
            await asyncio.sleep(self.retry_seconds * 2**attempt)
            attempt += 1

    async def _request(self) -> ModelResponse:
        parameters = ModelRequestParameters(
            function_tools=[
                ToolDefinition(
                    name=name,
                    parameters_json_schema=schema_of(TOOLS[name]),
                    description=described(TOOLS[name]),
                )
                for name, verdict in self.verdicts.items()
                if name in TOOLS and verdict is not Verdict.DENY
            ]
        )
        async with model_request_stream(
            self.model, self.messages, model_settings=self.settings, model_request_parameters=parameters
        ) as stream:
            async for _ in stream:
                pass
            return stream.get()

    def _count(self, response: ModelResponse) -> None:
        usage = response.usage
        self.tokens += usage.input_tokens + usage.output_tokens
        self.window.learn(self.messages, usage.input_tokens)
        self.tell("used", data={"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens})

    def _show(self, response: ModelResponse) -> None:
        for part in response.parts:
            if isinstance(part, ThinkingPart) and part.content:
                self.tell("thought", text=part.content)
            elif isinstance(part, TextPart) and part.content.strip():
                self.tell("message", text=part.content)

    async def _do_calls(self, response: ModelResponse) -> None:
        done = {result.tool_call_id for result in self.results}
        for place, call in enumerate(response.tool_calls):
            if call.tool_call_id in done:
                continue
            if place >= MOST_CALLS:
                self._take(call, f"Not done: make at most {MOST_CALLS} calls at once.", failed=True)
                continue
            await self._do(call)
        if not response.tool_calls:
            self._empty_answers += 1
            if self._empty_answers >= MOST_EMPTY_ANSWERS:
                raise Ended("failed", "The model answered with nothing, again and again.")
            self.messages.append(
                ModelRequest.user_text_prompt("Go on, or end with a summary of what you did.")
            )
            return
        self._empty_answers = 0
        self.messages.append(ModelRequest(parts=self.results))
        self.results = []

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
        verdict = self.verdicts.get(call.tool_name, Verdict.DENY)
        kind = TOOLS.get(call.tool_name)
        if kind is None or call.tool_name not in self.verdicts:
            known = ", ".join(name for name in TOOLS if name in self.verdicts)
            raise ToolProblem(f"There is no tool {call.tool_name[:60]!r}: use one of {known}.")
        try:
            tool = kind.model_validate(call.args_as_dict(raise_if_invalid=True))
        except ValidationError as error:
            raise ToolProblem(f"The arguments of {kind.name} are wrong: {explain(error)}.") from error
        except (ValueError, AssertionError) as error:
            raise ToolProblem(f"The arguments of {kind.name} are no JSON object: send one.") from error
        if self.asked == call.tool_call_id:
            return await self._decided(tool)
        why = "The project's policy"
        if kind.name == "run_command":
            verdict, why = self._judge(verdict, tool.command)  # type: ignore[attr-defined]
        if verdict is Verdict.DENY:
            raise ToolProblem(
                f"{kind.name} is denied here. {why} Find another way, or say that there is none."
            )
        try:
            if verdict is Verdict.ASK and kind.name != "ask_person":
                shown = f"May the agent do this? {why[:200]}\n{shown_whole(tool)}"
                raise Asked(shown, [APPROVE, REJECT], free=False)
            return await tool.run()
        except Asked:
            self.asked = call.tool_call_id
            raise

    async def _decided(self, tool: Any) -> Outcome:
        """The call waited for a person, who has answered."""
        answer, self.answer, self.asked = self.answer, None, ""
        if tool.name == "ask_person":
            return Outcome(f"The person answered: {answer}")
        if answer == APPROVE:
            return await tool.run()
        raise ToolProblem("A person was asked and does not allow it. Find another way, or say there is none.")

    def _judge(self, verdict: Verdict, command: str) -> tuple[Verdict, str]:
        decisions = [judge_command(["sh", "-c", command], rules) for rules in self.rules]
        strict = strictest(verdict, *(one.verdict for one in decisions))
        return strict, next((one.why for one in decisions if one.verdict is strict), "The project's policy.")

    def state(self) -> str:
        """Text for ``resume``, never read by anybody else."""
        state = State(
            messages=ModelMessagesTypeAdapter.dump_python(self.messages, mode="json"),
            results=ModelMessagesTypeAdapter.dump_python([ModelRequest(parts=self.results)], mode="json"),
            asked=self.asked,
            turns=self.turns,
            tokens=self.tokens,
        )
        return base64.b64encode(zlib.compress(state.model_dump_json().encode())).decode()

    def resume(self, text: str, answer: str) -> None:
        state = State.model_validate_json(zlib.decompress(base64.b64decode(text)))
        self.messages = ModelMessagesTypeAdapter.validate_python(state.messages)
        self.results = list(ModelMessagesTypeAdapter.validate_python(state.results)[0].parts)  # type: ignore[arg-type]
        self.asked, self.turns, self.tokens = state.asked, state.turns, state.tokens
        self.answer = answer


def with_plain_names(response: ModelResponse) -> ModelResponse:
    """Providers refuse a request with a call in it whose name no tool could have, also one of their own."""
    parts = [
        replace(part, tool_name=_NO_NAME.sub("_", part.tool_name)[:64] or "_")
        if isinstance(part, ToolCallPart)
        else part
        for part in response.parts
    ]
    return replace(response, parts=parts)


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


def as_end(error: Exception) -> Ended:
    status = error.status_code if isinstance(error, ModelHTTPError) else 0
    if status == PAYMENT_REQUIRED:
        return Ended("budget", "The task's model budget is spent: raise it, or make the task smaller.")
    if status:
        return Ended("provider", f"The model provider answered {status}: {first_line(error)}")
    if isinstance(error, ModelConnectionError | OSError):
        return Ended("provider", f"The model provider can't be reached: {first_line(error)}")
    return Ended("failed", f"The model's answer could not be read: {first_line(error)}")


def is_passing(error: Exception) -> bool:
    """Whether another try may go well."""
    if isinstance(error, ModelContextWindowExceededError):
        return True
    if isinstance(error, ModelHTTPError):
        return error.status_code in _PASSING or error.status_code >= 500
    return not isinstance(error, UserError)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
