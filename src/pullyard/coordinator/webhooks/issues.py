"""A forge's issue becomes a task: one, however often and by whatever way we hear of it."""

import re
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.coordinator.webhooks.protocol import Issue
from pullyard.lifecycle.steering import STEERING
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import TaskInput
from pullyard.store.queries import named

TITLE_CHARACTERS = 300
TEXT_CHARACTERS = 60_000
ASKED_CHARACTERS = 20_000
NAME_CHARACTERS = 100
URL_CHARACTERS = 1000
# Bitbucket writes the title after the number, and GitLab calls some issues work items: it is one issue.
_NUMBERED = re.compile(r"(?P<before>.*/)(?:issues|work_items)/(?P<number>[0-9]{1,18})(?:/[^/]*)?")


async def task_from_issue(
    connection: AsyncConnection, tenant_id: str, project_id: str, issue: Issue, *, asked: str = ""
) -> tuple[str, bool]:
    """The id of the issue's task, and whether it was made just now.

    ``asked`` is what somebody wrote to ask for it, if not a label alone. Title and texts are anybody's words:
    they are cut, and made harmless to show. Nobody's own key pays for them, so no member is named. Raises
    NotFound for the project, and RequestError where the issue has no address or its task can't be made.
    """
    source_url = issue_address(issue.url)
    await lock_project(connection, tenant_id, project_id)
    known = {"project_id": project_id, "source_url": source_url}
    task_id = await connection.scalar(named("task_of_source"), known)
    if task_id is not None:
        return task_id, False
    task_id = await create_task(connection, tenant_id, project_id, wish_of(issue, source_url, asked))
    await connection.execute(named("task_sourced"), {"id": task_id, "source_url": source_url})
    return task_id, True


def issue_address(url: str) -> str:
    """The one spelling by which the issue is known. Raises RequestError."""
    refusal = RequestError("This issue has no address by which it could be known.", code="no-address")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise refusal from error
    path = _NUMBERED.fullmatch(parts.path.rstrip("/"))
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_CHARACTERS
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or "@" in parts.netloc
        or not plain
        or not path
    ):
        raise refusal
    where = f"{path['before']}issues/{int(path['number'])}"
    return urlunsplit((parts.scheme, parts.netloc.lower(), where, "", ""))


def wish_of(issue: Issue, source_url: str, asked: str) -> TaskInput:
    opened = f", opened by {harmless(issue.author)[:NAME_CHARACTERS]}" if issue.author else ""
    title = " ".join(harmless(issue.title).split())[:TITLE_CHARACTERS].strip()
    said = (
        harmless(issue.text).strip()[:TEXT_CHARACTERS],
        harmless(asked).strip()[:ASKED_CHARACTERS],
        f"From issue {issue.number}{opened}: {source_url}",
    )
    description = "\n\n".join(part for part in said if part)
    return TaskInput.model_validate({"title": title or f"Issue {issue.number}", "description": description})


def harmless(text: str) -> str:
    return STEERING.sub("\ufffd", text.replace("\r\n", "\n"))
