"""Tries how the branches of open changes go together. Only names of files leave the worker."""

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory

from pullyard.git.names import check_object_id
from pullyard.git.program import Git
from pullyard.git.trial_merge import MERGE_SECONDS, conflicting_files
from pullyard.protocol.errands import (
    MOST_MERGES,
    SHOWN_CHARACTERS,
    SHOWN_FILES,
    CompareErrand,
    CompareReport,
    TrialMerge,
    TrialResult,
)
from pullyard.protocol.errors import RequestError
from pullyard.worker import trees
from pullyard.worker.disk import size_bytes
from pullyard.worker.mirrors import Mirror, Mirrors
from pullyard.worker.threads import in_thread

ALL_SECONDS = 60.0
"""What is not tried by then is left out, and asked for again when something has moved."""
LOOK_SECONDS = 0.25
MOST_BYTES = 256 << 20
"""One merge may write these: at the first that writes more, as when time is up, the rest is left out."""


async def compare(
    git: Git,
    mirrors: Mirrors,
    temporary: Path,
    url: str,
    wish: CompareErrand | None,
    *,
    most_bytes: int = MOST_BYTES,
) -> CompareReport:
    """Repeatable. Raises RequestError where nothing is asked for, and what ``Mirrors.refresh`` raises.

    ``temporary`` is the worker's own, and emptied when it starts: a merge writes below it.
    """
    if wish is None:
        raise RequestError("The coordinator named no merges to try.", code="invalid-errand")
    report, end = CompareReport(), time.monotonic() + ALL_SECONDS
    async with mirrors.opened(url) as mirror:
        temporary.mkdir(mode=0o700, exist_ok=True)
        with TemporaryDirectory(prefix="compare-", dir=temporary) as scratch:
            for place, merge in enumerate(wish.merges[:MOST_MERGES]):
                left = end - time.monotonic()
                if left <= 0:
                    break
                trying = try_one(git, mirror, Path(scratch), place, merge, left)
                result = await within(Path(scratch), most_bytes, trying)
                if result is None:
                    break
                report.results.append(result)
    return report


async def within(
    scratch: Path, most_bytes: int, trying: Coroutine[None, None, TrialResult]
) -> TrialResult | None:
    """None, and what is under way is ended, once more is in the directory than may be. It is empty then."""
    working = asyncio.create_task(trying)
    try:
        while True:
            done, _ = await asyncio.wait({working}, timeout=LOOK_SECONDS)
            if await in_thread(size_bytes, scratch) > most_bytes:
                return None
            if done:
                return working.result()
    finally:
        working.cancel()
        await asyncio.wait({working})
        await in_thread(trees.empty, scratch)


async def try_one(
    git: Git, mirror: Mirror, scratch: Path, place: int, merge: TrialMerge, seconds: float
) -> TrialResult:
    """What can't be told, such as of a branch that is gone, is no conflict."""
    other = merge.other or mirror.listing.branches.get(merge.base_branch, "")
    if not other:
        return TrialResult(place=place)
    one, other = check_object_id(merge.commit), check_object_id(other)
    most = min(seconds, MERGE_SECONDS)
    found = await conflicting_files(git, mirror.path, scratch, one, other, seconds=most) or []
    files = [name[:SHOWN_CHARACTERS] for name in found[:SHOWN_FILES]]
    return TrialResult(place=place, files=files, total=len(found))
