"""Questions to a person: asked by a node, answered in a heartbeat, waited for in between."""

import asyncio
from collections.abc import Callable

from pullyard.protocol.worker import AskRequest


class Answers:
    """``ask`` reports the question; it is set by whoever talks to the coordinator."""

    def __init__(self) -> None:
        self.ask: Callable[[AskRequest], None] = lambda _: None
        self._given: dict[str, asyncio.Future[str]] = {}

    def give(self, question_id: str, answer: str) -> None:
        """The first answer to a question counts. Repeatable: every heartbeat may bring it again."""
        given = self._of(question_id)
        if not given.done():
            given.set_result(answer)

    async def wait(self, question: AskRequest) -> str:
        """Ask, and return what was answered; there is no time limit here."""
        self.ask(question)
        # Shielded, because an attempt that is stopped must not spoil the answer for the next one.
        return await asyncio.shield(self._of(question.question_id))

    def _of(self, question_id: str) -> asyncio.Future[str]:
        return self._given.setdefault(question_id, asyncio.get_running_loop().create_future())
