"""What changed files hold that a name does not tell: links that lead out, and Git LFS.

No filter ever runs on the worker. A file of LFS is its pointer here, a text of three lines, and its content
is neither fetched nor uploaded: so a pointer may only be one that the repository has already.
"""

import re
from collections.abc import Sequence

from pullyard.git.tree_walk import TreeReader
from pullyard.worker.harvest_rules import LINK, LINK_BYTES, Change, HarvestRefused, leads_out, shown

POINTER_BYTES = 1024
"""A pointer is smaller: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""
POINTER = re.compile(
    rb"\s*version https?://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/", re.IGNORECASE
)
ATTRIBUTES = b".gitattributes"


async def leading_out(reader: TreeReader, changes: Sequence[Change]) -> list[str]:
    """New or changed links to places outside of the repository; for people. Raises HarvestRefused."""
    found = []
    for change in changes:
        if change.entry is None or change.entry.mode != LINK:
            continue
        target = await reader.content(change.entry.object_id, LINK_BYTES)
        if target is None:
            raise HarvestRefused(f"{change.shown!r} is a link to a name that is too long: remove it.")
        if leads_out(change.path, target):
            found.append(f"{change.shown} (a link out of the repository, to {shown(target)})")
    return found


async def refuse_new_pointers(reader: TreeReader, base_tree: str, changes: Sequence[Change]) -> None:
    """Raises HarvestRefused for an LFS pointer that the base does not have, at this or another path."""
    pointers: list[tuple[Change, str]] = []
    for change in changes:
        if change.entry is None or change.entry.mode == LINK:
            continue
        content = await reader.content(change.entry.object_id, POINTER_BYTES)
        if content is not None and POINTER.match(content):
            pointers.append((change, change.entry.object_id))
    if not pointers:
        return
    words = ("ls-tree", "-r", "-z", "--format=%(objectname)", base_tree)
    known = set((await reader.git.ok(*words, git_dir=reader.repository)).decode().split("\0"))
    for change, object_id in pointers:
        if object_id not in known:
            raise HarvestRefused(
                f"{change.shown!r} is a new Git LFS pointer, and the worker uploads no LFS object: add the "
                "file itself at a path without LFS, or leave the pointer as it was."
            )


async def beside_lfs(reader: TreeReader, index: str, changes: Sequence[Change]) -> list[str]:
    """Files that belong into LFS by the base's attributes and came as they are; for people."""
    paths = [change.path for change in changes if change.entry is not None and change.entry.mode != LINK]
    if not paths:
        return []
    told = await reader.git.ok(
        *("check-attr", "-z", "--stdin", "--cached", "filter"),
        git_dir=reader.repository,
        environment={"GIT_INDEX_FILE": index},
        stdin=b"\0".join(paths) + b"\0",
    )
    fields = told.split(b"\0")
    kept = {path for path, value in zip(fields[0::3], fields[2::3], strict=False) if value == b"lfs"}
    found = []
    for change in changes:
        if change.path not in kept or change.entry is None or not await reader.size(change.entry.object_id):
            continue
        content = await reader.content(change.entry.object_id, POINTER_BYTES)
        if content is None or not POINTER.match(content):
            found.append(f"{change.shown} (belongs into Git LFS, and would be published without it)")
    return found
