"""The life of a change: a pull or merge request, or its stand-in on a bare repository."""

from collections.abc import Mapping
from enum import StrEnum

BRANCH_PREFIX = "pullyard/"
"""Of the branches, where a project does not want another one."""


class ChangeState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class ChangeEvent(StrEnum):
    MERGE = "merge"
    CLOSE = "close"


CHANGE_TRANSITIONS: Mapping[tuple[ChangeState, ChangeEvent], ChangeState] = {
    (ChangeState.OPEN, ChangeEvent.MERGE): ChangeState.MERGED,
    (ChangeState.OPEN, ChangeEvent.CLOSE): ChangeState.CLOSED,
}


class ErrandKind(StrEnum):
    """Work that is no execution and that only a worker can do, because only it reaches the forge."""

    MERGE = "merge"
    CLOSE = "close"
    LOOK = "look"
    """How a change stands on its forge; asked by the coordinator itself, again and again."""
    COMPARE = "compare"
    """Of a project: which of its open changes can't both be merged, tried out without touching anything."""
    READ_TASK_LIST = "read-task-list"
    WRITE_TASK_LIST = "write-task-list"
    READ_ISSUES = "read-issues"
    """Of a project: open issues that are wishes for work, and what is to be said at others."""


CHANGE_ERRANDS = frozenset({ErrandKind.MERGE, ErrandKind.CLOSE})
"""Those of a change that people ask for, which every worker knows; the others came later."""
LATER_ERRANDS: Mapping[ErrandKind, int] = {
    ErrandKind.READ_TASK_LIST: 2,
    ErrandKind.WRITE_TASK_LIST: 2,
    ErrandKind.LOOK: 3,
    ErrandKind.READ_ISSUES: 4,
    ErrandKind.COMPARE: 4,
}
"""By the version of the worker protocol that they came with."""


class ErrandState(StrEnum):
    REQUESTED = "requested"
    ASSIGNED = "assigned"
    DONE = "done"
    FAILED = "failed"


OPEN_ERRAND_STATES = frozenset({ErrandState.REQUESTED, ErrandState.ASSIGNED})
"""A worker is asked, or at it."""
