"""The loop: ask the model, do what it calls for, tell it what came of that, until it has no more calls."""

import asyncio
import base64
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel
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

from pullyard.agents.inside.calls import Calls, Ended
from pullyard.agents.inside.tools import TOOLS, described, schema_of
from pullyard.agents.inside.window import Window
from pullyard.lifecycle.tool_routing import Verdict

MOST_TRIES = 5
"""Of one request that the provider could not answer."""
MOST_EMPTY_ANSWERS = 3
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")
PAYMENT_REQUIRED = 402
_PASSING = {408, 409, 425, 429}


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
    calls: Calls
    tell: Callable[..., None]
    retry_seconds: float = 1.0
    messages: list[ModelMessage] = field(default_factory=list[ModelMessage])
    turns: int = 0
    tokens: int = 0
    _empty_answers: int = 0

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
                self.messages.append(await self._reply(last))
            self.messages = self.window.fit(self.messages)
            response = await self._ask_model()
            # Asking may have put a shorter list in its place.
            self.messages.append(response)

    async def _reply(self, response: ModelResponse) -> ModelRequest:
        if response.tool_calls:
            self._empty_answers = 0
            return ModelRequest(parts=await self.calls.do_all(response))
        self._empty_answers += 1
        if self._empty_answers >= MOST_EMPTY_ANSWERS:
            raise Ended("failed", "The model answered with nothing, again and again.")
        return ModelRequest.user_text_prompt("Go on, or end with a summary of what you did.")

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
                for name, verdict in self.calls.verdicts.items()
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

    def state(self) -> str:
        """Text for ``resume``, never read by anybody else."""
        state = State(
            messages=ModelMessagesTypeAdapter.dump_python(self.messages, mode="json"),
            results=ModelMessagesTypeAdapter.dump_python(
                [ModelRequest(parts=self.calls.results)], mode="json"
            ),
            asked=self.calls.asked,
            turns=self.turns,
            tokens=self.tokens,
        )
        return base64.b64encode(zlib.compress(state.model_dump_json().encode())).decode()

    def resume(self, text: str, answer: str) -> None:
        state = State.model_validate_json(zlib.decompress(base64.b64decode(text)))
        self.messages = ModelMessagesTypeAdapter.validate_python(state.messages)
        (done,) = ModelMessagesTypeAdapter.validate_python(state.results)
        self.calls.results = [part for part in done.parts if isinstance(part, ToolReturnPart)]
        self.calls.asked, self.calls.answer = state.asked, answer
        self.turns, self.tokens = state.turns, state.tokens


def with_plain_names(response: ModelResponse) -> ModelResponse:
    """Providers refuse a request with a call in it whose name no tool could have, also one of their own."""
    parts = [with_plain_name(part) if isinstance(part, ToolCallPart) else part for part in response.parts]
    return replace(response, parts=parts)


def with_plain_name(part: ToolCallPart) -> ToolCallPart:
    return replace(part, tool_name=_NO_NAME.sub("_", part.tool_name)[:64] or "_")


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
