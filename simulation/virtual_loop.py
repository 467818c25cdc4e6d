"""An event loop whose time is a number: when nothing is ready it jumps to the next timer.

Every task belongs to a node, a process of the simulation, by a context variable that asyncio carries along by
itself. A node that is killed never runs another step, not even a ``finally``; a paused one runs them later.
"""

import asyncio
import heapq
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any


class Stalled(Exception):
    """Nothing is ready and no timer is set: everything waits for something that can't happen any more."""


@dataclass(eq=False)
class Node:
    """One life of one process; a restart is another node."""

    name: str
    clock_offset: float = 0.0
    clock_rate: float = 1.0
    alive: bool = True
    paused: bool = False
    parked: list[asyncio.Handle] = field(default_factory=list)


NODE: ContextVar[Node | None] = ContextVar("NODE", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs in one thread, opens no file, and gives the same order of steps for the same calls."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self.now

    def _make_task(self, loop: Any, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        # Kept until the history is over: a killed node's coroutines must not be closed by the garbage
        # collector, which would run their ``finally`` at a moment that no seed decides.
        self._tasks.append(task)
        return task

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

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        if not ready:
            while timers and timers[0]._cancelled:
                heapq.heappop(timers)._scheduled = False
            if not timers:
                raise Stalled
            self.now = max(self.now, timers[0]._when)
        while timers and (timers[0]._cancelled or timers[0]._when <= self.now):
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer._cancelled:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            node = handle._context.get(NODE)
            if node is None or (node.alive and not node.paused):
                handle._run()
            elif node.alive:
                node.parked.append(handle)

    def _write_to_self(self) -> None:
        """Nothing sleeps in a system call, so nobody has to be woken."""

    def _process_events(self, event_list: Any) -> None:
        del event_list

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
        self._scheduled.clear()
        self.close()


def end(work: Any) -> None:
    """Close a coroutine whose ``finally`` may await: each such wait is answered by another cancellation."""
    for _ in range(20):
        try:
            work.throw(asyncio.CancelledError)
        except (StopIteration, asyncio.CancelledError):
            return
        except Exception:  # noqa: BLE001 - The history is over; what its wreck says is of no interest.
            return
