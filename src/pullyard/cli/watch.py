"""Follows one task to its end: its moves, and what its execution prints, in order as they come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.task import FINAL_TASK_STATES
from pullyard.protocol.resources import Execution, Task
from pullyard.protocol.stream import Completion, ExecutionUpdate, StreamError, SubscribeEvents, SubscribeLog
from pullyard.sdk.client import Client
from pullyard.sdk.stream import LogData, Silence, Stream

SILENCE_SECONDS = 0.5
LAST_WORDS_SILENCES = 20
"""How long the logs of an ended execution may stay incomplete before we stop waiting for them."""
LOOK_SILENCES = 6
"""Without news the truth is read again after so many, in case an event was missed."""


@dataclass(frozen=True)
class Moved:
    """The task or its newest execution is in another state than before."""

    task: Task
    execution: Execution | None


@dataclass(frozen=True)
class Printed:
    execution_id: str
    stream: str
    data: bytes


@dataclass(frozen=True)
class Quiet:
    """Nothing happened for a moment."""


Step = Moved | Printed | Quiet


class Watch:
    """One look at one task. Its last step is the Moved to the task's final state, after all log bytes."""

    def __init__(self, client: Client, task: Task, streams: Sequence[str] = tuple(Phase)) -> None:
        self._client = client
        self._streams = streams
        self._task = task
        self._execution: Execution | None = None
        self._known_logs: set[str] = set()
        self._open_logs: set[str] = set()
        self._seen: tuple[str, ...] = ()

    def steps(self) -> Iterator[Step]:
        with self._client.stream() as stream:
            stream.subscribe(SubscribeEvents(id="events", project_id=self._task.project_id, cursor=None))
            # Read once more after the subscription, or a move between the two would be missed.
            yield from self._look(stream)
            patience, silences = LAST_WORDS_SILENCES, 0
            for heard in stream.hear(SILENCE_SECONDS):
                if isinstance(heard, LogData):
                    execution_id, _, name = heard.subscription.partition("/")
                    yield Printed(execution_id, name, heard.data)
                    continue
                if isinstance(heard, Completion | StreamError):
                    self._open_logs.discard(heard.subscription or "")
                if isinstance(heard, Silence):
                    yield Quiet()
                    silences += 1
                    patience -= self._ended
                if self._concerns(heard) or silences % LOOK_SILENCES == LOOK_SILENCES - 1:
                    yield from self._look(stream)
                if self._ended and (not self._open_logs or patience == 0):
                    yield Moved(self._task, self._execution)
                    return

    @property
    def _ended(self) -> bool:
        return self._task.state in FINAL_TASK_STATES

    def _concerns(self, heard: object) -> bool:
        if isinstance(heard, ExecutionUpdate):
            return heard.task_id == self._task.id
        return isinstance(heard, StreamError) and not heard.subscription

    def _look(self, stream: Stream) -> Iterator[Moved]:
        """Read the truth; say so where it differs from what was seen last."""
        self._task = self._client.task(self._task.id)
        if self._task.execution_id is not None:
            self._execution = self._client.execution(self._task.execution_id)
            self._listen_to(stream, self._execution.id)
        execution = self._execution
        seen = (self._task.state, self._task.message, execution.id if execution else "")
        seen = (*seen, execution.state if execution else "")
        if seen != self._seen and not self._ended:
            yield Moved(self._task, execution)
        self._seen = seen

    def _listen_to(self, stream: Stream, execution_id: str) -> None:
        for name in self._streams:
            subscription = f"{execution_id}/{name}"
            if subscription not in self._known_logs:
                self._known_logs.add(subscription)
                self._open_logs.add(subscription)
                stream.subscribe(
                    SubscribeLog(id=subscription, execution_id=execution_id, stream=name, offset=0)
                )
