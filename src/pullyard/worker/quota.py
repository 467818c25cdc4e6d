"""What one project may take of this worker's disk, looked at before its task makes a working copy.

Counted are the project's executions, those that wait to be saved too, and of its repositories the mirrors,
with the unfinished work in them, and the prepared checkouts, and the home of its reused environment.
Checkouts that nobody uses go first, then what is in the home; unfinished work never goes.
"""

from collections.abc import Collection
from pathlib import Path

from pullyard.lifecycle.reasons import Reason
from pullyard.worker import checkouts, homes
from pullyard.worker.context import Context
from pullyard.worker.disk import size_bytes
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.journal import JOURNAL, KEPT, Journal
from pullyard.worker.threads import in_thread


async def keep_project_quota(context: Context) -> None:
    """Raises PhaseFailed where the project takes more than the worker's owner lets it, without this task."""
    quota = context.tools.settings.project_quota_bytes
    if quota is None:
        return
    taken = await in_thread(shrink, context, quota)
    if taken > quota:
        raise PhaseFailed(
            Reason.POLICY_REFUSED,
            f"The project takes {taken >> 20} MiB of this worker's disk, and its owner allows "
            f"{quota >> 20} MiB: deal with its unfinished work there ('pullyard worker salvage list'), or "
            "raise the worker's project_quota_bytes.",
        )


def shrink(context: Context, quota_bytes: int) -> int:
    """What the project takes once it takes no more than it may, or nothing else may go."""
    keys = {copy.mirror.key: copy.mirror.place for copy in context.copies}
    sizes = {place: checkouts.measure(place) for place in prepared_for(context, keys)}
    others = of_executions(context)
    shared = homes.homes_of(context.tools.settings.data_directory, context.grant.project_id)
    taken = sum(sizes.values()) + sum(map(size_bytes, [*keys.values(), *shared])) + others
    for place in sorted(sizes, key=checkouts.used_at):
        if taken <= quota_bytes:
            break
        if checkouts.give_up(place) is None:
            taken -= sizes[place]
    for home in shared if taken > quota_bytes and not others else ():
        before = size_bytes(home)
        if homes.give_up(home) is None:
            taken -= before - size_bytes(home)
    return taken


def prepared_for(context: Context, keys: Collection[str]) -> list[Path]:
    """Checkouts of the mirrors with these keys."""
    root = context.tools.workspaces.checkouts.root
    return [one for one in checkouts.find_checkouts(root) if one.parent.name.partition("-")[0] in keys]


def of_executions(context: Context) -> int:
    """The project's other ones."""
    root: Path = context.directory.parent
    return sum(
        size_bytes(one.directory)
        for name in (JOURNAL, KEPT)
        for one in Journal.find_all(root, name)
        if one.record.grant.project_id == context.grant.project_id and one.directory != context.directory
    )
