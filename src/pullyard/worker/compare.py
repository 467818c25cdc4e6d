"""Tries how the branches of open changes go together. Only names of files leave the worker."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pullyard.git.names import check_object_id
from pullyard.git.program import Git
from pullyard.git.trial_merge import conflicting_files
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
from pullyard.worker.mirrors import Mirror, Mirrors

ALL_SECONDS = 60.0
"""What is not tried by then is left out, and asked for again when something has moved."""


async def compare(git: Git, mirrors: Mirrors, url: str, wish: CompareErrand | None) -> CompareReport:
    """Repeatable. Raises RequestError where nothing is asked for, and what ``Mirrors.refresh`` raises."""
    if wish is None:
        raise RequestError("The coordinator named no merges to try.", code="invalid-errand")
    report, end = CompareReport(), time.monotonic() + ALL_SECONDS
    async with mirrors.opened(url) as mirror:
        with TemporaryDirectory(prefix="pullyard-compare-") as scratch:
            for place, merge in enumerate(wish.merges[:MOST_MERGES]):
                left = end - time.monotonic()
                if left <= 0:
                    break
                report.results.append(await try_merge(git, mirror, Path(scratch), place, merge, left))
    return report


async def try_merge(
    git: Git, mirror: Mirror, scratch: Path, place: int, merge: TrialMerge, seconds: float
) -> TrialResult:
    """What can't be told, such as of a branch that is gone, is no conflict."""
    other = merge.other or mirror.listing.branches.get(merge.base_branch, "")
    if not other:
        return TrialResult(place=place)
    one, other = check_object_id(merge.commit), check_object_id(other)
    found = await conflicting_files(git, mirror.path, scratch, one, other, seconds=min(seconds, 20.0)) or []
    files = [name[:SHOWN_CHARACTERS] for name in found[:SHOWN_FILES]]
    return TrialResult(place=place, files=files, total=len(found))
