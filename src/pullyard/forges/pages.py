"""Lists that come in pages: the newest of a long one, and all but what is too long in one with long words.

Strangers write most of what is in them. Neither how much they say nor how often may hide what others say.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pullyard.forges.api import Api
from pullyard.forges.errors import AnswerTooLong

T = TypeVar("T")
SMALL = 10
MOST_SMALLER = 30
"""Requests for smaller pages of one list: whoever writes too much is not to spend the forge's limit, too."""
Ask = Callable[[int, int], Awaitable[tuple[list[T], int | None]]]
"""How many on a page, and which page from 1 on: its elements, and the last page where the forge names it."""


@dataclass
class Reader(Generic[T]):
    ask: Ask[T]
    newest_first: bool
    left: int = MOST_SMALLER
    last: int | None = None
    parts: dict[int, list[T] | None] = field(default_factory=dict[int, list[T] | None])
    """By its number; None for one that is too long as a whole."""

    async def read(self, size: int, most: int) -> list[T]:
        self.parts[1] = await self.page(size, 1)
        start = 2 if self.newest_first or self.last is None else max(2, self.last - most + 2)
        for number in range(start, start + most - 1):
            before = self.parts.get(number - 1)
            if before is not None and len(before) != size:
                break
            self.parts[number] = await self.page(size, number)
        await self.fill(size)
        return [one for number in sorted(self.parts) for one in self.parts[number] or ()]

    async def fill(self, size: int) -> None:
        """What was too long as a whole comes in smaller pages, the newest first."""
        for number in sorted(self.parts, reverse=not self.newest_first):
            if self.parts[number] is None:
                self.parts[number] = await self.smaller(size, number)

    async def page(self, size: int, number: int) -> list[T] | None:
        try:
            found, last = await self.ask(size, number)
        except AnswerTooLong as long:
            found, last = None, long.last
        if not self.parts:
            self.last = last
        return found

    async def smaller(self, size: int, number: int) -> list[T]:
        """What is on a page, but for what is too long by itself; the newest is asked for first."""
        if size == 1:
            return []
        step = SMALL if size > SMALL else 1
        count = size // step
        numbers = range((number - 1) * count + 1, number * count + 1)
        found: dict[int, list[T]] = {}
        for one in numbers if self.newest_first else reversed(numbers):
            if self.left == 0:
                break
            self.left -= 1
            part = await self.page(step, one)
            found[one] = await self.smaller(step, one) if part is None else part
        return [one for place in numbers for one in found.get(place, ())]


async def read_pages(ask: Ask[T], size: int, most: int, *, newest_first: bool = False) -> list[T]:
    """At most so many pages, in the forge's order. Raises what ``ask`` raises, but for AnswerTooLong."""
    return await Reader(ask, newest_first).read(size, most)


async def read_page(ask: Ask[T], size: int, number: int) -> list[T]:
    """One page, by as many smaller ones as it takes."""
    reader = Reader(ask, newest_first=True, left=2 * size)
    found = await reader.page(size, number)
    return await reader.smaller(size, number) if found is None else found


async def search(ask: Ask[T], size: int, most: int, fits: Callable[[T], bool]) -> list[T]:
    """Those that fit on the first page that has any."""
    for number in range(1, most + 1):
        page = await read_page(ask, size, number)
        if (found := [one for one in page if fits(one)]) or not page:
            return found
    return []


async def read_whole(ask: Ask[T], size: int, most: int) -> list[T] | None:
    """All of a list, in the forge's order; None where it has more pages. Raises what ``ask`` raises."""
    found: list[T] = []
    for number in range(1, most + 1):
        page, _ = await ask(size, number)
        found += page
        if len(page) < size:
            return found
    return None


def asks(api: Api, path: str, shape: type[T], sized: str = "per_page", **query: Any) -> Ask[T]:
    """Of an API that answers with plain lists; ``sized`` is what it calls their size."""

    async def ask(size: int, number: int) -> tuple[list[T], int | None]:
        return await api.page(path, list[shape], {**query, sized: size, "page": number})

    return ask
