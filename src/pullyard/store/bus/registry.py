"""Which bus a URL names."""

import importlib
from collections.abc import Callable
from urllib.parse import urlsplit

from pullyard.store.bus.postgres import PostgresBus
from pullyard.store.bus.protocol import Bus
from pullyard.store.errors import StoreRefused


def redis_bus(url: str, installation: str) -> Bus:
    """Its library takes 16 MiB, and a tenth of a second at the start: only those who use it pay that."""
    return importlib.import_module("pullyard.store.bus.redis").RedisBus(url, installation)


BUSES: dict[str, Callable[[str, str], Bus]] = {
    "postgresql": lambda url, _: PostgresBus(url),
    "postgres": lambda url, _: PostgresBus(url),
    "redis": redis_bus,
    "rediss": redis_bus,
    "valkey": lambda url, installation: redis_bus("redis" + url.removeprefix("valkey"), installation),
    "valkeys": lambda url, installation: redis_bus("rediss" + url.removeprefix("valkeys"), installation),
}


def bus_for(url: str, installation: str) -> Bus:
    """``installation`` is the same for all replicas on one database, and for no others."""
    scheme = urlsplit(url).scheme.partition("+")[0]
    if scheme not in BUSES:
        raise StoreRefused(
            f"PULLYARD_BUS_URL begins with one of {', '.join(f'{name}://' for name in BUSES)}.",
            code="bus-url",
        )
    return BUSES[scheme](url, installation)
