"""Who gets a turn when: many projects, one of which holds nine tenths of all tasks."""

from collections.abc import Sequence

from bench.backlog import Backlog


def skewed(projects: int, tasks: int) -> list[int]:
    """The first project's nine tenths stand in the queue before anybody else's first task."""
    others = projects - 1
    rest = tasks - tasks * 9 // 10
    return [tasks * 9 // 10, *(max(1, rest // others) for _ in range(others))]


async def order_of_turns(backlog: Backlog, grants: int, batch: int) -> list[str]:
    """The project of each grant, in order; every batch is finished before the next is claimed."""
    order: list[str] = []
    while len(order) < grants:
        given = await backlog.claim(batch)
        if not given:
            break
        await backlog.end(given)
        order += [grant.project_id for grant in given]
    return order


def first_turns(order: Sequence[str]) -> dict[str, int]:
    """How many grants went out before each project's first one."""
    first: dict[str, int] = {}
    for place, project_id in enumerate(order):
        first.setdefault(project_id, place)
    return first
