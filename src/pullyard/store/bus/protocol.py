"""What every bus does."""

from collections.abc import Callable
from typing import Protocol

Callback = Callable[[str | None, str], None]
"""Called in the event loop with a topic and its newest payload. The topic is None when messages may have
been missed: look at everything again. It must neither block nor raise."""


class Bus(Protocol):
    """Carries hints between the coordinators of one installation; one for a process.

    A message may be lost and is never repeated, and of several on one topic within a few milliseconds only
    the last arrives. So whoever cares looks for itself now and then, and whenever the topic is None: that is
    told after a lost connection is back, and instead of more topics than are worth telling apart.
    """

    message_bytes: int
    """So much a topic and its payload may have together, in UTF-8."""

    @property
    def is_connected(self) -> bool:
        """False while nothing of the others is heard."""
        ...

    async def open(self) -> None:
        """Begins to listen; does not fail when the server is away, but keeps trying until ``close``."""
        ...

    async def close(self) -> None:
        """What was published in the last few milliseconds may be lost; may be called twice."""
        ...

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Returns the function that ends the subscription."""
        ...

    def publish(self, topic: str, payload: str = "") -> None:
        """Tells this replica's subscribers at once, and the other replicas' within milliseconds; a topic
        without a payload, which only says where to look, within some tens of them when much is published.

        Returns at once, whether or not anybody can be reached. To be called after the commit that it tells
        of. Raises StoreRefused for a message that is too long, a topic of several lines or a zero byte.
        """
        ...

    def tell_others(self, topic: str, payload: str = "") -> None:
        """Like ``publish``, for what this replica's own subscribers know already."""
        ...
