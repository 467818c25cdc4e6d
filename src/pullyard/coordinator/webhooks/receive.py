"""A delivery whose signature was right: known or new, and what comes of it, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.storable import storable
from pullyard.coordinator.webhooks.hints import hint, touched_changes
from pullyard.coordinator.webhooks.issues import (
    ASKED_CHARACTERS,
    NAME_CHARACTERS,
    harmless,
    task_from_issue,
)
from pullyard.coordinator.webhooks.protocol import Account, Comment, Labelled, Subject, Told, Touched
from pullyard.coordinator.webhooks.registry import READERS
from pullyard.coordinator.workflows.requests import respond_to_review
from pullyard.forges.sites import Sites
from pullyard.git.addresses import read_address
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.protocol.errors import Conflict, PullyardError
from pullyard.protocol.forge_events import ForgeEventSettings
from pullyard.protocol.webhooks import EFFECTIVE, Verdict
from pullyard.protocol.workflows import ReviewInput
from pullyard.store.queries import named

KNOWN_SECONDS = 14 * 86_400
"""So long a delivery is known by its content."""
STALE = timedelta(days=7)
"""A comment that is older asks for nothing, so that its delivery can't come back once it is forgotten."""
EVENT_CHARACTERS = 100


@dataclass(frozen=True)
class Hook:
    id: str
    tenant_id: str
    project_id: str
    forge: str
    repository: str
    """As its path on the forge."""
    settings: ForgeEventSettings
    look_seconds: float


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    why: str
    task_id: str | None = None
    change_id: str | None = None
    status: int = 200


def repository_path(forge: str, url: str) -> str:
    """Raises RequestError where the address names no repository of a forge."""
    return Sites().place(forge, read_address(url)).path


async def receive(
    connection: AsyncConnection, hook: Hook, headers: Mapping[str, str], body: bytes
) -> Outcome:
    """Repeatable: a delivery that had its effect has it once, whatever its headers say."""
    event = harmless(READERS[hook.forge].event(headers))[:EVENT_CHARACTERS]
    kept = {
        "id": new_id(Kind.DELIVERY),
        "tenant_id": hook.tenant_id,
        "webhook_id": hook.id,
        "content": sha256(body).digest(),
        "event": event,
    }
    row = (await connection.execute(named("delivery_keep"), kept)).one()
    if row.times > 1 and row.verdict in EFFECTIVE:
        return Outcome(Verdict(row.verdict), "It came before.", row.task_id, row.change_id)
    outcome = await judged(connection, hook, event, body)
    settled = {
        "id": row.id,
        "verdict": outcome.verdict,
        "why": storable(outcome.why),
        "task_id": outcome.task_id,
        "change_id": outcome.change_id,
    }
    await connection.execute(named("delivery_settle"), settled)
    return outcome


async def judged(connection: AsyncConnection, hook: Hook, event: str, body: bytes) -> Outcome:
    """What can't be done is undone, and told."""
    try:
        told = READERS[hook.forge].read(event, body)
    except (msgspec.DecodeError, RecursionError):
        return Outcome(Verdict.REFUSED, "It can't be read as an event of this forge.", status=400)
    if refusal := other_repository(hook, told):
        return refusal
    try:
        async with connection.begin_nested():
            return await answered(connection, hook, told.subject)
    except (PullyardError, IllegalTransition) as error:
        return Outcome(Verdict.IGNORED, str(error))


def other_repository(hook: Hook, told: Told) -> Outcome | None:
    # GitHub's first word of a hook, and an organisation's events, may name no repository.
    if hook.repository.casefold() in {name.casefold() for name in told.repositories}:
        return None
    if not told.repositories:
        return Outcome(Verdict.IGNORED, "It names no repository.")
    return Outcome(Verdict.REFUSED, "It is about another repository than this project's.", status=422)


async def answered(connection: AsyncConnection, hook: Hook, subject: Subject) -> Outcome:
    if isinstance(subject, Labelled):
        return await labelled(connection, hook, subject)
    if isinstance(subject, Comment):
        return await commented(connection, hook, subject)
    if isinstance(subject, Touched):
        return await touched(connection, hook, subject)
    return Outcome(Verdict.IGNORED, subject.why)


async def labelled(connection: AsyncConnection, hook: Hook, subject: Labelled) -> Outcome:
    wanted = hook.settings.label
    if wanted.casefold() not in {label.casefold() for label in subject.labels}:
        return Outcome(Verdict.IGNORED, f"The issue has no label {wanted}.")
    if untrusted := distrusted(hook, subject.by):
        return await asked_of_forge(connection, hook, subject.by) or untrusted
    task_id, made = await task_from_issue(connection, hook.tenant_id, hook.project_id, subject.issue)
    return Outcome(Verdict.TASK, "" if made else "This issue has its task already.", task_id)


