"""A step's time limit stands still for others' sake, but never for ever."""

import asyncio

import pytest

from pullyard.worker.deadline import Deadline

SOON, LONG = 0.05, 20.0


async def test_a_step_that_waits_does_not_run_out_of_time() -> None:
    deadline = Deadline(LONG)
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(4 * SOON, later.set)
    async with deadline.limit(SOON):
        with deadline.held(), deadline.held():
            await later.wait()
    assert later.is_set()


async def test_a_step_runs_out_of_time_once_it_has_waited_as_long_as_it_may() -> None:
    deadline = Deadline(SOON)

    async def wait() -> None:
        async with deadline.limit(SOON):
            with deadline.held():
                await asyncio.Event().wait()

    async with asyncio.timeout(LONG):
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await wait()


async def test_waiting_again_and_again_is_counted_together() -> None:
    deadline = Deadline(SOON)

    async def wait_often() -> None:
        async with deadline.limit(SOON):
            while True:
                with deadline.held():
                    await asyncio.sleep(0.01)

    async with asyncio.timeout(LONG):
        with pytest.raises(TimeoutError):
            await wait_often()
