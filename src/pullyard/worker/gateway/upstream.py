"""The worker's way to its model providers: addresses, keys, prices and a pool of connections."""

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from pullyard.protocol.errors import RequestError
from pullyard.worker.gateway.keys import KeySource
from pullyard.worker.gateway.prices import Price, PriceBook, load_prices
from pullyard.worker.gateway.provider import Metered, Provider
from pullyard.worker.gateway.providers import PROVIDERS

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0
"""Between two pieces of an answer; a model may think for minutes before the first one."""
MODEL_CHARACTERS = 100
"""Of a name, as it is kept and shown."""
MOST_UNWILLING = 1000


@dataclass(frozen=True)
class ProviderSettings:
    """From the worker's settings, by the name of a provider, or of an endpoint that speaks as one does."""

    key: SecretStr | None = None
    base_url: str | None = None
    """None is the provider's own address."""
    credential: str | None = None
    """The key's name, for whoever keeps count of its limits; None: the provider's."""
    api: str | None = None
    """The provider whose API an endpoint speaks; None: the one of this name."""
    source: KeySource | None = None
    """In the place of ``key``."""
    keyless: bool = False
    """An endpoint that asks for none."""
    plain_http: bool = False
    """Its owner lets it be reached without TLS."""


@dataclass(frozen=True)
class Upstream:
    """May be shared by gateways; closed by whoever opened it."""

    settings: Mapping[str, ProviderSettings]
    client: httpx.AsyncClient = field(repr=False)
    prices: PriceBook = field(default_factory=PriceBook, repr=False)
    _sources: dict[str, KeySource] = field(default_factory=dict[str, KeySource], repr=False)
    _unwilling: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], repr=False)

    def changed(self, name: str, chosen: ProviderSettings) -> "Upstream":
        """The same way but for one provider's settings."""
        settings = {**self.settings, name: chosen}
        return Upstream(settings, self.client, self.prices, _unwilling=self._unwilling)

    def provider(self, name: str) -> Provider:
        """By the name of a provider or an endpoint. Raises RequestError."""
        chosen = self.settings.get(name, ProviderSettings())
        provider = PROVIDERS.get(chosen.api or name)
        if provider is None or not (chosen.base_url or provider.base_url):
            known = {one.name for one in PROVIDERS.values() if one.base_url} | self.settings.keys()
            raise RequestError(
                f"This worker has no model endpoint {name!r}: use one of {', '.join(sorted(known))}, "
                "or name it in model_endpoints where the worker is started."
            )
        return provider if provider.name == name else replace(provider, name=name)

    def address(self, provider: Provider) -> str:
        address = self._of(provider).base_url or provider.base_url
        assert address is not None, "``provider`` gives none without an address"
        return address.rstrip("/")

    async def key(self, provider: Provider) -> str | None:
        """None where there is none, or none now."""
        return await self._source(provider).key()

    def key_refused(self, provider: Provider) -> None:
        self._source(provider).refused()

    def secrets(self) -> set[str]:
        """All keys that are held now."""
        sources = [*self._sources.values(), *(chosen.source for chosen in self.settings.values())]
        return set[str]().union(*(source.known() for source in sources if source is not None))

    def keyless(self, provider: Provider) -> bool:
        return self._of(provider).keyless

    def credential(self, provider: Provider) -> str:
        """The name of the key, which is no secret: what shares it shares its limits."""
        return self._of(provider).credential or provider.name

    def missing(self, provider: Provider) -> str | None:
        """One sentence where the worker has no key for this provider: ask before an agent is started."""
        if self.keyless(provider) or self._source(provider):
            return None
        return f"This worker has no key for {provider.name}: set {provider.key_variable} where it is started."

    def price(self, provider: Provider, metered: Metered, model: str) -> Price:
        return self.prices.of((provider.name, metered.prices), model)

    def is_unwilling(self, provider: Provider, metered: Metered | None) -> bool:
        """Whether it refuses a stream of this model for the wish to be told its tokens."""
        return metered is not None and (provider.name, metered.model) in self._unwilling

    def add_unwilling(self, provider: Provider, metered: Metered | None) -> None:
        # Some servers take any model's name, of any length.
        if (
            metered is not None
            and len(metered.model) <= MODEL_CHARACTERS
            and len(self._unwilling) < MOST_UNWILLING
        ):
            self._unwilling.add((provider.name, metered.model))

    def _of(self, provider: Provider) -> ProviderSettings:
        return self.settings.get(provider.name, ProviderSettings())

    def _source(self, provider: Provider) -> KeySource:
        chosen = self._of(provider)
        return chosen.source or self._sources.setdefault(provider.name, KeySource(chosen.key))


def open_upstream(settings: Mapping[str, ProviderSettings], prices_file: Path | None = None) -> Upstream:
    """Raises RequestError for an address that isn't safe, and for prices that can't be read.

    Close its ``client`` at the end.
    """
    for name, chosen in settings.items():
        if (chosen.api or name) not in PROVIDERS:
            raise RequestError(f"There is no model provider {name!r}: choose one of {', '.join(PROVIDERS)}.")
        if chosen.base_url is not None:
            check_address(chosen.base_url, plain_http=chosen.plain_http)
    client = httpx.AsyncClient(
        verify=_trust(),
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0),
        follow_redirects=False,
    )
    return Upstream(settings, client, load_prices(prices_file))


@cache
def _trust() -> ssl.SSLContext:
    # Reading the certificates takes longer than everything else that an execution's gateway does.
    return httpx.create_ssl_context()


def check_address(url: str, *, plain_http: bool = False) -> None:
    """The key goes there: only TLS, or this very machine. Raises RequestError."""
    parts = urlsplit(url)
    plain = plain_http or _is_loopback(parts.hostname)
    safe = parts.scheme == "https" or (parts.scheme == "http" and plain)
    if not safe or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise RequestError("A model provider's address starts with https:// and holds no account or query.")


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
