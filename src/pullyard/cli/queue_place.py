"""Where in a queue a person wants a task."""

from pullyard.cli.references import find_task
from pullyard.protocol.automation import Place
from pullyard.protocol.errors import RequestError
from pullyard.sdk.client import Client


def read_place(
    client: Client, *, front: bool, before: str | None, after: str | None, end: bool = False
) -> dict[str, str | None]:
    """Where a task is put, and beside which one. Raises RequestError where two places are named."""
    named = [place for place, given in zip(Place, (front, end, before, after), strict=True) if given]
    if len(named) > 1:
        raise RequestError("Name one place: --front, --end, --before TASK or --after TASK.")
    beside = before or after
    return {
        "place": named[0] if named else Place.END,
        "task_id": find_task(client, beside).id if beside else None,
    }
