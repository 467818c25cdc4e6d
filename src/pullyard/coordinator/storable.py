"""Text from workers, made fit for the database."""

from typing import Any


def storable(value: Any) -> Any:
    """Agents and repositories may print anything; Postgres keeps no NUL in text."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value
