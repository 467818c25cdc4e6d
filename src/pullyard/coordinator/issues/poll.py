"""Issues of a forge that can't reach us: a worker looks for them, and tells them of their tasks."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.errands.create import create_errand
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.coordinator.webhooks.issues import task_from_issue
from pullyard.coordinator.webhooks.protocol import Issue
from pullyard.lifecycle.change import ErrandKind
from pullyard.protocol.errands import IssuesErrand
from pullyard.protocol.errors import RequestError
from pullyard.protocol.feedback import MOST_ISSUES, MOST_KNOWN, Heed, IssueComment
from pullyard.protocol.forge_events import ForgeEventSettings
from pullyard.protocol.worker import Errand, ErrandReport, RepositorySpec
from pullyard.store.queries import named


async def request_issues(
    connection: AsyncConnection, tenant_id: str, project_id: str, seconds: float
) -> bool:
    """Whether a worker is asked now; not again for ``seconds``."""
    await lock_project(connection, tenant_id, project_id)
    due = await connection.scalar(named("issues_again"), {"project_id": project_id, "seconds": seconds})
    if due is None:
        return False
    await connection.execute(named("issues_looked"), {"project_id": project_id})
    await create_errand(connection, tenant_id, project_id, ErrandKind.READ_ISSUES)
    return True


async def issues_errand(connection: AsyncConnection, row: Any) -> Errand:
    known = {"project_id": row.project_id, "limit": MOST_KNOWN}
    project = (await connection.execute(named("issues_known"), known)).one()
    wish = ForgeEventSettings.model_validate(project.forge_events)
    untold = {"project_id": row.project_id, "limit": MOST_ISSUES}
    say = [
        IssueComment(number=int(one.source_url.rpartition("/")[2]), task_id=one.id, task_number=one.number)
        for one in await connection.execute(named("issues_untold"), untold)
    ]
    heed = Heed(people=wish.trusted, members=wish.trust_members, known=project.known)
    return Errand(
        id=row.id,
        fence=row.fence,
        kind=ErrandKind(row.kind),
        repository=RepositorySpec(url=row.repository, forge=row.forge),
        issues=IssuesErrand(label=wish.label if wish.poll_issues else "", heed=heed, say=say),
    )


async def issues_errand_ended(
    connection: AsyncConnection, errand: Any, report: ErrandReport, message: str
) -> None:
    """Repeatable: an issue is one task, by whatever way and however often it is heard of."""
    del message
    found = report.issues
    if not report.done or found is None:
        return
    told = {"project_id": errand.project_id, "ids": found.said}
    await connection.execute(named("issues_told"), told)
    for one in found.issues:
        issue = Issue(one.url or "", one.number, one.title, one.text, one.author)
        try:
            await task_from_issue(connection, errand.tenant_id, errand.project_id, issue)
        except RequestError:
            # It has no address that it could be known by.
            continue
