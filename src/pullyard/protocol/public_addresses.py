"""Which addresses are the internet's, and which a worker's owner opens although they are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pullyard.protocol.errors import RequestError
from pullyard.protocol.hosts import read_port

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Beyond what the registries of special addresses (IANA) call global: relays, and clouds' own metadata.
_NEVER_GLOBAL = tuple(
    map(ip_network, ("192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16", "3fff::/20"))
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
METADATA = frozenset(
    map(ip_address, ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"))
)
"""Where clouds give credentials to whoever asks: no setting opens these."""


def is_public(address: Address) -> bool:
    """Whether it is an ordinary address of the internet: all kinds of tunnels into others are none."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    special = address.is_multicast or address.is_reserved or not address.is_global
    return not special and not any(address in network for network in _NEVER_GLOBAL)


@dataclass(frozen=True)
class PrivatePlace:
    """Addresses that may be reached although they are not public, at one port."""

    network: Network
    port: int


def read_private_place(text: str, setting: str = "network_allow_private") -> PrivatePlace:
    """``127.0.0.1:8080``, ``10.1.0.0/16:443`` or ``[fd00::/8]:443``. Raises RequestError."""
    name, _, digits = text.rpartition(":")
    port = read_port(digits)
    try:
        network = ip_network(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        network = None
    if network is None or port is None:
        raise RequestError(f"{text[:80]!r} in {setting} is no place: write 10.1.0.0/16:443 or [fd00::1]:443.")
    return PrivatePlace(network, port)


def is_opened(address: Address, port: int, private: Sequence[PrivatePlace]) -> bool:
    """Metadata is never."""
    return address not in METADATA and any(port == one.port and address in one.network for one in private)
