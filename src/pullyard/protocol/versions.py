"""The worker protocol's version, agreed upon at enrolment and at every connect."""

PROTOCOL_VERSION = 4
OLDEST_PROTOCOL_VERSION = 1
STREAM_VERSION = 1
WORKFLOW_VERSION = 2
"""The first version whose workers walk other workflows than the plain code change."""
TASK_LIST_VERSION = 2
"""The first version whose workers read and write task lists."""


def agree(offered: list[int]) -> int | None:
    """The highest version that both sides speak; None where there is none."""
    shared = [version for version in offered if OLDEST_PROTOCOL_VERSION <= version <= PROTOCOL_VERSION]
    return max(shared, default=None)
