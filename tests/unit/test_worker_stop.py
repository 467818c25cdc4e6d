"""Work that is raced against an end that somebody asks for."""

import asyncio

import pytest

from pullyard.lifecycle.reasons import Reason
from pullyard.worker.failures import Stopped
from pullyard.worker.stop import Stop
from pullyard.worker.threads import in_thread


async def test_what_fails_during_the_teardown_does_not_hide_the_reason() -> None:
    stop, began = Stop(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("The teardown failed.")

    racing = asyncio.create_task(stop.race(work()))
    await began.wait()
    stop.request(Reason.CANCELLED, "Cancelled on request.")
    with pytest.raises(Stopped, match="Cancelled on request"):
        await racing


async def test_a_race_that_is_cancelled_during_the_teardown_ends_as_cancelled() -> None:
    stop, began, tearing_down = Stop(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            tearing_down.set()
            await asyncio.Event().wait()

    racing = asyncio.create_task(stop.race(work()))
    await began.wait()
    stop.request(Reason.CANCELLED, "Cancelled on request.")
    await tearing_down.wait()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing


async def test_a_lost_lease_overrides_what_was_asked_before() -> None:
    stop = Stop()
    stop.request(Reason.CANCELLED, "Cancelled on request.")
    stop.request(None, "Lost.")
    with pytest.raises(Stopped, match="Lost"):
        stop.check()


async def test_a_cancelled_caller_waits_for_its_thread() -> None:
    loop, entered, done = asyncio.get_running_loop(), asyncio.Event(), []
    gate = asyncio.Event()

    def work() -> None:
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        done.append(True)

    caller = asyncio.create_task(in_thread(work))
    await entered.wait()
    caller.cancel()
    loop.call_soon(gate.set)
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done == [True]
