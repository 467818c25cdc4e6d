"""A model server for tests that answers from a script, in the words in which it is asked.

It speaks Anthropic's Messages API, OpenAI's Responses and Chat Completions, and Gemini's API, each with and
without streaming, and with tool calls, errors, limits, slow answers and broken ones.
"""

from tests.model_server.anthropic import stream_events
from tests.model_server.script import Broken, Failure, Held, Raw, Recorded, Slow, Text, ToolUse, Turn
from tests.model_server.server import ModelServer

__all__ = [
    "Broken",
    "Failure",
    "Held",
    "ModelServer",
    "Raw",
    "Recorded",
    "Slow",
    "Text",
    "ToolUse",
    "Turn",
    "stream_events",
]
