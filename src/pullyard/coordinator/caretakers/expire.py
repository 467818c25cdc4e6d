"""Kept answers, received events and deliveries of webhooks go when their time is over."""

from typing import TYPE_CHECKING

from pullyard.coordinator.webhooks.receive import KNOWN_SECONDS
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

ROWS_AT_ONCE = 1000


async def remove_expired(services: "Services") -> None:
    """In pieces that are transactions of their own; a row that somebody holds is left for the next time."""
    wanted = (
        ("idempotency_expire", {"limit": ROWS_AT_ONCE}),
        (
            "received_expire",
            {"limit": ROWS_AT_ONCE, "seconds": services.settings.received_event_seconds},
        ),
        ("deliveries_expire", {"limit": ROWS_AT_ONCE, "seconds": KNOWN_SECONDS}),
    )
    for statement, parameters in wanted:
        removed = ROWS_AT_ONCE
        while removed == ROWS_AT_ONCE:
            async with services.database.transaction() as connection:
                removed = (await connection.execute(named(statement), parameters)).rowcount
