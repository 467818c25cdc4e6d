"""From an item of a list to the task that is wished for."""

from typing import Any

from pydantic import ValidationError

from pullyard.agents.registry import check_settings
from pullyard.lifecycle.task_lists.model import ListItem
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import AgentSettings, TaskInput


def wish_of(item: ListItem, project_agent: str | None) -> TaskInput:
    """Raises RequestError, whose one sentence becomes a warning of the list."""
    values: dict[str, Any] = {
        "title": item.title,
        "description": described(item),
        "acceptance_criteria": list(item.acceptance_criteria),
        "target_files": list(item.target_files),
        "verify_commands": [list(command) for command in item.verify_commands or ()] or None,
        "priority": item.priority,
        "labels": list(item.labels),
        "budget_micros": item.budget_micros,
        "agent": agent_of(item, project_agent),
    }
    try:
        return TaskInput.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        raise RequestError(f"The item can't be a task: {place}: {first['msg'].lower()}.") from error


def agent_of(item: ListItem, project_agent: str | None) -> AgentSettings | None:
    """The project's own agent keeps the project's settings; a list can't give an agent any."""
    if item.agent is None or item.agent == project_agent:
        return None
    check_settings(item.agent, {})
    return AgentSettings(name=item.agent)


def described(item: ListItem) -> str:
    group = f"Part of: {item.group}." if item.group else ""
    return "\n\n".join(part for part in (item.description, group) if part)
