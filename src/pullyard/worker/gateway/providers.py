"""The providers whose APIs the gateway speaks: one module each, and a line here."""

from collections.abc import Mapping

from pullyard.worker.gateway.anthropic import ANTHROPIC
from pullyard.worker.gateway.bedrock import BEDROCK
from pullyard.worker.gateway.gemini import GEMINI
from pullyard.worker.gateway.openai import OPENAI
from pullyard.worker.gateway.provider import Provider
from pullyard.worker.gateway.vertex import VERTEX

PROVIDERS: Mapping[str, Provider] = {
    "anthropic": ANTHROPIC,
    "openai": OPENAI,
    "gemini": GEMINI,
    "vertex": VERTEX,
    "bedrock": BEDROCK,
}
