"""What a restarted worker knows of an execution."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import ERROR_RESOLUTION, NodeKind, NodeOutcome
from pullyard.protocol.errors import ProtocolViolation
from pullyard.protocol.worker import (
    AgentSpec,
    Grant,
    NodeFact,
    PhaseLimits,
    RepositoryGrant,
    RepositorySpec,
    TaskBrief,
)
from pullyard.worker.journal import HarvestedCommit, Journal

GRANT = Grant(
    execution_id="exec_1",
    fence=1,
    project_id="proj_1",
    project_name="example",
    correlation_id="0" * 32,
    task=TaskBrief(id="task_1", number=1, title="X"),
    repository=RepositorySpec(url="/example"),
    agent=AgentSpec(name="command"),
    limits=PhaseLimits(),
    branch="pullyard/1-x-abcdef",
    workflow=ERROR_RESOLUTION,
)


def test_every_step_and_the_graph_it_is_of_come_back_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, GRANT, 0)
    journal.record.harvested = HarvestedCommit(commit="b" * 40, tree="c" * 40)
    journal.record.nodes = [
        NodeFact(
            name="prepare",
            kind=NodeKind.PREPARE,
            phase=Phase.PREPARE,
            outcome=NodeOutcome.PASSED,
            seconds=1.5,
        ),
        NodeFact(
            name="verify",
            kind=NodeKind.VERIFY,
            phase=Phase.VERIFY,
            attempt=2,
            outcome=NodeOutcome.FAILED,
            reason=Reason.INTERRUPTED,
            facts={"log_start": 7},
        ),
    ]
    journal.save()
    (found,) = Journal.find_all(tmp_path)
    assert found.record == journal.record
    assert found.record.grant.workflow == ERROR_RESOLUTION


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "..", "", "a/b", "a\0b"])
def test_no_name_of_a_grant_leads_out_of_the_executions(tmp_path: Path, name: str) -> None:
    below = tmp_path / "executions"
    further = RepositoryGrant(name=name, url="/example")
    for grant in (replace(GRANT, execution_id=name), replace(GRANT, repositories=[further])):
        with pytest.raises(ProtocolViolation):
            Journal.create(below, grant, 0)
    assert not list(tmp_path.iterdir())
