"""Which model an agent is to use, and whose it is: the provider decides which API the gateway offers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import msgspec

from pullyard.agents.programs import default_models, programs
from pullyard.agents.settings import AgentSettings
from pullyard.protocol.errors import RequestError

NO_KEY = "the-gateway-adds-the-key"
"""What programs that want a key are given: it is worth nothing."""
_ENDPOINT = re.compile(r"[a-z][a-z0-9-]{0,39}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}")
_OF = {
    "claude": "anthropic",
    "gpt": "openai",
    "codex": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "gemini": "gemini",
}
"""Beginnings of names that tell the provider."""


@dataclass(frozen=True)
class Model:
    provider: str
    name: str
    endpoint: str = ""

    @property
    def gateway(self) -> str:
        """Whom the worker's gateway asks: the endpoint speaks as the provider does."""
        return self.endpoint or self.provider


def choose_model(text: str, allowed: Sequence[str]) -> Model:
    """``PROVIDER/NAME``, or a name that tells the provider; empty is the default of the first one allowed.

    Raises RequestError.
    """
    if not text:
        return Model(allowed[0], default_models()[allowed[0]])
    first, _, rest = text.partition("/")
    if rest and first in ("anthropic", "openai", "gemini", "google"):
        model = Model("gemini" if first == "google" else first, rest)
    else:
        provider = next((of for begin, of in _OF.items() if text.startswith(begin)), None)
        if provider is None:
            raise _wrong(f"Whose model {text[:60]!r} is can't be told: write PROVIDER/NAME", allowed)
        model = Model(provider, text)
    if not _NAME.fullmatch(model.name):
        raise _wrong("That is no model's name: use one such as sonnet or gpt-5", allowed)
    if model.provider not in allowed:
        raise _wrong(f"This agent has no models of {model.provider}: choose another", allowed)
    return model


def _wrong(sentence: str, allowed: Sequence[str]) -> RequestError:
    return RequestError(f"{sentence}, of {' or '.join(allowed)}.", code="agent-settings")


def check_endpoint(name: str) -> None:
    """Raises RequestError for what can't be in a worker's configuration."""
    if name and not _ENDPOINT.fullmatch(name):
        raise RequestError(
            "An endpoint is named as in the worker's model_endpoints: small letters, digits and -.",
            code="agent-settings",
        )


class ModelSettings(AgentSettings):
    """What agents with a choice of model have."""

    agent: ClassVar[str]

    model: str = ""
    """Such as ``anthropic/claude-sonnet-4-5``; empty is the one that is tried with Pullyard."""
    endpoint: str = ""
    """A server of the worker's ``model_endpoints`` that has the model, in the place of its provider."""

    def problem(self) -> str | None:
        try:
            self.chosen()
        except RequestError as error:
            return error.message
        return None

    def needs(self) -> tuple[Sequence[str], str]:
        return (), self.endpoint

    def chosen(self) -> Model:
        """Raises RequestError."""
        model = choose_model(self.model, programs()[self.agent].providers)
        check_endpoint(self.endpoint)
        return replace(model, endpoint=self.endpoint)


class ArgumentSettings(ModelSettings):
    """What command lines have besides."""

    extra_argv: list[str] = msgspec.field(default_factory=list)
    """More options for the command line, at its end."""

    def problem(self) -> str | None:
        if any("\0" in argument for argument in self.extra_argv):
            return f"The settings of {self.agent} hold a NUL character: remove it."
        return super().problem()
