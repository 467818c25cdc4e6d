"""A signature's way: made from what the coordinator shows, stored, granted, and good for exactly that."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pullyard.cli.signed_work import sign_work, work_of
from pullyard.protocol.resources import Project, Task, TaskInput
from pullyard.protocol.signed_tasks import SignatureRefused, check_signature
from pullyard.protocol.signing import public_text
from pullyard.protocol.worker import Grant
from tests.coordinator import RunningCoordinator

KEY = Ed25519PrivateKey.generate()
KEYS = [public_text(KEY.public_key())]

STEP: dict[str, Any] = {
    "name": "lint",
    "after": "implement",
    "kind": "command",
    "limit_seconds": 60,
    "settings": {"argv": ["make", "lint"]},
}
RICH: dict[str, Any] = {
    "agent": {"name": "command", "settings": {"argv": ["edit", "{prompt_file}"]}},
    "default_branch": "main",
    "setup_commands": [["npm", "ci"]],
    "verify_commands": [["npm", "test"]],
    "text_policy": {"logs": False},
    "workflow_nodes": [STEP],
    "isolation": {
        "sandbox": {"cpus": 3, "memory_bytes": 1 << 30},
        "network": {"hosts": [{"host": "api.example.com", "paths": ["/v1"]}]},
        "tools": {"commands": ["deny curl **"], "verdicts": {"create_task": "deny"}},
    },
}
OWN_AGENT: dict[str, Any] = {
    "name": "command",
    "settings": {"command": "x", "environment": {"N": "1"}},
}
WISHES: list[dict[str, Any]] = [
    {"title": "  Say more "},
    {
        "title": "Größer — «x»",
        "description": "a\n\tb \u2028 \U0001f600",
        "acceptance_criteria": ["one"],
        "target_files": ["a.py"],
        "verify_commands": [],
        "budget_micros": 5,
        "base_branch": "next",
        "agent": OWN_AGENT,
        "repositories": [{"name": "more", "repository": "/srv/more.git"}],
    },
]


async def claimed(coordinator: RunningCoordinator, project: dict[str, Any], body: dict[str, Any]) -> Grant:
    worker = await coordinator.worker(protocol=2)
    task = await coordinator.post(f"/projects/{project['id']}/tasks", body)
    assert task["signature"] == body["signature"]
    return await worker.claim()


@pytest.mark.parametrize("wish", WISHES, ids=["small", "large"])
@pytest.mark.parametrize("settings", [{}, RICH], ids=["plain", "rich"])
async def test_a_signed_task_arrives_as_it_was_signed(
    coordinator: RunningCoordinator, settings: dict[str, Any], wish: dict[str, Any]
) -> None:
    project = await coordinator.get(f"/projects/{await coordinator.project(**settings)}")
    work = work_of(Project.model_validate(project), TaskInput.model_validate(wish))
    grant = await claimed(coordinator, project, {**wish, "signature": sign_work(work, KEY, 1)})
    check_signature(grant.signature, grant, KEYS, 0)


async def test_a_task_can_be_signed_after_it_was_made_and_an_edit_spoils_it(
    coordinator: RunningCoordinator,
) -> None:
    home = await coordinator.project()
    task = await coordinator.task(home)
    project = Project.model_validate(await coordinator.get(f"/projects/{home}"))
    signature = sign_work(work_of(project, Task.model_validate(task)), KEY, 1)
    edited = await coordinator.http.patch(
        f"/api/v1/tasks/{task['id']}",
        json={"signature": signature},
        headers={"if-match": str(task["version"])},
    )
    assert edited.json()["signature"] == signature
    spoiled = await coordinator.http.patch(
        f"/api/v1/tasks/{task['id']}",
        json={"description": "Something else."},
        headers={"if-match": str(edited.json()["version"])},
    )
    assert spoiled.json()["signature"] == signature
    grant = await (await coordinator.worker()).claim()
    with pytest.raises(SignatureRefused, match="differs: description"):
        check_signature(grant.signature, grant, KEYS, 0)


async def test_a_signature_is_bounded_and_plain(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    for signature in ("x" * 8193, "a b", "a\x00"):
        refused = await coordinator.post(
            f"/projects/{project}/tasks", {"title": "x", "signature": signature}, 422
        )
        assert "signature" in str(refused), refused
    whole = await coordinator.task(project, signature="x" * 8192)
    assert (await coordinator.get(f"/tasks?project_id={project}"))["items"] == [whole]
