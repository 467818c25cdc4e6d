"""What the worker can do just now, in labels, and what of it the coordinator was told."""

from collections.abc import Callable, Sequence


class Offer:
    def __init__(
        self, lasting: Sequence[str] = (), changing: Callable[[], Sequence[str]] = tuple[str]
    ) -> None:
        """``changing`` are those that may go and come back while the worker runs."""
        self._lasting = list(lasting)
        self._changing = changing
        self._told = self.labels()
        self._moved = False

    def labels(self) -> list[str]:
        return [*self._lasting, *self._changing()]

    @property
    def settled(self) -> bool:
        """Whether the coordinator knows it as it is, so that it gives nothing else."""
        return self._told == self.labels()

    def news(self) -> list[str] | None:
        """For a heartbeat; None where nothing ever changed since the worker connected.

        Once something did it is told again and again: an older heartbeat may arrive after a newer one.
        """
        self._moved = self._moved or not self.settled
        return self.labels() if self._moved else None

    def told(self, labels: list[str] | None) -> bool:
        """The coordinator has taken these; whether it knew others before."""
        if labels is None or labels == self._told:
            return False
        self._told = labels
        return True
