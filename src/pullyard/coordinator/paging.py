"""Opaque cursors over ids that sort by time; the newest comes first."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from sqlalchemy import RowMapping

from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import Page

ItemT = TypeVar("ItemT")
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=200)]


def before(cursor: str | None) -> str | None:
    """The id that the page's ids are below; None for the first page."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise RequestError("This cursor is not one that was given out.", code="invalid-cursor") from error
    if not text.isprintable():
        raise RequestError("This cursor is not one that was given out.", code="invalid-cursor")
    return text


def page(rows: Sequence[RowMapping], limit: int, build: Callable[[Any], ItemT]) -> Page[ItemT]:
    """``rows`` holds one more than ``limit`` where there is a next page."""
    shown = rows[:limit]
    more = len(rows) > limit
    following = base64.urlsafe_b64encode(shown[-1]["id"].encode()).decode() if more else None
    return Page[Any](items=[build(row) for row in shown], next=following)
