"""What a task will be granted as, put together from what the coordinator shows, to be signed by its owner."""

import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pullyard.cli.places import config_directory
from pullyard.files.writes import sync_directory
from pullyard.lifecycle.workflow_rules import AddedNode, WorkflowInvalid, extend
from pullyard.lifecycle.workflows import ON_A_CHANGE, WORKFLOWS, Workflow
from pullyard.protocol.errors import RequestError
from pullyard.protocol.isolation import Isolation
from pullyard.protocol.resources import Project, Task, TaskInput
from pullyard.protocol.signed_tasks import SignatureRefused, read_signature, sign
from pullyard.protocol.worker import (
    AgentSpec,
    ChangeRules,
    Grant,
    PhaseLimits,
    RepositoryGrant,
    RepositorySpec,
    TaskBrief,
    TextPolicy,
)

KEY_BYTES = 16_384
OTHERS = 0o077


def work_of(project: Project, task: TaskInput | Task) -> Grant:
    """As ``described``. Raises RequestError for a task that can't be signed, as it goes on from a change."""
    if task.workflow in ON_A_CHANGE:
        raise RequestError(
            "What goes on from a change, such as a response to a review, can't be signed: sign a new task."
        )
    return described(project, task)


def described(project: Project, task: TaskInput | Task) -> Grant:
    """The work as a worker will be sent it, if nobody changes the task or the project before."""
    agent = task.agent or project.agent
    verify = project.verify_commands if task.verify_commands is None else task.verify_commands
    return Grant(
        execution_id="",
        fence=0,
        project_id=project.id,
        project_name=project.name,
        correlation_id="",
        task=TaskBrief(
            id="",
            number=0,
            title=task.title,
            description=task.description,
            acceptance_criteria=task.acceptance_criteria,
            target_files=task.target_files,
            budget_micros=task.budget_micros,
            base_branch=task.base_branch or project.default_branch,
        ),
        repository=RepositorySpec(url=project.repository, forge=project.forge),
        agent=AgentSpec(name=agent.name, settings=agent.settings),
        limits=PhaseLimits(),
        branch="",
        setup_commands=project.setup_commands,
        verify_commands=verify,
        text_policy=msgspec.convert(project.text_policy.model_dump(), TextPolicy),
        change_rules=msgspec.convert(project.change_rules.model_dump(), ChangeRules),
        isolation=msgspec.convert(project.isolation.model_dump(mode="json"), Isolation),
        workflow=workflow_of(project, task.workflow),
        repositories=[
            RepositoryGrant(
                name=one.name,
                url=one.repository,
                forge=one.forge,
                base_branch=one.base_branch,
                verify_commands=one.verify_commands,
            )
            for one in task.repositories
        ],
    )


def workflow_of(project: Project, name: str) -> Workflow:
    try:
        workflow = WORKFLOWS[name]
        nodes: list[dict[str, Any]] = [node.model_dump(mode="json") for node in project.workflow_nodes]
        added = msgspec.convert(nodes, list[AddedNode])
        return extend(workflow, added) if added and workflow.extensible else workflow
    except (KeyError, WorkflowInvalid, msgspec.ValidationError) as error:
        raise RequestError(
            f"The workflow {name!r} can't be put together here, so it can't be signed: update this program."
        ) from error


def sign_work(work: Grant, key: Ed25519PrivateKey, hours: float) -> str:
    """With a fresh nonce; good for ``hours`` from now."""
    return sign(work, key, nonce=secrets.token_urlsafe(24), expires_at=int(time.time() + hours * 3600))


def expiry_text(expires_at: float) -> str:
    """``expires_at`` is in seconds since 1970."""
    try:
        return datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "the end of all calendars"


def describe_signature(text: str) -> str:
    """Whose it says to be and until when, unproved."""
    try:
        payload, _, _ = read_signature(text)
    except SignatureRefused as error:
        return str(error)
    return f"by {payload.key[:60]}, until {expiry_text(payload.expires_at)}"


def read_key(path: Path) -> Ed25519PrivateKey:
    """An unencrypted PEM file, as ``pullyard sign keygen`` writes it. Raises RequestError."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & OTHERS:
                raise RequestError(f"Others can get at the key {path}: take that away with 'chmod 600'.")
            key = load_pem_private_key(file.read(KEY_BYTES), password=None)
    except FileNotFoundError as error:
        raise RequestError(f"There is no key at {path}: make one with 'pullyard sign keygen'.") from error
    except OSError as error:
        raise RequestError(f"The key {path} can't be read: {error.strerror}.") from error
    except (ValueError, TypeError) as error:
        raise RequestError(f"{path} holds no private key: make one with 'pullyard sign keygen'.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RequestError(f"{path} holds another kind of key: make one with 'pullyard sign keygen'.")
    return key


def default_key() -> Path:
    return config_directory() / "signing-key.pem"


def make_key(path: Path) -> Ed25519PrivateKey:
    """A new one, in a file that only its owner can read. Raises RequestError where something is there."""
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
    except FileExistsError as error:
        raise RequestError(
            f"{path} is there already, and a key is never replaced: name another file."
        ) from error
    except OSError as error:
        raise RequestError(f"The key can't be written to {path}: {error.strerror}.") from error
    return key
