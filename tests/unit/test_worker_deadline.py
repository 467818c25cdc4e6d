"""A step's time limit stands still for others' sake, but never for ever."""

import asyncio
from collections.abc import Callable

import pytest

from pullyard.worker.deadline import Deadline

LIMIT, MOST_HELD = 10.0, 100.0
PassTime = Callable[[float], None]


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> PassTime:
    """The loop's clock, which stands still but for this: what is due by then comes in the next turns."""
    loop = asyncio.get_running_loop()
    now = loop.time()

    def advance(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(loop, "time", lambda: now)
    return advance


async def turns() -> None:
    """Enough for what is due to end this task."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_step_that_waits_does_not_run_out_of_time(pass_time: PassTime) -> None:
    deadline, said = Deadline(MOST_HELD), list[str]()
    async with deadline.limit(LIMIT):
        with deadline.held(), deadline.held():
            pass_time(MOST_HELD - 1)
            await turns()
        said.append("waited")
        # What was waited is not its own, and what is its own goes on where it stood.
        pass_time(LIMIT - 1)
        await turns()
        said.append("worked")
    assert said == ["waited", "worked"]


async def test_a_step_that_has_waited_runs_out_of_its_own_time(pass_time: PassTime) -> None:
    deadline = Deadline(MOST_HELD)

    async def step() -> None:
        async with deadline.limit(LIMIT):
            with deadline.held():
                pass_time(MOST_HELD / 2)
            pass_time(LIMIT)
            await turns()

    with pytest.raises(TimeoutError):
        await step()


async def test_a_step_runs_out_of_time_once_it_has_waited_as_long_as_it_may(pass_time: PassTime) -> None:
    deadline, reached = Deadline(MOST_HELD), list[int]()

    async def step(number: int) -> None:
        async with deadline.limit(LIMIT):
            with deadline.held():
                pass_time(MOST_HELD + LIMIT - 1)
                await turns()
                reached.append(number)
                pass_time(1)
                await turns()

    for number in range(2):
        with pytest.raises(TimeoutError):
            await step(number)
    assert reached == [0, 1]


async def test_waiting_again_and_again_is_counted_together(pass_time: PassTime) -> None:
    deadline, waits = Deadline(MOST_HELD), list[float]()

    async def wait_often() -> None:
        async with deadline.limit(LIMIT):
            while sum(waits) < 2 * MOST_HELD:
                with deadline.held():
                    pass_time(LIMIT)
                    await turns()
                waits.append(LIMIT)

    with pytest.raises(TimeoutError):
        await wait_often()
    assert sum(waits) == MOST_HELD
