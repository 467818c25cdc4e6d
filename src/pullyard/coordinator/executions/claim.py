"""Claims for a group of waiting workers with the same labels, in one statement."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pullyard.coordinator.workflows.choose import granted_change, granted_repositories, granted_workflow
from pullyard.lifecycle.change import BRANCH_PREFIX
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.isolation import Isolation
from pullyard.protocol.worker import (
    AgentSpec,
    ChangeRules,
    Grant,
    PhaseLimits,
    RepositorySpec,
    TaskBrief,
    TextPolicy,
)
from pullyard.store import hot
from pullyard.telemetry.tracer import root_of

# Whoever claims holds this advisory lock: claims of all replicas come one after the other, so that what they
# count is exact and no limit is passed. It is held for a millisecond or two, commit included.
CLAIM_LOCK = 7_855_921_003
CLAIM_LOCK_STATEMENT = f"SELECT pg_advisory_xact_lock({CLAIM_LOCK})"


@dataclass(frozen=True)
class Slot:
    """Room for one execution at one waiting worker."""

    worker_id: str
    request_id: str


async def claim_tasks(
    connection: Any,
    *,
    tenant_id: str,
    labels: Sequence[str],
    slots: Sequence[Slot],
    max_running: int,
    lease_seconds: float,
) -> list[tuple[int, Grant]]:
    """Fair over projects, by priority inside; pairs of place in ``slots`` and grant, at most one a slot.

    ``connection`` is of ``HotConnections.transaction(lock=CLAIM_LOCK)``. A slot of a worker that may not take
    work (it drains, has other labels by now, or holds as many executions as it has slots) is passed over.
    """
    rows = await hot.fetch(
        connection,
        "claim",
        {
            "tenant_id": tenant_id,
            "labels": labels,
            "max_running": max_running,
            "lease_seconds": lease_seconds,
            "worker_ids": [slot.worker_id for slot in slots],
            "request_ids": [slot.request_id for slot in slots],
            "execution_ids": [new_id(Kind.EXECUTION) for _ in slots],
            "correlation_ids": [secrets.token_hex(16) for _ in slots],
        },
    )
    return [(row.place - 1, build_grant(row)) for row in rows]


def build_grant(row: Any) -> Grant:
    agent = row.task_agent or row.project_agent
    return Grant(
        execution_id=row.execution_id,
        fence=row.fence,
        project_id=row.project_id,
        project_name=row.project_name,
        correlation_id=row.correlation_id,
        traceparent=root_of(row.correlation_id),
        queued_seconds=row.queued_seconds,
        task=TaskBrief(
            id=row.task_id,
            number=row.number,
            title=row.title,
            description=row.description,
            acceptance_criteria=row.acceptance_criteria,
            target_files=row.target_files,
            budget_micros=row.budget_micros,
            base_branch=row.base_branch or row.default_branch,
            source_url=row.source_url,
        ),
        repository=RepositorySpec(url=row.repository, forge=row.forge),
        agent=msgspec.convert(agent, AgentSpec),
        limits=msgspec.convert(row.limits, PhaseLimits),
        branch=row.change_branch or own_branch(row),
        # Set-up and proof are of the project's own repository; a change may be in another one of its task.
        setup_commands=[] if row.change_repository else row.setup_commands,
        verify_commands=(
            row.project_verify
            if row.task_verify is None and row.change_repository is None
            else row.task_verify
        ),
        text_policy=msgspec.convert(row.text_policy, TextPolicy),
        change_rules=msgspec.convert(row.change_rules, ChangeRules),
        isolation=msgspec.convert(row.isolation, Isolation),
        resume_from=row.resumed_from,
        resume_commit=row.resumed_commit,
        workflow=granted_workflow(row.workflow, row.workflow_nodes),
        repositories=granted_repositories(row.repositories),
        change=granted_change(row),
        signature=row.signature,
        candidates=row.candidates or 0,
    )


def own_branch(row: Any) -> str:
    prefix = row.change_rules.get("branch_prefix", BRANCH_PREFIX)
    return prefix + branch_end(head_branch(row.number, row.task_slug, row.task_id))


def head_branch(number: int, slug: str, task_id: str) -> str:
    """The same for every execution of the task: a later one's push takes the place of an earlier one's."""
    return f"{BRANCH_PREFIX}{number}-{slug}-{task_id[-6:]}"


def branch_end(branch: str) -> str:
    """What stays of it whatever the project's branches begin with."""
    return branch.removeprefix(BRANCH_PREFIX)
