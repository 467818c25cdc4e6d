"""Processes that a killed worker left, found by the mark in their environment and ended.

Most end with their worker by themselves, but none of what makes them do so holds at every moment. A number
is only ever used by way of a process descriptor, which can't come to mean another process.
"""

import os
import select
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

ROUNDS = 20
"""What is ended may have started more a moment before."""
ROUND_SECONDS = 2.0


def end_processes(variables: Iterable[str], paths: Iterable[str] = ()) -> int:
    """End every process one of whose environment variables begins so, such as ``NAME=abc``; how many.

    ``paths`` are such beginnings too; a path means another place to a process that has other mounts, so those
    are left alone, as this process is. Processes that this account may not look at are not found.
    """
    everywhere = [b"\0" + os.fsencode(variable) for variable in variables]
    here = everywhere + [b"\0" + os.fsencode(variable) for variable in paths]
    mounts = os.readlink("/proc/self/ns/mnt")
    ended = 0

    def is_ours(process: str) -> bool:
        if has_any(process, everywhere):
            return True
        return has_any(process, here) and os.readlink(f"/proc/{process}/ns/mnt") == mounts

    for _ in range(ROUNDS):
        with found(is_ours) as descriptors:
            if not descriptors:
                break
            for descriptor in descriptors:
                with suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            ended += wait_for_end(descriptors)
    return ended


@contextmanager
def found(is_ours: Callable[[str], bool]) -> Iterator[list[int]]:
    """A descriptor for each of them that lives."""
    descriptors: list[int] = []
    try:
        for name in os.listdir("/proc"):
            if not name.isdecimal() or int(name) == os.getpid():
                continue
            with suppress(OSError):
                descriptors.append(os.pidfd_open(int(name)))
                if not is_ours(name):
                    os.close(descriptors.pop())
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def has_any(process: str, wanted: list[bytes]) -> bool:
    """Of one that has ended there is nothing to read."""
    try:
        with open(f"/proc/{process}/environ", "rb") as file:
            environment = b"\0" + file.read()
    except OSError:
        return False
    return any(variable in environment for variable in wanted)


def wait_for_end(descriptors: list[int]) -> int:
    """How many of the processes ended within a round."""
    poll = select.poll()
    left = set(descriptors)
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    while left and (gone := poll.poll(ROUND_SECONDS * 1000)):
        for descriptor, _ in gone:
            poll.unregister(descriptor)
            left.discard(descriptor)
    return len(descriptors) - len(left)
