"""What a lease allows: the executions that the last answered heartbeat named, and no other."""

import asyncio

import pytest

from pullyard.worker.lease import Lease


def lease_at(now: float) -> Lease:
    return Lease(lambda: now)


async def allowed(lease: Lease, execution_id: str | None) -> bool:
    """Whether the lease lets it begin at once."""
    waiting = asyncio.ensure_future(lease.wait_live(execution_id))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return not waiting.cancelled()


@pytest.mark.parametrize(
    ("named", "execution_id", "expected"),
    [
        (["exec_a"], "exec_a", True),
        (["exec_a"], "exec_b", False),
        ([], "exec_a", False),
        # An errand is no execution: it needs the worker to be in contact, nothing more.
        ([], None, True),
    ],
)
async def test_a_lease_holds_for_what_the_heartbeat_named(
    named: list[str], execution_id: str | None, *, expected: bool
) -> None:
    lease = lease_at(100.0)
    lease.renew(95.0, 30.0, named)
    assert await allowed(lease, execution_id) is expected


async def test_a_lease_that_is_over_holds_for_nothing() -> None:
    lease = lease_at(100.0)
    lease.renew(60.0, 30.0, ["exec_a"])
    assert not await allowed(lease, "exec_a")


async def test_who_waits_goes_on_with_the_heartbeat_that_names_it() -> None:
    lease = lease_at(100.0)
    lease.renew(95.0, 30.0, ["exec_a"])
    waiting = asyncio.ensure_future(lease.wait_live("exec_b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    lease.renew(99.0, 30.0, ["exec_a", "exec_b"])
    await asyncio.wait_for(waiting, 60)
