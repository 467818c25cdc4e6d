"""The models by their provider's wire format. Every address is the gateway's, which adds the key outside."""

import importlib
from collections.abc import Callable, Mapping

from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

NO_KEY = "the-gateway-adds-the-key"


def anthropic(name: str, address: str) -> tuple[Model, ModelSettings]:
    models = importlib.import_module("pydantic_ai.models.anthropic")
    providers = importlib.import_module("pydantic_ai.providers.anthropic")
    model = models.AnthropicModel(
        name, provider=providers.AnthropicProvider(api_key=NO_KEY, base_url=address)
    )
    # Each turn sends all before it again: at a tenth of the price where the provider has kept it.
    return model, models.AnthropicModelSettings(
        anthropic_cache_instructions=True, anthropic_cache_messages=True
    )


def openai_chat(name: str, address: str) -> tuple[Model, ModelSettings]:
    models = importlib.import_module("pydantic_ai.models.openai")
    return models.OpenAIChatModel(name, provider=openai_provider(address)), ModelSettings()


def openai_responses(name: str, address: str) -> tuple[Model, ModelSettings]:
    models = importlib.import_module("pydantic_ai.models.openai")
    # The provider need not keep what is sent again in every turn.
    settings = models.OpenAIResponsesModelSettings(openai_store=False)
    return models.OpenAIResponsesModel(name, provider=openai_provider(address)), settings


def openai_provider(address: str):
    providers = importlib.import_module("pydantic_ai.providers.openai")
    return providers.OpenAIProvider(api_key=NO_KEY, base_url=f"{address}/v1")


def gemini(name: str, address: str) -> tuple[Model, ModelSettings]:
    models = importlib.import_module("pydantic_ai.models.google")
    providers = importlib.import_module("pydantic_ai.providers.google")
    return models.GoogleModel(name, provider=providers.GoogleProvider(api_key=NO_KEY, base_url=address)), (
        ModelSettings()
    )


APIS: Mapping[str, Callable[[str, str], tuple[Model, ModelSettings]]] = {
    "anthropic": anthropic,
    "openai-chat": openai_chat,
    "openai-responses": openai_responses,
    "gemini": gemini,
}
"""Each imports its provider's library only when it is chosen: that takes as long as all else at the start."""
