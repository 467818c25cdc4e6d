"""Which bus a URL names."""

from collections.abc import Callable
from urllib.parse import urlsplit

from pullyard.store.bus.postgres import PostgresBus
from pullyard.store.bus.protocol import Bus
from pullyard.store.bus.redis import RedisBus
from pullyard.store.errors import StoreRefused

BUSES: dict[str, Callable[[str, str], Bus]] = {
    "postgresql": lambda url, _: PostgresBus(url),
    "postgres": lambda url, _: PostgresBus(url),
    "redis": RedisBus,
    "rediss": RedisBus,
    "valkey": lambda url, installation: RedisBus("redis" + url.removeprefix("valkey"), installation),
    "valkeys": lambda url, installation: RedisBus("rediss" + url.removeprefix("valkeys"), installation),
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
