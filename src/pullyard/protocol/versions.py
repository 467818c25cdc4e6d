"""The worker protocol's version, agreed upon at enrolment and at every connect."""

PROTOCOL_VERSION = 1
OLDEST_PROTOCOL_VERSION = 1
STREAM_VERSION = 1


def agree(offered: list[int]) -> int | None:
    """The highest version that both sides speak; None where there is none."""
    shared = [version for version in offered if OLDEST_PROTOCOL_VERSION <= version <= PROTOCOL_VERSION]
    return max(shared, default=None)
