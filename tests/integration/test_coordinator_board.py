"""The board as one answer: what the lists say, as of one moment."""

import asyncio
from typing import Any

from tests.coordinator import RunningCoordinator


async def test_every_state_has_its_first_page_and_goes_on_in_the_list(
    coordinator: RunningCoordinator,
) -> None:
    project_id = await coordinator.project()
    tasks = [await coordinator.task(project_id) for _ in range(3)]
    draft = await coordinator.task(project_id, draft=True)
    board = await coordinator.get("/board?limit=2")
    assert ids_of(board, "queued") == [tasks[2]["id"], tasks[1]["id"]]
    assert (ids_of(board, "pending"), board["columns"]["pending"]["next"]) == ([draft["id"]], None)
    assert set(board["columns"]) == {
        "pending",
        "queued",
        "running",
        "waiting",
        "completed",
        "failed",
        "cancelled",
    }
    cursor = board["columns"]["queued"]["next"]
    rest = await coordinator.get(f"/tasks?state=queued&limit=2&cursor={cursor}")
    assert [one["id"] for one in rest["items"]] == [tasks[0]["id"]]


async def test_it_is_told_what_the_lists_tell(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project(max_running=2)
    worker = await coordinator.worker()
    await coordinator.task(project_id)
    assert (await worker.deliver(await worker.claim())).status_code == 200
    task = await coordinator.task(project_id, labels=["nobody"])
    board = await coordinator.get("/board")
    assert board["columns"]["queued"]["items"] == [await coordinator.get(f"/tasks/{task['id']}")]
    assert board["columns"]["queued"]["items"][0]["unmet_labels"] == ["nobody"]
    assert board["executions"] == (await coordinator.get("/executions"))["items"]
    assert board["changes"] == (await coordinator.get("/changes?state=open"))["items"]


async def test_the_task_of_an_open_change_is_told_although_newer_ones_fill_its_column(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    older, newer = [await coordinator.task(await coordinator.project(name=name)) for name in ("a", "b")]
    grants = {grant.task.id: grant for grant in [await worker.claim() for _ in range(2)]}
    for task in (newer, older):
        assert (await worker.deliver(grants[task["id"]])).status_code == 200
    board = await coordinator.get("/board?limit=1")
    assert ids_of(board, "completed") == [newer["id"]]
    assert [one["task_id"] for one in board["changes"]] == [older["id"]]
    assert [one["id"] for one in board["changed"]] == [older["id"]]
    assert (await coordinator.get("/board"))["changed"] == []


async def test_a_project_has_a_board_of_its_own(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    projects = [await coordinator.project(name=name) for name in ("a", "b")]
    for project_id in projects:
        await coordinator.task(project_id)
        assert (await worker.deliver(await worker.claim())).status_code == 200
        await coordinator.task(project_id, draft=True)
    board = await coordinator.get(f"/board?project_id={projects[0]}")
    shown = board["columns"]["pending"]["items"] + board["columns"]["completed"]["items"]
    told = [*shown, *board["executions"], *board["changes"]]
    assert [one["project_id"] for one in told] == [projects[0]] * 4


async def test_a_task_that_moves_meanwhile_is_in_one_column(coordinator: RunningCoordinator) -> None:
    task = await coordinator.task(await coordinator.project())
    moves = 0
    seen: list[str] = []

    async def look() -> None:
        while moves < 20:
            board = await coordinator.get("/board")
            seen.extend(one["id"] for state in board["columns"] for one in board["columns"][state]["items"])
            seen.append("a board")

    looking = [asyncio.create_task(look()) for _ in range(3)]
    while moves < 20:
        await coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
        await coordinator.post(f"/tasks/{task['id']}/retry", status=200)
        moves += 1
    await asyncio.gather(*looking)
    assert seen.count(task["id"]) == seen.count("a board")


def ids_of(board: dict[str, Any], state: str) -> list[str]:
    return [one["id"] for one in board["columns"][state]["items"]]
