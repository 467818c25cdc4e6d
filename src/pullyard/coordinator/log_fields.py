"""Which project, task, execution and worker a line of the log is about; bound once, in every line after.

The names are those of the API's ids, ``correlation_id`` and ``phase``, and the same on the worker's side.
"""

from typing import Any

from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

PATH_IDS = frozenset({"project_id", "task_id", "execution_id", "worker_id", "change_id"})


def about_execution(row: Any) -> None:
    """``row`` is of an execution. A worker that calls is named already, and may not be the row's."""
    bind_contextvars(
        correlation_id=row.correlation_id,
        project_id=row.project_id,
        task_id=row.task_id,
        execution_id=row.id,
    )
    if row.worker_id and "worker_id" not in get_contextvars():
        bind_contextvars(worker_id=row.worker_id)


def about_path(path: dict[str, Any]) -> None:
    """The ids that an address names, as they were sent."""
    bind_contextvars(**{name: value for name, value in path.items() if name in PATH_IDS})


def about_nothing() -> None:
    """Between two pieces of work of one loop: the next one's lines must not name the last one's things."""
    clear_contextvars()
