"""What went over the network for one execution, host by host, as its facts show it."""

from dataclasses import dataclass, field
from typing import Any

from pullyard.worker.gateway.rules import Place, shown

MOST_HOSTS = 200
OTHERS = "others"
"""Where a hostile command asks for more hosts than are listed one by one."""
TRAFFIC_LIMIT_BYTES = 64 << 30
"""Of an execution, both ways together: nobody's dependencies are larger, and somebody pays for it."""


class TrafficSpent(ConnectionError):
    """The execution has moved all the bytes that it may."""


@dataclass
class HostCount:
    requests: int = 0
    """Passed on; a tunnel is one."""
    refused: int = 0
    sent_bytes: int = 0
    """To the host; inside a tunnel TLS's own are among them."""
    received_bytes: int = 0


@dataclass
class Counts:
    limit_bytes: int = TRAFFIC_LIMIT_BYTES
    hosts: dict[str, HostCount] = field(default_factory=dict[str, HostCount])
    """Those that are given are counted on: a worker that was killed goes on with its execution."""
    moved_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.moved_bytes = sum(one.sent_bytes + one.received_bytes for one in self.hosts.values())

    def of(self, place: Place) -> HostCount:
        name = shown(place)
        if name not in self.hosts and len(self.hosts) >= MOST_HOSTS:
            name = OTHERS
        return self.hosts.setdefault(name, HostCount())

    def move(self, count: HostCount, *, sent: int = 0, received: int = 0) -> None:
        """Raises TrafficSpent."""
        count.sent_bytes += sent
        count.received_bytes += received
        self.moved_bytes += sent + received
        if self.moved_bytes > self.limit_bytes:
            raise TrafficSpent(f"The execution has moved {self.limit_bytes} bytes, which is all it may.")

    def facts(self) -> dict[str, Any]:
        """Empty where nothing was asked for."""
        return {name: dict(vars(count)) for name, count in sorted(self.hosts.items())}
