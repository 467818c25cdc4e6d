"""The worker's way to its model providers: addresses, keys and a pool of connections."""

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from pullyard.protocol.errors import RequestError
from pullyard.worker.gateway.providers import PROVIDERS, Provider

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0
"""Between two pieces of an answer; a model may think for minutes before the first one."""


@dataclass(frozen=True)
class ProviderSettings:
    """From the worker's settings. ``base_url`` None is the provider's own address."""

    key: SecretStr | None = None
    base_url: str | None = None
    credential: str | None = None
    """The key's name, for whoever keeps count of its limits; None: the provider's."""


@dataclass(frozen=True)
class Upstream:
    """May be shared by gateways; closed by whoever opened it."""

    settings: Mapping[str, ProviderSettings]
    client: httpx.AsyncClient = field(repr=False)

    def address(self, provider: Provider) -> str:
        return (self._of(provider).base_url or provider.base_url).rstrip("/")

    def key(self, provider: Provider) -> str | None:
        secret = self._of(provider).key
        return (secret.get_secret_value().strip() or None) if secret is not None else None

    def credential(self, provider: Provider) -> str:
        """The name of the key, which is no secret: what shares it shares its limits."""
        return self._of(provider).credential or provider.name

    def missing(self, provider: Provider) -> str | None:
        """One sentence where the worker has no key for this provider: ask before an agent is started."""
        if self.key(provider):
            return None
        return f"This worker has no key for {provider.name}: set {provider.key_variable} where it is started."

    def _of(self, provider: Provider) -> ProviderSettings:
        return self.settings.get(provider.name, ProviderSettings())


def open_upstream(settings: Mapping[str, ProviderSettings]) -> Upstream:
    """Raises RequestError for an address that isn't safe. Close its ``client`` at the end."""
    for name, chosen in settings.items():
        if name not in PROVIDERS:
            raise RequestError(f"There is no model provider {name!r}: choose one of {', '.join(PROVIDERS)}.")
        if chosen.base_url is not None:
            check_address(chosen.base_url)
    client = httpx.AsyncClient(
        verify=_trust(),
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0),
        follow_redirects=False,
    )
    return Upstream(settings, client)


@cache
def _trust() -> ssl.SSLContext:
    # Reading the certificates takes longer than everything else that an execution's gateway does.
    return httpx.create_ssl_context()


def check_address(url: str) -> None:
    """The key goes there: only TLS, or this very machine. Raises RequestError."""
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    if not safe or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise RequestError("A model provider's address starts with https:// and holds no account or query.")


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
