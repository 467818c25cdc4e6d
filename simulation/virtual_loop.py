"""An event loop whose time is a number: when nothing is ready it jumps to the next timer.

Every task belongs to a node, a process of the simulation, by a context variable that asyncio carries along by
itself. A node that is killed never runs another step, not even a ``finally``; a paused one runs them later.

It is asyncio's loop without all that waits for a system: a history has a thousand steps in a few
milliseconds, and whatever is done for each of them is done for every one of a million histories.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from heapq import heappop, heappush
from types import SimpleNamespace
from typing import Any


class Stalled(Exception):
    """Nothing is ready and no timer is set: everything waits for something that can't happen any more."""


class Step(list[Any]):
    """What is to be called, its arguments and its context; nothing of it where it was cancelled.

    A list, which takes a quarter of the time to make that an object of two attributes takes.
    """

    __slots__ = ()

    def cancel(self) -> None:
        self.clear()


class Timer(float):
    """The moment of a step. A float, as the heap compares these without a call."""

    __slots__ = ("step",)
    step: Step

    def cancel(self) -> None:
        self.step.clear()


@dataclass(eq=False)
class Node:
    """One life of one process; a restart is another node."""

    name: str
    clock_offset: float = 0.0
    clock_rate: float = 1.0
    alive: bool = True
    paused: bool = False
    parked: list[Step] = field(default_factory=list)


NODE: ContextVar[Node | None] = ContextVar("NODE", default=None)


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs in one thread, opens no file, and gives the same order of steps for the same calls."""

    # Asked for every future and every task: ``bool()`` is False, and is no call of Python's own.
    get_debug = staticmethod(bool)

    def __init__(self) -> None:
        self.now = 0.0
        self._ready: deque[Step] = deque()
        self._timers: list[Timer] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._complain: Callable[[Any, dict[str, Any]], object] = lambda *_: None

    def time(self) -> float:
        return self.now

    def is_running(self) -> bool:
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        # Kept until the history is over: a killed node's coroutines must not be closed by the garbage
        # collector, which would run their ``finally`` at a moment that no seed decides.
        self._tasks.append(task)
        return task

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        step = Step((callback, args, copy_context() if context is None else context))
        self._ready.append(step)
        return step

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        timer = Timer(self.now + delay)
        timer.step = Step((callback, args, copy_context() if context is None else context))
        heappush(self._timers, timer)
        return timer

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        timer = Timer(when)
        timer.step = Step((callback, args, copy_context() if context is None else context))
        heappush(self._timers, timer)
        return timer

    def spawn(self, node: Node, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        context = copy_context()
        context.run(NODE.set, node)
        return self.create_task(work, context=context)

    def call_soon_in(self, node: Node, act: Callable[..., Any], *arguments: Any) -> None:
        """As the node itself would call it, when it has its turn."""
        context = copy_context()
        context.run(NODE.set, node)
        self.call_soon(act, *arguments, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """A thread's work is done at once: to the other tasks a thread is one step."""
        del executor
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - It is raised where the future is awaited.
            future.set_exception(error)
        return future

    def resume(self, node: Node) -> None:
        node.paused = False
        self._ready.extend(node.parked)
        node.parked = []

    def run_until_complete(self, future: Any) -> Any:
        """``future`` is one of this loop; raises Stalled where it can't be done any more."""
        ended: list[Any] = []
        future.add_done_callback(ended.append)
        ready, timers = self._ready, self._timers
        # Python 3.11 keeps a weak set of all tasks of the process, for which nobody asks in a history.
        kept = getattr(asyncio.tasks, "_all_tasks", SimpleNamespace())
        kept.add = deque[Any](maxlen=0).append
        events._set_running_loop(self)
        try:
            while not ended:
                if not ready or (timers and (timers[0] <= self.now or not timers[0].step)):
                    self._find_due()
                for _ in range(len(ready)):
                    step = ready.popleft()
                    if step:
                        self._take(step)
        finally:
            events._set_running_loop(None)
            del kept.add
        return future.result()

    def _find_due(self) -> None:
        ready, timers = self._ready, self._timers
        if not ready:
            while timers and not timers[0].step:
                heappop(timers)
            if not timers:
                raise Stalled
            self.now = max(self.now, float(timers[0]))
        now = self.now
        while timers and (timers[0] <= now or not timers[0].step):
            step = heappop(timers).step
            if step:
                ready.append(step)

    def _take(self, step: Step) -> None:
        act, arguments, context = step
        node = context.get(NODE)
        if node is None or (node.alive and not node.paused):
            try:
                context.run(act, *arguments)
            except Exception as error:  # noqa: BLE001 - As asyncio's own does, which goes on.
                self.call_exception_handler({"message": f"{act} raised", "exception": error})
        elif node.alive:
            node.parked.append(step)

    def set_exception_handler(self, handler: Any) -> None:
        self._complain = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._complain(self, context)

    def finish(self) -> None:
        """End whatever is left, killed nodes included, and close; what that does is seen by nobody."""
        self.set_exception_handler(lambda *_: None)
        events._set_running_loop(self)
        try:
            # Ending one may start others, and each of them is in the list too.
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False
                    end(task.get_coro())
        finally:
            events._set_running_loop(None)
        self._tasks.clear()
        self._ready.clear()
        self._timers.clear()


def end(work: Any) -> None:
    """Close a coroutine whose ``finally`` may await: each such wait is answered by another cancellation."""
    for _ in range(20):
        try:
            work.throw(asyncio.CancelledError)
        except (StopIteration, asyncio.CancelledError):
            return
        except Exception:  # noqa: BLE001 - The history is over; what its wreck says is of no interest.
            return
