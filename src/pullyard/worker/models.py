"""The model providers and endpoints of the worker's settings, as the gateway takes them."""

import re

from pullyard.agents.programs import ENDPOINT_LABEL
from pullyard.protocol.errors import RequestError
from pullyard.worker.gateway.keys import KeySource
from pullyard.worker.gateway.upstream import ProviderSettings
from pullyard.worker.settings import ModelEndpoint, WorkerSettings

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ALWAYS_KEYED = ("vertex", "bedrock")


def model_settings(settings: WorkerSettings) -> dict[str, ProviderSettings]:
    """By name. Raises RequestError for a name that agents couldn't be told."""
    providers = {
        "anthropic": ProviderSettings(settings.anthropic_api_key, settings.anthropic_base_url),
        "openai": ProviderSettings(settings.openai_api_key, settings.openai_base_url),
        "gemini": ProviderSettings(settings.gemini_api_key, settings.gemini_base_url),
    }
    for name, endpoint in settings.model_endpoints.items():
        if name in providers or not _NAME.fullmatch(name):
            raise RequestError(
                f"The model endpoint {name!r} needs another name: small letters, digits and -, no provider's."
            )
        providers[name] = _endpoint(endpoint)
    return providers


def endpoint_labels(settings: WorkerSettings) -> list[str]:
    """What the worker says of itself, so that a task can ask for a worker that has its endpoint."""
    return [ENDPOINT_LABEL + name for name in sorted(settings.model_endpoints)]


def _endpoint(endpoint: ModelEndpoint) -> ProviderSettings:
    source = KeySource(endpoint.key, endpoint.key_file, endpoint.key_command, endpoint.key_seconds)
    return ProviderSettings(
        base_url=endpoint.base_url,
        api=endpoint.api,
        source=source,
        keyless=not source and endpoint.api not in _ALWAYS_KEYED,
        plain_http=endpoint.plain_http,
    )
