"""Every metric with its kind, labels and meaning, so that the reference page is made of the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True)
class Described:
    kind: str
    """``counter``, ``gauge`` or ``histogram``."""
    labels: tuple[str, ...]
    words: str


class Catalogue:
    """Makes metrics in a registry of its own; names are given without the prefix and without a suffix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.described: dict[str, Described] = {}
        """By the name with the prefix, for a counter without ``_total``."""

    def counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(self._add(name, "counter", words, labels), words, labels, registry=self.registry)

    def gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(self._add(name, "gauge", words, labels), words, labels, registry=self.registry)

    def histogram(self, name: str, words: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        full = self._add(name, "histogram", words, labels)
        return Histogram(full, words, labels, buckets=buckets, registry=self.registry)

    def _add(self, name: str, kind: str, words: str, labels: tuple[str, ...]) -> str:
        full = f"pullyard_{name}"
        self.described[full] = Described(kind, labels, words)
        return full
