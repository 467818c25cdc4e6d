"""What a person types for a project, a task or a change, and which one it means."""

from collections.abc import Callable
from typing import TypeVar

from pullyard.lifecycle.ids import Kind, is_id
from pullyard.protocol.comparisons import Comparison
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.resources import Change, Project, Task, Worker
from pullyard.sdk.client import Client

ResultT = TypeVar("ResultT")


class Missing(RequestError):
    """The reference has the right shape, and nothing is there."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, code="not-found", status=404)


def find_project(client: Client, reference: str) -> Project:
    """By name or by id."""
    if is_id(reference, Kind.PROJECT):
        return _by_id(client.project, "project", reference)
    wanted = reference.strip()
    for project in client.projects(name=wanted):
        if project.name == wanted:
            return project
    raise Missing(f"There is no project {reference!r}: 'pullyard project list' shows what there is.")


def find_worker(client: Client, reference: str) -> Worker:
    """By id, or by a name that one worker alone has."""
    if is_id(reference, Kind.WORKER):
        return _by_id(client.worker, "worker", reference)
    found = [one for one in client.workers() if one.name == reference.strip() and one.revoked_at is None]
    if len(found) == 1:
        return found[0]
    if found:
        raise RequestError(f"{len(found)} workers are named {reference!r}: write the id of one.")
    raise Missing(f"There is no worker {reference!r}: 'pullyard worker list' shows what there is.")


def find_task(client: Client, reference: str) -> Task:
    """By id, or as ``project#number``."""
    if is_id(reference, Kind.TASK):
        return _by_id(client.task, "task", reference)
    name, mark, number = reference.rpartition("#")
    if not mark or not number.isascii() or not number.isdigit():
        raise RequestError(f"{reference!r} is no task: write its id or PROJECT#NUMBER, such as shop#12.")
    project = find_project(client, name)
    for task in client.tasks(project_id=project.id, number=int(number)):
        return task
    raise Missing(f"The project {project.name!r} has no task {number}.")


def find_comparison(client: Client, reference: str) -> Comparison:
    """By id, or by one of its tasks."""
    if is_id(reference, Kind.COMPARISON):
        return _by_id(client.comparison, "comparison", reference)
    task = find_task(client, reference)
    if task.comparison_id is None:
        raise Missing(f"Task {task.number} is no candidate of a comparison.")
    return client.comparison(task.comparison_id)


def find_change(client: Client, reference: str) -> Change:
    """By id, or by its task."""
    if is_id(reference, Kind.CHANGE):
        return _by_id(client.change, "change", reference)
    task = find_task(client, reference)
    if task.change_id is None:
        raise Missing(f"Task {task.number} has no change: it is {task.state}.")
    return client.change(task.change_id)


def _by_id(read: Callable[[str], ResultT], kind: str, reference: str) -> ResultT:
    try:
        return read(reference)
    except RequestError as error:
        if error.code != NotFound(kind).code:
            raise
        raise Missing(f"There is no {kind} {reference}.") from error