async def commented(connection: AsyncConnection, hook: Hook, comment: Comment) -> Outcome:
    """One on a change is a reason to look, and who looks hears the command; else it is answered from here."""
    asked = command_in(comment.text, hook.settings.command)
    if comment.issue is None and (asked is None or hook.settings.respond_to_reviews):
        return await touched(connection, hook, comment.change)
    if asked is None:
        return Outcome(Verdict.IGNORED, f"The comment does not begin with {hook.settings.command}.")
    if untrusted := distrusted(hook, comment.by):
        return untrusted
    if comment.at is None or datetime.now(UTC) - comment.at > STALE:
        return Outcome(Verdict.IGNORED, f"The comment is older than {STALE.days} days.")
    if comment.issue is None:
        return await respond(connection, hook, comment, asked)
    issue = comment.issue
    task_id, made = await task_from_issue(connection, hook.tenant_id, hook.project_id, issue, asked=asked)
    return Outcome(Verdict.TASK, "" if made else "This issue has its task already.", task_id)


async def asked_of_forge(connection: AsyncConnection, hook: Hook, by: Account) -> Outcome | None:
    """Where members are trusted and the payload does not tell them, a worker asks; None where none may."""
    if by.member is not None or not hook.settings.trust_members:
        return None
    if await connection.scalar(named("issues_hint"), {"project_id": hook.project_id}) is None:
        return None
    return Outcome(Verdict.LOOK, "A worker looks at the labelled issues, and whether a member labelled them.")


async def respond(connection: AsyncConnection, hook: Hook, comment: Comment, asked: str) -> Outcome:
    found = await touched_changes(connection, hook.tenant_id, hook.project_id, comment.change)
    if not found:
        return Outcome(Verdict.IGNORED, "This is no open change of Pullyard's.")
    if not asked:
        return Outcome(Verdict.IGNORED, f"Say what to do after {hook.settings.command}.", change_id=found[0])
    review = ReviewInput.model_validate({"text": harmless(asked)[:ASKED_CHARACTERS]})
    task_id = await respond_to_review(connection, hook.tenant_id, found[0], review, member_id=None)
    answered = {"change_id": found[0], "task_id": task_id, "key": comment.key}
    if (await connection.execute(named("remark_answered"), answered)).rowcount == 0:
        raise Conflict("This comment was answered already.", code="answered")
    await connection.execute(named("change_rounds_anew"), {"change_id": found[0]})
    return Outcome(Verdict.RESPONSE, "", task_id, found[0])


async def touched(connection: AsyncConnection, hook: Hook, subject: Touched) -> Outcome:
    found = await touched_changes(connection, hook.tenant_id, hook.project_id, subject)
    for change_id in found:
        await hint(connection, hook.tenant_id, change_id, hook.look_seconds)
    if not found:
        return Outcome(Verdict.IGNORED, "It is about no open change of Pullyard's.")
    return Outcome(Verdict.LOOK, "", change_id=found[0])


def command_in(text: str, command: str) -> str | None:
    """What stands after the command; None where the text does not begin with it as a word of its own."""
    said = text.strip()
    rest = said[len(command) :]
    return rest.strip() if said.startswith(command) and (not rest or rest[0].isspace()) else None


def distrusted(hook: Hook, account: Account) -> Outcome | None:
    """None for an account that may ask for work."""
    trusted = {name.casefold() for name in hook.settings.trusted}
    if account.member and hook.settings.trust_members:
        return None
    if trusted & {name.casefold() for name in account.names if name}:
        return None
    shown = harmless(account.names[0])[:NAME_CHARACTERS] or "Nobody"
    if account.member is None and hook.settings.trust_members:
        why = f"Whether {shown} may write to the repository is not told: let the project trust it by name."
        return Outcome(Verdict.IGNORED, why)
    return Outcome(Verdict.IGNORED, f"{shown} is not trusted by this project.")


def hook_of(row: Any, look_seconds: float) -> Hook:
    """Raises RequestError where the project's address is no forge's."""
    return Hook(
        id=row.id,
        tenant_id=row.tenant_id,
        project_id=row.project_id,
        forge=row.forge,
        repository=repository_path(row.forge, row.repository),
        settings=ForgeEventSettings.model_validate(row.forge_events),
        look_seconds=look_seconds,
    )
