"""What the store refuses, for the operator to put right."""

from pullyard.protocol.errors import PullyardError


class StoreRefused(PullyardError):
    """The database, its server or a backup can't be used as it is; ``code`` tells the cases apart."""
