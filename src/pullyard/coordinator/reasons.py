"""The sentence that a person gives for stepping in."""

from pullyard.coordinator.audit.write import note
from pullyard.protocol.resources import Intervention

_UNSAID = "A person took it back."


def said_by_person(wish: Intervention | None) -> str:
    """What the task shows for it; the audit log keeps the reason, too."""
    if wish is None or wish.reason is None:
        return _UNSAID
    note(reason=wish.reason)
    return f"{_UNSAID[:-1]}: {wish.reason}"
