"""Single-use tickets for a WebSocket, whose client can't set a header."""

import secrets
import time

from pullyard.coordinator.auth.identify import Principal

LASTS_SECONDS = 30.0
MAX_OPEN = 10_000


class Tickets:
    """In this process only: a browser uses its ticket at once, on the replica that gave it."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, Principal]] = {}

    def give(self, principal: Principal) -> str:
        now = time.monotonic()
        self._open = {key: entry for key, entry in self._open.items() if entry[0] > now}
        while len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        ticket = "pyl_ticket_" + secrets.token_urlsafe(32)
        self._open[ticket] = (now + LASTS_SECONDS, principal)
        return ticket

    def use(self, ticket: str) -> Principal | None:
        until, principal = self._open.pop(ticket, (0.0, None))
        return principal if until > time.monotonic() else None
