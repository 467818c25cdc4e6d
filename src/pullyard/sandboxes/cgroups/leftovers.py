"""Control groups that a killed worker left: a group without processes stays until somebody removes it."""

import os
from collections.abc import Iterator
from pathlib import Path

from pullyard.sandboxes.cgroups.find import PREFIX, WRITABLE, mounted
from pullyard.sandboxes.cgroups.group import remove_all


async def remove_groups(mark: str) -> int:
    """End what runs in the groups whose mark begins so, and remove them; how many."""
    directories = list(groups(mark))
    return len(directories) - len(await remove_all(directories))


def groups(mark: str) -> Iterator[Path]:
    """Every group of a sandbox whose mark begins with ``mark``, in all hierarchies that can hold one.

    The worker may have been in another group than now, so each is looked through as a whole.
    """
    seen: set[int] = set()
    for version, options, _, place in mounted():
        device = place.stat().st_dev
        if device in seen or (version == 1 and not options & WRITABLE[1].keys()):
            continue
        seen.add(device)
        for parent, names, _ in os.walk(place):
            ours = [name for name in names if name.startswith(PREFIX + mark)]
            names[:] = [name for name in names if name not in ours]
            yield from (Path(parent) / name for name in ours)
