"""Many tasks in the queue, by the API itself and as fast as it goes."""

import asyncio

import msgspec

from bench.stage import Coordinator
from bench.wire import Http

AT_ONCE = 20


async def fill(coordinator: Coordinator, *, projects: int, tasks: int) -> None:
    """``tasks`` in all, spread over ``projects`` whose limit is no hindrance."""
    names = [f"fill-{number}" for number in range(projects)]
    ids = [coordinator.add_project(name, max_running=1000) for name in names]
    http = Http(coordinator.url, coordinator.token)
    body = msgspec.json.encode({"title": "Nothing to do"})
    numbers = iter(range(tasks))

    async def post() -> None:
        for number in numbers:
            await http.post(f"/api/v1/projects/{ids[number % projects]}/tasks", body)

    await asyncio.gather(*(post() for _ in range(AT_ONCE)))
    http.close()
