"""Events become messages to devices: each at least once, and a device shows what came twice once."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.push.encryption import PLAIN_BYTES, read_key
from pullyard.coordinator.push.service import Outcome, Sender
from pullyard.protocol.public_addresses import read_private_place
from pullyard.protocol.push import PushedEvent
from pullyard.store.errors import DATABASE_AWAY, is_away
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

TRIES = 7
FIRST_RETRY_SECONDS = 20
"""Longer than one try takes; four times as long after each: the last one is after a good day."""
QUIET_SECONDS = 320.0
"""At most so long after a device could not be told the others of its messages wait, too."""
AT_ONCE = 64
AT_ONCE_A_MEMBER = 4
"""Of a device's messages one is under way. While those of fewer than AT_ONCE / AT_ONCE_A_MEMBER members are
slow, the others' have places."""
WAITING = 50
"""Messages to one device at most: of a storm the newest count."""
IDLE_SECONDS = 30.0
"""Until a device is noticed that was added at another replica."""
PACE_SECONDS = 0.2
TEXT_CHARACTERS = 300
TEXTS = 12

logger = structlog.get_logger(__name__)


class Pushes:
    """Loops of their own, so that nothing waits for push services. Any number of replicas run them."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._due = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], str] = {}
        """By the member whose device it is."""

    def wake(self) -> None:
        """Says that there may be a device."""
        self._woken.set()

    async def run(self, services: "Services") -> None:
        """Until cancelled. No message waits for another device's push service, and nor does the feed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(services))
            while True:
                structlog.contextvars.clear_contextvars()
                self._due.clear()
                pause = IDLE_SECONDS
                try:
                    pause = await self._send_due(services, group)
                except DATABASE_AWAY as error:
                    logger.warning("pushes wait for the database", error=type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._due.wait()
                await asyncio.sleep(PACE_SECONDS)

    async def _look(self, services: "Services") -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            cursor: int | None = None
            try:
                cursor = await self._round(services)
            except DATABASE_AWAY as error:
                logger.warning("pushes wait for the database", error=type(error).__name__)
            with contextlib.suppress(TimeoutError, *DATABASE_AWAY):
                async with asyncio.timeout(IDLE_SECONDS):
                    await (self._woken.wait() if cursor is None else services.feed.wait_beyond(cursor))
            await asyncio.sleep(PACE_SECONDS)

    async def _round(self, services: "Services") -> int | None:
        """Up to where the feed was looked through, None where nobody has a device."""
        async with services.database.transaction() as connection:
            await connection.execute(named("push_devices_dead"))
            cursor = await connection.scalar(named("push_look"))
        if cursor is None:
            return None
        settled = await services.feed.position()
        if settled > cursor:
            async with services.database.transaction() as connection:
                await look_through_feed(connection, settled)
            self._due.set()
        return settled

    async def _send_due(self, services: "Services", group: asyncio.TaskGroup) -> float:
        """Begins with what is due. Returns the seconds until there is something again; the end of one that
        is under way says so, too."""
        claim = {
            "limit": AT_ONCE - len(self._under_way),
            "of_a_member": AT_ONCE_A_MEMBER,
            "under_way": list(self._under_way.values()),
            "first_retry_seconds": FIRST_RETRY_SECONDS,
            "quiet_seconds": QUIET_SECONDS,
        }
        async with services.database.transaction() as connection:
            key = await connection.scalar(named("push_key"))
            rows = (await connection.execute(named("push_claim"), claim)).mappings().all()
            seconds = await connection.scalar(named("push_next_due"))
        if rows and key is not None:
            sender = _sender(services, key)
            for row in rows:
                task = group.create_task(self._send(services, sender, row))
                self._under_way[task] = row["member_id"]
                task.add_done_callback(self._ended)
        return min(IDLE_SECONDS, max(0.0, float(seconds or IDLE_SECONDS)))

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._due.set()

    async def _send(self, services: "Services", sender: Sender, row: RowMapping) -> None:
        """What is not noted is due again."""
        try:
            outcome, problem = await sender.send(row["endpoint"], row["p256dh"], row["auth"], message_of(row))
            await _note(services, row, outcome, problem)
        except Exception as error:
            if is_away(error):
                logger.warning("a push could not be noted", error=type(error).__name__)
            else:
                logger.exception("a push failed", device_id=row["device_id"])


def _sender(services: "Services", key: str) -> Sender:
    settings = services.settings
    private = [read_private_place(text, "push_allow_private") for text in settings.push_allow_private]
    here = settings.public_url or ""
    # A push service may refuse any other kind.
    contact = settings.push_contact or (here if here.startswith("https://") else "mailto:owner@localhost")
    return Sender(read_key(key), contact, private)


async def _note(services: "Services", row: RowMapping, outcome: Outcome, problem: str) -> None:
    over = outcome is not Outcome.LATER or row["attempts"] >= TRIES
    told = {"device_id": row["device_id"], "cursor": row["cursor"], "problem": problem}
    async with services.database.transaction() as connection:
        if outcome is Outcome.GONE:
            await connection.execute(named("push_device_gone"), {"id": row["device_id"]})
            return
        if over:
            await connection.execute(named("push_over"), told)
        await connection.execute(named("push_told"), told)
    if problem:
        logger.info("push not taken", device_id=row["device_id"], problem=problem, over=over)


async def look_through_feed(connection: AsyncConnection, settled: int) -> None:
    """Notes whom to tell of what there is up to ``settled``; another replica may have been quicker."""
    after = await connection.scalar(named("push_advance"), {"settled": settled})
    if after is None:
        return
    wanted = {"after": after, "settled": settled, "kinds": list(get_args(PushedEvent))}
    if (await connection.execute(named("push_enqueue"), wanted)).rowcount:
        await connection.execute(named("push_crowded"), {"waiting": WAITING})


def message_of(row: RowMapping) -> bytes:
    """The event as the live stream has it, with its task's title: the device makes words of it."""
    texts = {name: text[:TEXT_CHARACTERS] for name, text in row["payload"].items() if isinstance(text, str)}
    event: dict[str, Any] = {
        "kind": row["kind"],
        "cursor": row["cursor"],
        "project_id": row["project_id"],
        "task_id": row["task_id"],
        "execution_id": row["execution_id"],
        "payload": dict(list(texts.items())[:TEXTS]),
        "at": row["at"],
        "title": (row["title"] or "")[:TEXT_CHARACTERS],
    }
    message = msgspec.json.encode(event)
    # Letters of other scripts and control characters are several bytes each.
    return message if len(message) <= PLAIN_BYTES else msgspec.json.encode({**event, "payload": {}})
