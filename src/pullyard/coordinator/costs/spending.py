"""A worker tells what an execution has spent, and is told how far it may go before it asks again."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.costs.account import LEAST, SHARED, UNITS, Account, Unit, add_usage, lock_spending
from pullyard.coordinator.costs.pause import close_what_is_spent, is_open, is_stopped, settle_pause, why_spent
from pullyard.coordinator.news import events_written, queue_changed
from pullyard.lifecycle.budgets import AllowanceState
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.errors import LostLease, NotFound
from pullyard.protocol.worker import Allowance, HeldExecution, Spending, SpendingRequest
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

Shares = dict[Unit, int]
NO_MORE: Shares = {"micros": 0, "tokens": 0}


@dataclass(frozen=True)
class Report:
    tenant_id: str
    worker_id: str
    execution_id: str
    fence: int
    spending: Spending


async def hear_request(
    services: "Services", tenant_id: str, worker_id: str, execution_id: str, request: SpendingRequest
) -> Allowance:
    """Repeatable. Raises LostLease, and NotFound."""
    report = Report(tenant_id, worker_id, execution_id, request.fence, request.spending)
    account, allowance = await hear_spending(services, report, asks=request.asks)
    # Whoever sent one that was overtaken waits for it no more: a question would stand behind finished work.
    overtaken = request.spending.number <= account.row.share_number
    if not overtaken and (account.spent or has_open_question(account)):
        async with services.database.transaction() as connection:
            await settle_pause(connection, (tenant_id, execution_id), request)
        queue_changed(services)
    return allowance


async def hear_held(
    services: "Services", tenant_id: str, worker_id: str, held: Sequence[HeldExecution]
) -> dict[str, Allowance]:
    """What a heartbeat tells; an execution that is not the worker's is told so elsewhere."""
    allowances: dict[str, Allowance] = {}
    for one in held:
        if one.spending is None:
            continue
        report = Report(tenant_id, worker_id, one.execution_id, one.fence, one.spending)
        with suppress(LostLease, NotFound):
            _, allowances[one.execution_id] = await hear_spending(services, report, asks=False)
    return allowances


async def hear_spending(services: "Services", report: Report, *, asks: bool) -> tuple[Account, Allowance]:
    async with services.database.transaction() as connection:
        row = await lock_spending(connection, report.tenant_id, report.execution_id)
        if row.worker_id != report.worker_id or row.fence != report.fence or row.finished_at is not None:
            raise LostLease
        account = await add_usage(connection, row, report.spending.usage)
        allowance = await share_out(connection, account, report.spending, asks=asks)
        reached("spending-before-commit")
    reached("spending-after-commit")
    if account.added:
        events_written(services)
    if account.spent:
        # What its own lock does not allow: the project's has to be taken first.
        async with services.database.transaction() as connection:
            await close_what_is_spent(connection, account)
    return account, allowance


def has_open_question(account: Account) -> bool:
    question = account.row.question
    return is_open(question) and bool(question.get("budget"))


async def share_out(
    connection: AsyncConnection, account: Account, spending: Spending, *, asks: bool
) -> Allowance:
    """Keep what it still relies on, take back the rest, and give anew to one that asks."""
    if (answer := without_share(account, spending)) is not None:
        return answer
    kept: Shares = {
        "micros": kept_share(account, "micros", spending.kept_micros),
        "tokens": kept_share(account, "tokens", spending.kept_tokens),
    }
    given = more_for(account, kept) if asks else NO_MORE
    shares: Shares = {unit: kept[unit] + (given or NO_MORE)[unit] for unit in UNITS}
    about = {"id": account.row.id, "number": spending.number}
    await connection.execute(named("share_set"), {**about, **shares})
    if given is None and account.spent:
        return closed(account, spending, AllowanceState.SPENT)
    state = AllowanceState.WAIT if given is None else AllowanceState.OPEN
    micros, tokens = (shares[unit] if unit in account.units else None for unit in UNITS)
    return Allowance(number=spending.number, state=state, micros=micros, tokens=tokens, shared=True)


def without_share(account: Account, spending: Spending) -> Allowance | None:
    """The answer where nothing is shared out: no bound, a person's stop, and what was overtaken."""
    if not account.bounds:
        return Allowance(number=spending.number)
    if is_stopped(account.row.question):
        return closed(account, spending, AllowanceState.STOPPED)
    heard = account.row.share_number
    if spending.number > heard:
        return None
    # Overtaken, or of a worker that was restarted and counts anew: the latter asks again beyond it.
    return Allowance(number=spending.number, heard=heard, state=AllowanceState.WAIT, shared=True)


def more_for(account: Account, kept: Shares) -> Shares | None:
    """None where one of the caps has nothing left: of the others nothing is taken then."""
    given: Shares = {unit: share_of(account, unit, kept[unit]) for unit in UNITS}
    return given if all(given[unit] for unit in account.units) else None


def closed(account: Account, spending: Spending, state: AllowanceState) -> Allowance:
    spent = account.spent
    return Allowance(
        number=spending.number,
        state=state,
        micros=account.used("micros"),
        tokens=account.used("tokens"),
        shared=all(bound.scope in SHARED for bound in spent) and state is AllowanceState.SPENT,
        message=why_spent(spent[0]) if spent else "",
    )


def kept_share(account: Account, unit: Unit, kept: int) -> int:
    """Never more than it was given, and never less than it has used."""
    given = getattr(account.row, f"share_{unit}")
    used = account.used(unit)
    return used if given is None else max(used, min(kept, given))


def share_of(account: Account, unit: Unit, kept: int) -> int:
    """The least that any of the caps has for it, beyond what it keeps."""
    mine = kept - account.used(unit)
    return min(
        (
            max(0, min(bound.cap.share(LEAST[unit]), bound.cap.free - mine))
            for bound in account.bounds
            if bound.unit == unit
        ),
        default=0,
    )
