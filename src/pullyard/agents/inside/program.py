"""The program itself: reads ``task.json``, works in the current directory, and tells all in JSON lines.

A line is an entry of the conversation, or one of its own kinds: ``used`` (tokens of one request), ``session``
(what is needed to go on after an answer) and ``end``.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pullyard.agents.inside.calls import Calls, Ended
from pullyard.agents.inside.loop import Limits, Loop
from pullyard.agents.inside.models import APIS
from pullyard.agents.inside.tools import Asked
from pullyard.agents.inside.window import Window
from pullyard.lifecycle.command_rules import read_rule
from pullyard.lifecycle.tool_routing import Verdict

ENDED_BADLY = 1


class Job(BaseModel):
    """``task.json``, as the adapter writes it."""

    prompt: str
    instructions: str
    api: str
    model: str
    address: str
    limits: Limits
    window_tokens: int
    answer_tokens: int
    tools: dict[str, Verdict]
    commands: list[list[str]]
    session: str = ""
    answer: str = ""


def tell(kind: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"kind": kind, **fields}) + "\n")
    sys.stdout.flush()


def open_loop(job: Job, tell: Callable[..., None]) -> Loop:
    model, settings = APIS[job.api](job.model, job.address)
    loop = Loop(
        model=model,
        settings={**settings, "max_tokens": job.answer_tokens},
        window=Window(job.window_tokens - job.answer_tokens),
        limits=job.limits,
        calls=Calls([[read_rule(text) for text in some] for some in job.commands], job.tools, tell),
        tell=tell,
    )
    if job.session:
        loop.resume(job.session, job.answer)
    else:
        loop.messages = [
            ModelRequest(parts=[UserPromptPart(job.prompt)], instructions=job.instructions),
        ]
    return loop


async def work(job: Job) -> int:
    tell("note", text=f"Pullyard's agent, model {job.model}")
    loop = open_loop(job, tell)
    try:
        await loop.run()
    except Asked as asked:
        tell("question", text=asked.question, data={"choices": asked.choices, "free": asked.free})
        tell("session", text=loop.state())
        return 0
    except Ended as ended:
        tell("end", text=str(ended), data={"reason": ended.reason})
        return ENDED_BADLY
    tell("end", text="", data={"reason": "", "turns": loop.turns})
    return 0


def main(place: str) -> None:
    job = Job.model_validate_json(Path(place).read_bytes())
    sys.exit(asyncio.run(work(job)))
