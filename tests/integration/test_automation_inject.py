"""Tasks are put where they are wanted: the order in which they are granted says where they are."""

import asyncio
import random
from typing import Any

from tests.coordinator import RunningCoordinator


async def inject(
    coordinator: RunningCoordinator, project: str, status: int = 201, **wish: Any
) -> dict[str, Any]:
    return await coordinator.post(f"/projects/{project}/automation/inject", wish, status=status)


async def move(coordinator: RunningCoordinator, task: dict[str, Any], status: int = 200, **wish: Any) -> Any:
    return await coordinator.post(f"/tasks/{task['id']}/move", wish, status=status)


async def order(coordinator: RunningCoordinator, project: str) -> list[str]:
    """The titles, in the order in which a worker gets them one by one."""
    worker = await coordinator.worker()
    titles: list[str] = []
    while (await coordinator.get(f"/projects/{project}"))["queued"]:
        grant = await worker.claim()
        titles.append(grant.task.title)
        await worker.deliver(grant)
    return titles


def tasks(*titles: str) -> list[dict[str, Any]]:
    return [{"title": title} for title in titles]


async def queued(coordinator: RunningCoordinator, project: str, *titles: str) -> list[dict[str, Any]]:
    return [await coordinator.task(project, title=title) for title in titles]


async def test_injected_tasks_stand_where_they_are_put(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    a, b = await queued(coordinator, project, "a", "b")
    await inject(coordinator, project, tasks=tasks("after 1", "after 2"), place="after", task_id=a["id"])
    await inject(coordinator, project, tasks=tasks("front 1", "front 2"), place="front")
    await inject(coordinator, project, tasks=tasks("end"))
    await inject(coordinator, project, tasks=tasks("before"), place="before", task_id=b["id"])
    expected = ["front 1", "front 2", "a", "after 1", "after 2", "before", "b", "end"]
    waiting = (await coordinator.get(f"/tasks?project_id={project}"))["items"]
    told = sorted(waiting, key=lambda task: (-task["priority"], task["position"]))
    assert [task["title"] for task in told] == expected
    assert await order(coordinator, project) == expected


async def test_the_front_is_before_every_priority(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    await coordinator.task(project, title="urgent", priority=50)
    injected = await inject(coordinator, project, tasks=tasks("first"), place="front")
    assert injected["tasks"][0]["priority"] == 50
    low = await coordinator.task(project, title="low", priority=-5)
    await inject(coordinator, project, tasks=tasks("lowest"), place="after", task_id=low["id"])
    assert await order(coordinator, project) == ["first", "urgent", "low", "lowest"]


async def test_a_task_beside_one_that_runs_comes_next(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    worker = await coordinator.worker()
    running, _ = await queued(coordinator, project, "running", "later")
    grant = await worker.claim()
    await inject(coordinator, project, tasks=tasks("next"), place="after", task_id=running["id"])
    await worker.deliver(grant)
    assert await order(coordinator, project) == ["next", "later"]


async def test_a_text_becomes_tasks_in_its_order_with_warnings(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    text = "- [ ] Second\n  - after: First\n- [ ] First\n  - colour: red\n- [x] Done\n- [-] Held\n"
    injected = await inject(coordinator, project, text=text)
    second, first = injected["tasks"]
    assert (second["title"], second["depends_on"]) == ("Second", [first["id"]])
    assert (second["source"], second["list_key"]) == ("inject", None)
    assert any(one["line"] == 4 and "colour" in one["message"] for one in injected["warnings"])
    assert await order(coordinator, project) == ["First", "Second"]


async def test_a_wish_that_can_not_be_leaves_nothing_behind(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    (ended,) = await queued(coordinator, project, "ended")
    assert await order(coordinator, project) == ["ended"]
    for status, wish in [
        (422, {}),
        (422, {"tasks": tasks("x"), "text": "- [ ] y"}),
        (422, {"tasks": tasks("x"), "place": "after"}),
        (422, {"tasks": tasks("x"), "task_id": ended["id"]}),
        (422, {"text": "nothing here"}),
        (404, {"tasks": tasks("x"), "place": "after", "task_id": "task_" + "0" * 26}),
        (409, {"tasks": tasks("x"), "place": "after", "task_id": ended["id"]}),
        (422, {"tasks": [*tasks("x"), {"title": "y", "agent": {"name": "nobody"}}]}),
        (422, {"tasks": tasks(*["x"] * 201)}),
    ]:
        await inject(coordinator, project, status, **wish)
    assert (await coordinator.get(f"/tasks?project_id={project}"))["items"] == [
        await coordinator.get(f"/tasks/{ended['id']}")
    ]


async def test_a_move_holds_until_there_is_no_room_and_beyond(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    a, b, c = await queued(coordinator, project, "a", "b", "c")
    for number in range(30):
        # Always between the same two: after ten halvings there is no room, and room is made.
        moving = c if number % 2 else b
        await move(coordinator, moving, place="after", task_id=a["id"])
    assert await order(coordinator, project) == ["a", "c", "b"]


async def test_moves_are_refused_where_they_make_no_sense(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    worker = await coordinator.worker()
    running, waiting = await queued(coordinator, project, "running", "waiting")
    await worker.claim()
    await move(coordinator, running, 409, place="front")
    await move(coordinator, waiting, 409, place="after", task_id=waiting["id"])
    await move(coordinator, waiting, 422, place="after")
    await move(coordinator, waiting, 404, place="before", task_id="task_" + "0" * 26)
    elsewhere = await coordinator.task(await coordinator.project())
    await move(coordinator, waiting, 404, place="before", task_id=elsewhere["id"])
    assert (await coordinator.get(f"/tasks/{waiting['id']}"))["version"] == waiting["version"]


async def test_any_moves_leave_the_order_that_a_list_would_have(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    chance = random.Random(3)
    model = await queued(coordinator, project, *(f"t{number}" for number in range(8)))
    for _ in range(40):
        moving = model.pop(chance.randrange(len(model)))
        place = chance.choice(["front", "end", "before", "after"])
        anchor = chance.randrange(len(model))
        beside = {"task_id": model[anchor]["id"]} if place in ("before", "after") else {}
        at = {"front": 0, "end": len(model), "before": anchor, "after": anchor + 1}[place]
        await move(coordinator, moving, place=place, **beside)
        model.insert(at, moving)
    assert await order(coordinator, project) == [task["title"] for task in model]


async def test_injections_at_the_same_time_stay_in_one_piece(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    (anchor,) = await queued(coordinator, project, "anchor")
    wishes = [tasks(f"{name} 1", f"{name} 2", f"{name} 3") for name in "abcdef"]
    await asyncio.gather(
        *(inject(coordinator, project, tasks=wish, place="after", task_id=anchor["id"]) for wish in wishes)
    )
    titles = await order(coordinator, project)
    assert titles[0] == "anchor"
    assert sorted(titles[1:]) == sorted(one["title"] for wish in wishes for one in wish)
    for start in range(1, len(titles), 3):
        name = titles[start][0]
        assert titles[start : start + 3] == [f"{name} {number}" for number in (1, 2, 3)]
