"""What a killed worker left on its machine is removed when it starts again, before anything new is begun.

All that a worker starts carries its mark: processes in their environment, control groups in their names,
containers in their labels. Its data directory is locked, so nobody who is alive has the same mark. Unfinished
work stays: see ``Loop.recover`` and ``kept``.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from pullyard.sandboxes.cgroups.leftovers import remove_groups
from pullyard.sandboxes.children import MARK
from pullyard.sandboxes.docker.engine import Engine, EngineRefused, find_socket
from pullyard.sandboxes.docker.leftovers import remove_leftovers
from pullyard.sandboxes.leftovers import end_processes
from pullyard.sandboxes.protocol import SandboxUnavailable
from pullyard.worker import trees
from pullyard.worker.checkouts import GONE
from pullyard.worker.journal import JOURNAL, KEPT
from pullyard.worker.threads import in_thread

logger = structlog.get_logger(__name__)

EXECUTIONS, TEMPORARY = "executions", "tmp"
UNFINISHED_WRITES = (
    ".*.new",
    f"{EXECUTIONS}/*/.*.new",
    "checkouts/*/*/.*.new",
    "mirrors/*/.*.new",
    "mirrors/*/salvage/.*.new",
    "dropped/.*.new",
)
"""Of ``replace_file``, from below the data directory."""


async def reap(data: Path, mark: str) -> None:
    """Whoever calls this holds the lock of the data directory. Repeatable; nothing in it ends a start."""
    executions = data / EXECUTIONS
    # Without a sandbox nothing but its home tells whose a process is.
    homes = {f"HOME={place}/" for place in (executions, executions.resolve())}
    found = {"processes": await in_thread(end_processes, [f"{MARK}={mark}-"], homes)}
    found["groups"] = await remove_groups(f"{mark}-")
    found |= await remove_from_engine(mark)
    found["directories"] = await in_thread(remove_directories, data, mark)
    if any(found.values()):
        logger.info("removed what a killed worker had left", **found)


async def remove_from_engine(mark: str) -> dict[str, int]:
    try:
        engine = Engine(find_socket())
    except SandboxUnavailable:
        return {}
    try:
        return await remove_leftovers(engine, mark)
    except EngineRefused as refused:
        logger.warning("what may be left on the container engine was not removed", problem=str(refused))
        return {}
    finally:
        await engine.close()


def remove_directories(data: Path, mark: str) -> int:
    removed = 0
    temporary = Path(tempfile.gettempdir()).glob(f"pullyard-{mark}-*")
    checkouts = data.glob(f"checkouts/*/*{GONE}")
    for directory in [*half_made(data / EXECUTIONS), *checkouts, *temporary, *(data / TEMPORARY).glob("*")]:
        try:
            trees.remove(directory)
            removed += 1
        except OSError as error:
            logger.warning("a directory is left", directory=str(directory), problem=str(error))
    for pattern in UNFINISHED_WRITES:
        for path in data.glob(pattern):
            path.unlink(missing_ok=True)
    return removed


def half_made(executions: Path) -> Iterator[Path]:
    """Executions that were not written down yet, or whose removal was under way: nobody's work is in them."""
    for directory in executions.glob("exec_*/"):
        if not any((directory / name).exists() for name in (JOURNAL, KEPT)):
            yield directory


@contextmanager
def marked(data: Path, mark: str) -> Iterator[None]:
    """While this is open, what the process starts can be told to be this worker's, by ``own_mark``.

    The environment is the one thing that every child has, whatever part of the worker starts it.
    """
    (data / TEMPORARY).mkdir(exist_ok=True, mode=0o700)
    before = {name: os.environ.get(name) for name in (MARK, "TMPDIR")}
    # Our own temporary files stay where they were, each with the mark in its name: other accounts get there.
    tempfile.gettempdir()
    os.environ |= {MARK: f"{mark}-", "TMPDIR": str((data / TEMPORARY).resolve())}
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
