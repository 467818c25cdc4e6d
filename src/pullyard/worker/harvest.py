"""The safe harvest: the agent's work comes out of the sandbox as a pack, is checked, and becomes our commit.

Inside, a fixed script with a git directory of its own reads the files; the agent's ``.git``, its commits,
hooks and configuration are never looked at. Outside, git only ever sees the pack, never the working copy.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pullyard.git.bare import make_bare, object_format
from pullyard.git.commits import commit_tree
from pullyard.git.names import check_object_id
from pullyard.git.program import Git, strip_credentials
from pullyard.git.tree_walk import TreeReader
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import Diffstat
from pullyard.sandboxes.protocol import Command, Sandbox
from pullyard.worker.diffs import read_diff, read_diffstat
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.guarded_paths import GuardedPaths
from pullyard.worker.harvest_contents import ATTRIBUTES, beside_lfs, leading_out, refuse_new_pointers
from pullyard.worker.harvest_rules import Change, HarvestLimits, HarvestRefused, check_changes, notable
from pullyard.worker.harvest_script import SCRIPT
from pullyard.worker.journal import Merging
from pullyard.worker.mirrors import MIRROR_INSIDE, Mirror
from pullyard.worker.run_command import RAISE_LIMIT

REPORT_BYTES = 64 << 10
SHOWN_PATHS = 200
# What git's own strict check says of an object, which names no file.
STRICT = (
    ("gitattributesLineLength", "A .gitattributes file has a line of more than 2048 bytes: shorten it."),
    ("gitattributesLarge", "A .gitattributes file is larger than 100 MiB: make it smaller."),
)
ALLOCATION_LIMIT = "268435456"
"""Bytes that git may allocate at once while it reads what the agent made."""


@dataclass(frozen=True)
class CommitText:
    """``moment`` is in seconds since 1970, in UTC: the same input makes the same commit."""

    title: str
    body: str
    moment: int

    @property
    def message(self) -> bytes:
        text = f"{self.title.strip() or 'Change'}\n\n{self.body.strip()}".strip() + "\n"
        return text.replace("\0", "").encode("utf-8", "replace")


@dataclass(frozen=True)
class Harvested:
    commit: str
    tree: str
    diffstat: Diffstat
    diff: str
    diff_truncated: bool
    repository: Path
    """The execution's bare repository, which holds ``commit`` and borrows the mirror's objects."""
    protected: tuple[str, ...] = ()
    """What a person has to look at before it takes effect, for people: at most ``SHOWN_PATHS``."""
    notable: tuple[str, ...] = ()
    """Sentences without an end on what else a person should know of; as many."""


@dataclass(frozen=True)
class Source:
    """What is harvested: a working copy made from ``base_commit`` of ``mirror``, or from a merge into it."""

    mirror: Mirror
    base_commit: str
    base_index: Path
    """As ``Workspaces.prepare`` left it in the execution's directory, named ``BASE_INDEX``."""
    repository: Path
    """Where the execution's bare repository is, or is to be made."""
    merging: Merging | None = None

    @property
    def begun_with(self) -> str:
        """The commit, or of a merge the tree: only what differs from it is somebody's work."""
        return self.merging.tree if self.merging else self.base_commit

    @property
    def parents(self) -> list[str]:
        return [self.base_commit, *([self.merging.commit] if self.merging else [])]

    @property
    def is_work(self) -> bool:
        """Whether there is something to deliver even where nobody has changed anything."""
        return self.merging is not None and not self.merging.conflicts


async def harvest(
    sandbox: Sandbox,
    git: Git,
    source: Source,
    text: CommitText,
    limits: HarvestLimits | None = None,
    *,
    guarded: Sequence[str] | None = None,
) -> Harvested | None:
    """The work as one commit on the base, or None where nobody has done any. Repeatable.

    ``guarded`` are the protected paths; None is for work that is only kept: nothing in it is looked at.
    ``sandbox`` shows the working copy and ``mirror.objects``; nothing of the agent runs in it any more.
    Raises HarvestRefused, which names the file, PhaseFailed where a limit of the sandbox ended it, and
    SandboxUnavailable.
    """
    limits = limits or HarvestLimits()
    base = check_object_id(source.begun_with)
    bare = make_bare(
        source.repository,
        borrows=[source.mirror.path / "objects"],
        object_format=object_format(base),
    )
    tree = await take_out(sandbox, git, source, bare, limits)
    async with TreeReader(git, bare) as reader:
        base_tree = await reader.tree_of(base)
        if tree == base_tree and not source.is_work:
            return None
        changes = await check_changes(reader, base_tree, tree, limits)
        protected = [] if guarded is None else await look_at(reader, source, base_tree, changes, guarded)
    commit = await make_commit(git, bare, source.parents, tree, text)
    diffstat, (diff, truncated) = await asyncio.gather(
        read_diffstat(git, bare, base, commit), read_diff(git, bare, base, commit, limits.diff_bytes)
    )
    shown = tuple(protected[:SHOWN_PATHS]), notable(changes)[:SHOWN_PATHS]
    return Harvested(commit, tree, diffstat, diff, truncated, bare, *shown)


