"""Whether a rule is for an event, and the task that it makes of it."""

from collections.abc import Callable, Mapping
from typing import Any

from pullyard.coordinator.intake.places import fill, fits, shown, values_at
from pullyard.protocol.errors import RequestError
from pullyard.protocol.intake import Condition, EventTask
from pullyard.protocol.resources import TaskInput

LINE_CHARACTERS = 500
TEXT_CHARACTERS = 100_000
SAID_CHARACTERS = 80


def why_not(conditions: list[Condition], event: Mapping[str, Any]) -> str | None:
    """The first condition that does not hold, as a sentence; None where all of them do."""
    for one in conditions:
        found = values_at(event, one.path)
        if not holds(one, found):
            there = ", ".join(shown(value) for value in found)[:SAID_CHARACTERS] or "nothing"
            wanted = "" if one.op in ("exists", "missing") else f" {shown(one.value)[:SAID_CHARACTERS]!r}"
            return f"{one.path} is {there!r}; wanted: {one.op.replace('_', ' ')}{wanted}."
    return None


def holds(condition: Condition, found: list[Any]) -> bool:
    # Its kind fits the operator, which the condition has made sure of.
    return OPERATORS[condition.op](found, condition.value)


def same(one: Any, other: Any) -> bool:
    """As JSON sees it: true is not 1, though Python thinks so."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, list) and any(same(one, wanted) for one in value)


# Each takes what is at the path, and the condition's value.
OPERATORS: Mapping[str, Callable[[list[Any], Any], bool]] = {
    "exists": lambda found, _: bool(found),
    "missing": lambda found, _: not found,
    "equals": lambda found, wanted: any(same(value, wanted) for value in found),
    "not_equals": lambda found, wanted: not any(same(value, wanted) for value in found),
    "in": lambda found, wanted: any(same(value, one) for value in found for one in wanted),
    "contains": lambda found, wanted: any(contains(value, wanted) for value in found),
    "matches": lambda found, wanted: any(fits(wanted, shown(value)) for value in found),
}


def task_from(template: EventTask, event: Mapping[str, Any]) -> TaskInput:
    """Raises RequestError and ValidationError where what came of it can't be a task."""
    wish = template.model_dump(
        exclude_unset=True, exclude={"title", "description", "acceptance_criteria", "labels", "priority"}
    )
    if wish.get("workflow") is None:
        wish.pop("workflow", None)
    criteria = [one_line(text, event) for text in template.acceptance_criteria]
    labels = [one_line(label, event) for label in template.labels]
    return TaskInput.model_validate(
        {
            **wish,
            "title": one_line(template.title, event),
            "description": fill(template.description, event, TEXT_CHARACTERS),
            "acceptance_criteria": [text for text in criteria if text],
            "labels": [label for label in labels if label],
            "priority": priority_of(template.priority, event),
        }
    )


def one_line(text: str, event: Mapping[str, Any]) -> str:
    return " ".join(fill(text, event, 4 * LINE_CHARACTERS).split())[:LINE_CHARACTERS].strip()


def priority_of(priority: int | str, event: Mapping[str, Any]) -> int:
    if isinstance(priority, int):
        return priority
    said = one_line(priority, event)
    try:
        return int(said)
    except ValueError as error:
        raise RequestError(f"Its priority is {said[:SAID_CHARACTERS]!r}, which is no number.") from error
