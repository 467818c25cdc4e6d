"""What the look for overlapping work is told: the projects in which something has begun or ended."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Moved:
    """A change of this project is merged or closed; for ``store.database.note``."""

    project_id: str


class Radar:
    """Costs nothing to tell; ``news`` is set while there is something that nobody has looked at."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self._marked: set[str] = set()

    def mark(self, *project_ids: str) -> None:
        self._marked.update(project_ids)
        self.news.set()

    def take(self) -> set[str]:
        marked, self._marked = self._marked, set()
        self.news.clear()
        return marked
