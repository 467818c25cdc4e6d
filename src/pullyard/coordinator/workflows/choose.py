"""Which workflow a task is done by, and what its worker must be able to do for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from pullyard.agents.programs import AGENT_LABEL, ENDPOINT_LABEL
from pullyard.agents.registry import check_settings, needed_labels
from pullyard.coordinator.projects.refs import check_branch, check_repository
from pullyard.lifecycle.workflow_rules import AddedNode, WorkflowInvalid, extend
from pullyard.lifecycle.workflows import (
    CODE_CHANGE,
    ON_A_CHANGE,
    REPOSITORY_INITIALIZATION,
    WORKFLOWS,
    Workflow,
)
from pullyard.protocol.errors import RequestError
from pullyard.protocol.fields import AgentSettings
from pullyard.protocol.isolation import IsolationSettings
from pullyard.protocol.resources import TaskInput
from pullyard.protocol.worker import ChangeStart, RepositoryGrant
from pullyard.protocol.workflows import AddedNodeInput, PromptNode, TaskRepository

logger = structlog.get_logger(__name__)

PROTOCOL_LABEL = "protocol=2"
BACKEND_LABEL = "sandbox="
LEVEL_LABEL = "level="
"""Every worker of that version has it. A task that an older worker can't do requires it."""


def granted_workflow(name: str, added: Sequence[Mapping[str, Any]]) -> Workflow | None:
    """With the project's nodes; None is the plain code change, which every worker knows by itself.

    What an older version of Pullyard has taken and this one can't put together has no nodes, and fails at its
    worker with a sentence: a claim must not break over it, since that would keep everybody from work.
    """
    try:
        workflow = WORKFLOWS[name]
        if added and workflow.extensible:
            workflow = extend(workflow, msgspec.convert(added, list[AddedNode]))
    except (KeyError, WorkflowInvalid, msgspec.ValidationError) as error:
        logger.warning("a workflow can't be put together", workflow=name, problem=str(error))
        return Workflow(name, ())
    return None if workflow == CODE_CHANGE else workflow


def granted_repositories(given: Sequence[Mapping[str, Any]]) -> list[RepositoryGrant]:
    return [
        RepositoryGrant(
            name=one["name"],
            url=one["repository"],
            forge=one["forge"],
            base_branch=one["base_branch"],
            verify_commands=one["verify_commands"],
        )
        for one in given
    ]


def granted_change(row: Any) -> ChangeStart | None:
    """``row`` is of a claim: the change that its task goes on with, as it is now."""
    if row.change_id is None:
        return None
    return ChangeStart(
        id=row.change_id,
        branch=row.change_branch,
        commit=row.change_commit,
        base_branch=row.change_base_branch,
        base_commit=row.change_base_commit,
    )


def check_added_nodes(nodes: Sequence[AddedNodeInput]) -> None:
    """Raises RequestError where they can't be put into every workflow that takes them."""
    for node in nodes:
        if isinstance(node, PromptNode) and node.settings.agent is not None:
            check_settings(node.settings.agent.name, node.settings.agent.settings)
    added = msgspec.convert([node.model_dump(mode="json") for node in nodes], list[AddedNode])
    try:
        for workflow in WORKFLOWS.values():
            if workflow.extensible:
                extend(workflow, added)
    except WorkflowInvalid as error:
        raise RequestError(str(error), code="invalid-workflow") from error


def check_task(wish: TaskInput, *, responds: bool) -> None:
    """Raises RequestError for an unknown workflow, and for what the workflow can't be given."""
    if wish.workflow not in WORKFLOWS:
        raise RequestError(
            f"There is no workflow {wish.workflow!r}: choose one of {', '.join(WORKFLOWS)}.",
            code="unknown-workflow",
        )
    if (wish.workflow in ON_A_CHANGE) != responds:
        raise RequestError(
            "A response goes on with a change: use POST /api/v1/changes/{id}/respond.", code="change-missing"
        )
    if wish.repositories and wish.workflow in {*ON_A_CHANGE, REPOSITORY_INITIALIZATION.name}:
        raise RequestError(
            f"The workflow {wish.workflow} works on one repository: leave 'repositories' out.",
            code="one-repository",
        )
    _check_repositories(wish.repositories)


def _check_repositories(repositories: Sequence[TaskRepository]) -> None:
    names = [one.name for one in repositories]
    if len(set(names)) != len(names):
        raise RequestError("Two repositories of the task have the same name.", code="doubled-repository")
    for one in repositories:
        check_repository(one.repository)
        check_branch(one.base_branch)


def needs_of_project(
    nodes: Sequence[Mapping[str, Any]], isolation: IsolationSettings, agent: Mapping[str, Any]
) -> list[str]:
    """What a worker must have for any task of the project, in labels that it gives itself."""
    sandbox = isolation.sandbox
    agents = [agent, *filter(None, (node["settings"].get("agent") for node in nodes))]
    return [
        *(label for one in agents for label in _needed(one)),
        *([PROTOCOL_LABEL] if nodes else []),
        *([f"{BACKEND_LABEL}{sandbox.backend}"] if sandbox.backend else []),
        *([f"{LEVEL_LABEL}{sandbox.level}"] if sandbox.level else []),
    ]


def with_needs_of_project(
    labels: Sequence[str],
    nodes: Sequence[Mapping[str, Any]],
    isolation: IsolationSettings,
    agent: Mapping[str, Any],
) -> list[str]:
    """The project's own labels, with exactly what it needs now. ``agent`` has a name and settings."""
    measured = (PROTOCOL_LABEL, BACKEND_LABEL, LEVEL_LABEL, AGENT_LABEL, ENDPOINT_LABEL)
    own = [label for label in labels if not label.startswith(measured)]
    return sorted({*own, *needs_of_project(nodes, isolation, agent)})


def with_agent(labels: Sequence[str], agent: Mapping[str, Any] | None) -> list[str]:
    """A task's labels, with what its own agent needs; None leaves the project's."""
    own = {label for label in labels if not label.startswith((AGENT_LABEL, ENDPOINT_LABEL))}
    return sorted({*own, *(_needed(agent) if agent else ())})


def _needed(agent: Mapping[str, Any]) -> list[str]:
    chosen = AgentSettings.model_validate(agent)
    return needed_labels(chosen.name, chosen.settings)


def with_needs(labels: Sequence[str], *, needed: bool) -> list[str]:
    """The labels, with what the workflow needs of a worker; without it where nothing needs it any more."""
    plain = {label for label in labels if label != PROTOCOL_LABEL}
    return sorted({*plain, PROTOCOL_LABEL} if needed else plain)


def needs_new_worker(wish: TaskInput) -> bool:
    return wish.workflow != CODE_CHANGE.name or bool(wish.repositories)
