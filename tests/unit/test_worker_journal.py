"""What a restarted worker knows of an execution."""

from typing import Any

import pytest

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import (
    AgentSpec,
    Diffstat,
    FinishRequest,
    Grant,
    PhaseLimits,
    PublishedChange,
    Receipt,
    RepositorySpec,
    TaskBrief,
)
from pullyard.worker.journal import HarvestedCommit, Record

HARVESTED = HarvestedCommit(commit="b" * 40, tree="c" * 40)
RECEIPT = Receipt(commit="b" * 40, tree="c" * 40, base_commit="a" * 40, commands=[], passed=True, seconds=1.0)
CHANGE = PublishedChange(
    branch="pullyard/1-x-abcdef",
    base_branch="main",
    base_commit="a" * 40,
    commit="b" * 40,
    title="X",
    body="",
    diffstat=Diffstat(files=[], additions=0, deletions=0),
)
PHASES = tuple(Phase)


def record(**done: Any) -> Record:
    grant = Grant(
        execution_id="exec_1",
        fence=1,
        project_id="proj_1",
        project_name="example",
        correlation_id="0" * 32,
        task=TaskBrief(id="task_1", number=1, title="X"),
        repository=RepositorySpec(url="/example"),
        agent=AgentSpec(name="command"),
        limits=PhaseLimits(),
        branch=CHANGE.branch,
    )
    return Record(grant=grant, slot=0, **done)


@pytest.mark.parametrize(
    ("done", "begun"),
    [
        ({}, 1),
        ({"finish": FinishRequest(fence=1, reason=Reason.SETUP_FAILED)}, 1),
        ({"harvested": HARVESTED}, 2),
        ({"harvested": HARVESTED, "receipt": RECEIPT}, 3),
        (
            {
                "harvested": HARVESTED,
                "receipt": RECEIPT,
                "finish": FinishRequest(fence=1, change=CHANGE),
            },
            4,
        ),
    ],
)
def test_the_phases_that_were_begun_are_known_from_what_they_left(done: dict[str, Any], begun: int) -> None:
    assert tuple(record(**done).begun_phases()) == PHASES[:begun]