async def look_at(
    reader: TreeReader, source: Source, base_tree: str, changes: Sequence[Change], guarded: Sequence[str]
) -> list[str]:
    """What has to wait for a person. Raises HarvestRefused for what no person may let through."""
    await refuse_new_pointers(reader, base_tree, changes)
    paths = GuardedPaths(guarded)
    found = {change.path: change.shown for change in changes if paths.covers(change.path)}
    others = [change for change in changes if change.path not in found]
    attributed = ATTRIBUTES in await reader.entries(base_tree)
    return [
        *sorted(set(found.values())),
        *await leading_out(reader, others),
        *(await beside_lfs(reader, str(source.base_index), others) if attributed else ()),
    ]


async def take_out(sandbox: Sandbox, git: Git, source: Source, bare: Path, limits: HarvestLimits) -> str:
    """Run the script, put its pack into ``bare`` and return the tree that it names, still unchecked."""
    objects = sandbox.path_of(MIRROR_INSIDE)
    format_name = object_format(source.base_commit)
    pack_read, pack_write = os.pipe()
    report_read, report_write = os.pipe()
    index = os.open(source.base_index, os.O_RDONLY | os.O_CLOEXEC)
    try:
        command = Command(
            argv=("sh", "-c", SCRIPT, "harvest", objects, format_name, sandbox.inside("").rstrip("/")),
            stdin=index,
            stdout=pack_write,
            stderr=report_write,
        )
        process = await sandbox.start(command)
    except BaseException:
        os.close(pack_read)
        os.close(report_read)
        raise
    finally:
        for descriptor in (index, pack_write, report_write):
            os.close(descriptor)
    report = asyncio.create_task(read_report(report_read))
    try:
        async with asyncio.timeout(limits.seconds):
            # No blob is streamed: one that is too large is refused by its header, before it is unpacked.
            indexed = await git.within(("prlimit", f"--cpu={limits.cpu_seconds}")).run(
                "-c",
                "core.bigFileThreshold=1000g",
                "index-pack",
                "--strict",
                "--stdin",
                f"--max-input-size={limits.pack_bytes}",
                git_dir=bare,
                environment={"GIT_ALLOC_LIMIT": ALLOCATION_LIMIT},
                stdin=pack_read,
                timeout_seconds=limits.seconds,
            )
            os.close(pack_read)
            pack_read = -1
            exit_code = await process.wait()
            said = await report
    except TimeoutError:
        raise HarvestRefused(f"Reading the changes took longer than {limits.seconds:g} seconds.") from None
    finally:
        if pack_read >= 0:
            os.close(pack_read)
        await process.kill()
        report.cancel()
    if exit_code and process.exceeded:
        raise PhaseFailed(
            Reason.LIMIT_REACHED, f"The work could not be read. {process.exceeded} {RAISE_LIMIT}"
        )
    return read_outcome(exit_code, said, indexed.exit_code, indexed.stderr, limits)


async def read_report(descriptor: int) -> str:
    """The first of what the script says, read to its end so that it never waits for us."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    kept = bytearray()
    try:
        while piece := await reader.read(1 << 16):
            kept += piece[: REPORT_BYTES - len(kept)]
    finally:
        transport.close()
    return strip_credentials(kept.decode("utf-8", "replace"))


def read_outcome(exit_code: int, said: str, indexed: int, complaint: str, limits: HarvestLimits) -> str:
    found = re.search(r"^pullyard-tree ([0-9a-f]{40}(?:[0-9a-f]{24})?) (\d+)$", said, re.MULTILINE)
    if found is None:
        raise HarvestRefused(explain(said))
    if found[2] != "0" and (indexed or exit_code):
        raise HarvestRefused(explain_pack(said, complaint, limits))
    return found[1]


def explain_pack(said: str, complaint: str, limits: HarvestLimits) -> str:
    """One sentence for what kept git from taking the pack in."""
    if "over limit" in complaint or "emory" in complaint:
        return f"A file is far larger than {limits.file_bytes >> 20} MiB: keep it out."
    if "exceeds maximum allowed size" in complaint or "No space left" in said:
        return f"The changes are larger than {limits.pack_bytes >> 20} MiB packed."
    lines = [line for line in complaint.splitlines() if line.strip()]
    other = f"Git refused the changes: {'; '.join(lines[:2])[:300] or 'the pack is damaged'}."
    return next((sentence for word, sentence in STRICT if word in complaint), other)


def explain(said: str) -> str:
    """One sentence for what kept git from reading the working copy."""
    if re.search(r"\bgit: (?:command )?not found", said):
        return "There is no git in the sandbox: choose an image that has it, or add it to the image."
    if nested := re.search(r"'(.+?)/?' does not have a commit checked out", said):
        return f"{nested[1]!r} is a git repository of its own: remove its .git directory."
    if named := re.search(r"invalid path '(.+?)'", said):
        return f"{named[1]!r} is a name that git keeps for itself: rename or remove it."
    if "No space left on device" in said or "File too large" in said:
        return "The changes are too large to be taken out of the sandbox: add what is built to .gitignore."
    lines = [line for line in said.splitlines() if line.strip()]
    return f"The working copy can't be read: {'; '.join(lines[:2])[:300] or 'git ended without a word'}."


async def make_commit(git: Git, bare: Path, parents: Sequence[str], tree: str, text: CommitText) -> str:
    commit = await commit_tree(git, bare, tree, parents, text.message, moment=text.moment)
    # As a plain file: the repository is ours alone, and another git would take longer than the write.
    (bare / "refs" / "heads" / "harvest").write_text(f"{commit}\n")
    return commit
