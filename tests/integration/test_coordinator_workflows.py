"""Workflows, nodes and questions at the coordinator, with workers that speak the wire by hand."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import NodeKind, NodeOutcome
from pullyard.protocol.worker import AskRequest, Grant, NodeFact, PhaseReport
from tests.coordinator import RunningCoordinator, WireWorker, change_of

APPROVAL: dict[str, Any] = {
    "name": "look",
    "after": "verify",
    "kind": "approval",
    "settings": {"question": "Shall it?"},
}
COMMAND: dict[str, Any] = {
    "name": "lint",
    "after": "implement",
    "kind": "command",
    "settings": {"argv": ["make", "lint"]},
}


async def new_worker(coordinator: RunningCoordinator, *labels: str) -> WireWorker:
    return await coordinator.worker(*labels, protocol=2)


def fact(name: str, kind: NodeKind, phase: Phase, place: int, **fields: Any) -> NodeFact:
    return NodeFact(name=name, kind=kind, phase=phase, place=place, **fields)


PREPARE = fact("prepare", NodeKind.PREPARE, Phase.PREPARE, 0)
PREPARED = fact("prepare", NodeKind.PREPARE, Phase.PREPARE, 0, outcome=NodeOutcome.PASSED, seconds=2.0)
IMPLEMENT = fact("implement", NodeKind.AGENT, Phase.IMPLEMENT, 1)


async def report(worker: WireWorker, grant: Grant, phase: Phase, *nodes: NodeFact) -> None:
    wish = PhaseReport(fence=grant.fence, phase=phase, nodes=list(nodes))
    response = await worker.post(f"/executions/{grant.execution_id}/phase", wish)
    assert response.status_code == 200, response.text


async def ask(worker: WireWorker, grant: Grant, question_id: str = "look-1", **fields: Any) -> Any:
    wish = AskRequest(
        fence=grant.fence,
        question_id=question_id,
        node="look",
        question="Shall it?",
        choices=["approve", "reject"],
        **fields,
    )
    return await worker.post(f"/executions/{grant.execution_id}/ask", wish)


async def asking(coordinator: RunningCoordinator) -> tuple[WireWorker, Grant, dict[str, Any]]:
    """A worker whose execution waits for a person, and the task."""
    worker = await new_worker(coordinator)
    task = await coordinator.task(await coordinator.project(workflow_nodes=[APPROVAL]))
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement", "verify")
    assert (await ask(worker, grant)).status_code == 200
    return worker, grant, task


async def answer(coordinator: RunningCoordinator, grant: Grant, words: str, **fields: Any) -> Any:
    path = f"/api/v1/executions/{grant.execution_id}/answer"
    return await coordinator.http.post(path, json={"answer": words, **fields})


async def test_the_built_in_workflows_are_shown(coordinator: RunningCoordinator) -> None:
    shown = {one["name"]: one for one in (await coordinator.get("/workflows"))["items"]}
    on_changes = {"review-response", "change-update"}
    assert set(shown) == {"code-change", "repository-initialization", "error-resolution", *on_changes}
    assert [node["name"] for node in shown["code-change"]["nodes"]] == [
        "prepare",
        "implement",
        "verify",
        "protected-paths",
        "publish",
    ]
    assert shown["repository-initialization"]["nodes"][2]["next"]["failed"] == "protected-paths"


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([{**COMMAND, "kind": "deploy"}], "deploy"),
        ([{**COMMAND, "after": "nowhere"}], "nowhere"),
        ([COMMAND, COMMAND], "two nodes 'lint'"),
        ([{**COMMAND, "name": "verify"}], "two nodes 'verify'"),
        (
            [{**COMMAND, "after": "b", "name": "a"}, {**COMMAND, "after": "a", "name": "b"}],
            "wait for each other",
        ),
        ([{**COMMAND, "after": "publish"}], "put it earlier"),
        (
            [{"name": "more", "after": "verify", "kind": "agent", "settings": {"prompt": "x"}}],
            "must be verified",
        ),
        ([{**COMMAND, "name": f"n{number}"} for number in range(21)], "20"),
        ([{**COMMAND, "settings": {}}], "argv"),
        ([{**COMMAND, "name": "../x"}], "name"),
        ([{**COMMAND, "retries": 99}], "retries"),
    ],
)
async def test_nodes_that_make_no_graph_are_refused_by_name(
    coordinator: RunningCoordinator, nodes: list[dict[str, Any]], said: str
) -> None:
    wish = {"name": "x", "repository": "/srv/x.git", "workflow_nodes": nodes}
    answered = await coordinator.http.post("/api/v1/projects", json=wish)
    assert answered.status_code == 422
    assert said in answered.text
    project = await coordinator.project()
    patched = await coordinator.http.patch(f"/api/v1/projects/{project}", json={"workflow_nodes": nodes})
    assert patched.status_code == 422


async def test_a_grant_carries_the_graph_with_the_projects_nodes(coordinator: RunningCoordinator) -> None:
    worker = await new_worker(coordinator)
    plain = await coordinator.project()
    await coordinator.task(plain)
    assert (await worker.claim()).workflow is None
    await coordinator.task(await coordinator.project(workflow_nodes=[COMMAND, APPROVAL]))
    workflow = (await worker.claim()).workflow
    assert workflow is not None
    names = [node.name for node in workflow.nodes]
    assert names == ["prepare", "implement", "lint", "verify", "look", "protected-paths", "publish"]


async def test_an_older_worker_gets_plain_tasks_only(coordinator: RunningCoordinator) -> None:
    old, project = await coordinator.worker(), await coordinator.project(max_running=9)
    for wish in (
        {"workflow": "error-resolution"},
        {"repositories": [{"name": "lib", "repository": "/srv/lib.git"}]},
    ):
        task = await coordinator.task(project, **wish)
        assert (task["labels"], task["unmet_labels"]) == (["protocol=2"], ["protocol=2"])
    await coordinator.task(await coordinator.project(workflow_nodes=[COMMAND]))
    assert (await old.poll(slots=4)).grants == []
    plain = await coordinator.task(project)
    assert (await old.claim()).task.id == plain["id"]
    # The label is not for the asking: only the version gives it.
    liar = await coordinator.worker("protocol=2")
    assert (await liar.poll(slots=4)).grants == []
    assert len((await (await new_worker(coordinator)).poll(slots=4, wait=5)).grants) >= 2


async def test_queued_tasks_move_with_the_nodes_of_their_project(coordinator: RunningCoordinator) -> None:
    old, project = await coordinator.worker(), await coordinator.project()
    task = await coordinator.task(project)
    await coordinator.http.patch(f"/api/v1/projects/{project}", json={"workflow_nodes": [COMMAND]})
    assert (await old.poll()).grants == []
    patched = await coordinator.http.patch(f"/api/v1/projects/{project}", json={"workflow_nodes": []})
    assert patched.json()["labels"] == []
    assert (await old.claim()).task.id == task["id"]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"workflow": "no-such"}, "unknown-workflow"),
        ({"workflow": "review-response"}, "change-missing"),
        (
            {"repositories": [{"name": "a", "repository": "/a"}, {"name": "a", "repository": "/b"}]},
            "doubled-repository",
        ),
        ({"repositories": [{"name": "a", "repository": "../a"}]}, "invalid-repository"),
        (
            {"workflow": "repository-initialization", "repositories": [{"name": "a", "repository": "/a"}]},
            "one-repository",
        ),
    ],
)
async def test_a_task_that_no_workflow_can_do_is_refused(
    coordinator: RunningCoordinator, wish: dict[str, Any], code: str
) -> None:
    project = await coordinator.project()
    refused = await coordinator.post(f"/projects/{project}/tasks", {"title": "x", **wish}, 422)
    assert refused["code"] == code


async def test_nodes_are_kept_as_they_were_told_first(coordinator: RunningCoordinator) -> None:
    worker = await new_worker(coordinator)
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await report(worker, grant, Phase.PREPARE, PREPARE)
    await report(worker, grant, Phase.IMPLEMENT, PREPARED, IMPLEMENT)
    # A restarted worker tells of all of it again, in an order that it likes.
    await report(worker, grant, Phase.PREPARE, msgspec.structs.replace(PREPARED, seconds=99.0))
    path = f"/executions/{grant.execution_id}/nodes"
    shown = (await coordinator.get(path))["items"]
    assert [(one["name"], one["state"], one["outcome"]) for one in shown] == [
        ("prepare", "ended", "passed"),
        ("implement", "running", None),
    ]
    assert shown[0]["seconds"] == 2.0
    assert (await coordinator.get(f"/executions/{grant.execution_id}"))["state"] == "implementing"
    ended = msgspec.structs.replace(IMPLEMENT, outcome=NodeOutcome.FAILED, reason=Reason.AGENT_FAILED)
    assert (
        await worker.finish(grant, reason=Reason.AGENT_FAILED, nodes=[PREPARED, ended])
    ).status_code == 200
    shown = (await coordinator.get(path))["items"]
    assert (shown[1]["outcome"], shown[1]["reason"]) == ("failed", "agent_failed")


async def test_an_answer_is_given_until_its_node_has_ended(coordinator: RunningCoordinator) -> None:
    worker, grant, task = await asking(coordinator)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "waiting"
    assert (await worker.beat()).answers == []
    assert (await ask(worker, grant)).status_code == 200
    answered = await answer(coordinator, grant, "approve", question_id="look-1")
    assert answered.status_code == 200
    assert answered.json()["question"]["answered_by"]
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "running"
    for _ in range(2):
        (given,) = (await worker.beat()).answers
        assert (given.question_id, given.answer) == ("look-1", "approve")
    # The worker was restarted meanwhile, and asks the same again: it was answered.
    assert (await ask(worker, grant)).status_code == 200
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "running"
    look = fact("look", NodeKind.APPROVAL, Phase.VERIFY, 3, outcome=NodeOutcome.PASSED)
    await report(worker, grant, Phase.PUBLISH, look)
    assert (await worker.beat()).answers == []
    assert (await worker.finish(grant, change=change_of(grant))).status_code == 200
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "completed"


async def test_of_many_answers_at_once_one_counts(coordinator: RunningCoordinator) -> None:
    worker, grant, _ = await asking(coordinator)
    words = ["approve", "reject"] * 5
    answers = await asyncio.gather(*(answer(coordinator, grant, word) for word in words))
    taken = {one.json()["question"]["answer"] for one in answers if one.status_code == 200}
    assert len(taken) == 1
    assert {one.status_code for one in answers} == {200, 409}
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"already-answered"}
    (given,) = (await worker.beat()).answers
    assert given.answer in taken


async def test_only_the_question_that_is_asked_can_be_answered(coordinator: RunningCoordinator) -> None:
    worker = await new_worker(coordinator)
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    assert (await answer(coordinator, grant, "approve")).json()["code"] == "not-waiting"
    assert (await ask(worker, grant)).status_code == 200
    assert (await answer(coordinator, grant, "approve", question_id="old-1")).json()[
        "code"
    ] == "other-question"
    assert (await answer(coordinator, grant, "perhaps")).status_code == 422
    assert (await answer(coordinator, grant, "  ")).status_code == 422
    stranger = await coordinator.http.post("/api/v1/executions/exec_x/answer", json={"answer": "approve"})
    assert stranger.status_code == 404
    # A report of a phase does not end the wait.
    await worker.walk(grant, "implement", "verify")
    assert (await coordinator.get(f"/executions/{grant.execution_id}"))["state"] == "waiting_input"


async def test_nobody_is_asked_once_work_is_published(coordinator: RunningCoordinator) -> None:
    worker = await new_worker(coordinator)
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    assert (await ask(worker, grant)).status_code == 409
    grant.fence -= 1
    assert (await ask(worker, grant)).json()["code"] == "lost-lease"


async def test_a_waiting_execution_keeps_its_slot_and_is_lost_with_its_worker(
    coordinator: RunningCoordinator,
) -> None:
    worker, grant, task = await asking(coordinator)
    await coordinator.task(task["project_id"])
    assert (await worker.poll()).grants == []
    ended = await worker.finish(grant, reason=Reason.INTERRUPTED)
    assert ended.status_code == 200
    requeued = await coordinator.get(f"/tasks/{task['id']}")
    assert requeued["state"] in ("queued", "running")
    assert (await answer(coordinator, grant, "approve")).status_code == 409


async def test_a_finish_names_only_repositories_of_its_task(coordinator: RunningCoordinator) -> None:
    worker, project = await new_worker(coordinator), await coordinator.project()
    further = {"name": "lib", "repository": "/srv/lib.git"}
    task = await coordinator.task(project, repositories=[further])
    grant = await worker.claim()
    assert [(one.name, one.url) for one in grant.repositories] == [("lib", "/srv/lib.git")]
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    lib = msgspec.structs.replace(change_of(grant), repository="lib")
    alien = msgspec.structs.replace(change_of(grant), repository="other")
    for changes in ([alien], [lib, lib]):
        refused = await worker.finish(grant, change=change_of(grant), further_changes=changes)
        assert refused.status_code == 422, refused.text
    assert (await worker.finish(grant, change=change_of(grant), further_changes=[lib])).status_code == 200
    items = (await coordinator.get(f"/changes?task_id={task['id']}"))["items"]
    assert {one["repository"] for one in items} == {None, "lib"}


@pytest.mark.parametrize(
    "told",
    [
        [PREPARE] * 1001,
        [msgspec.structs.replace(PREPARE, name="x" * 101)],
        [msgspec.structs.replace(PREPARE, name="")],
        [msgspec.structs.replace(PREPARE, attempt=2**40)],
        [msgspec.structs.replace(PREPARE, place=-1)],
        [PREPARED, PREPARED],
        [msgspec.structs.replace(PREPARED, seconds=1e300)],
    ],
    ids=["many", "long", "nameless", "attempt", "place", "twice", "endless"],
)
async def test_nodes_that_no_honest_worker_tells_of_are_refused(
    coordinator: RunningCoordinator, told: list[NodeFact]
) -> None:
    worker = await new_worker(coordinator)
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    wish = PhaseReport(fence=grant.fence, phase=Phase.PREPARE, nodes=told)
    refused = await worker.post(f"/executions/{grant.execution_id}/phase", wish)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-nodes")
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    refused = await worker.finish(grant, change=change_of(grant), nodes=told)
    assert refused.status_code == 422


async def test_a_workflow_of_another_version_does_not_keep_others_from_work(
    coordinator: RunningCoordinator, database_url: str
) -> None:
    worker, project = await new_worker(coordinator), await coordinator.project(workflow_nodes=[COMMAND])
    await coordinator.task(project)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            'UPDATE projects SET workflow_nodes = \'[{"name": "lint", "after": "gone", "kind": "command"}]\''
        )
    finally:
        await connection.close()
    workflow = (await worker.claim()).workflow
    assert workflow is not None
    assert workflow.nodes == ()


async def test_what_a_phase_tells_of_may_hold_any_byte(coordinator: RunningCoordinator) -> None:
    worker = await new_worker(coordinator)
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    wish = PhaseReport(fence=grant.fence, phase=Phase.PREPARE, facts={"said\0": "a\0b"})
    response = await worker.post(f"/executions/{grant.execution_id}/phase", wish)
    assert response.status_code == 200, response.text
    execution = await coordinator.get(f"/executions/{grant.execution_id}")
    assert execution["facts"]["said\ufffd"] == "a\ufffdb"


async def test_words_that_answer_a_question_are_not_in_the_audit_log(
    coordinator: RunningCoordinator,
) -> None:
    worker = await new_worker(coordinator)
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare")
    for number, words in enumerate(("the password is s3cret", "approve")):
        response = await ask(worker, grant, f"look-{number}", text=True)
        assert response.status_code == 200, response.text
        assert (await answer(coordinator, grant, words)).status_code == 200
    entries = (await coordinator.get("/audit?limit=2"))["items"]
    assert [one["details"].get("answer") for one in entries] == ["approve", None]
    assert "s3cret" not in str(entries)
