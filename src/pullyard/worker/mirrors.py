"""One bare mirror per repository, shared by all executions and worker processes of this machine.

Layout of ``<root>/<key>/``: ``repository.git``, ``listing.json`` (the references at the last refresh),
``about.json`` (for people), ``salvage/`` (see ``saved_work``) and, beside it, ``<key>.lock`` (held while it
changes) and ``<key>.use`` (shared by whoever reads it). ``<key>.damaged`` is one that was made anew: its
salvage is not moved yet, or a sandbox has its objects mounted.
"""

import asyncio
import hashlib
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import msgspec
import structlog

from pullyard.files.locks import FileLock, is_free, locked, take, wait_for
from pullyard.files.writes import rename_durably, replace_file
from pullyard.git.addresses import Address, Transport, read_address
from pullyard.git.bare import make_bare, object_format
from pullyard.git.errors import BaseBranchMissing, GitFailed, RepositoryEmpty, RepositoryUnreachable
from pullyard.git.names import check_branch, check_object_id
from pullyard.git.program import Git
from pullyard.git.remotes import HEADS, TAGS, Listing, Remotes
from pullyard.protocol.errors import RequestError
from pullyard.sandboxes.protocol import Mount
from pullyard.worker import trees
from pullyard.worker.disk import changed_at, size_bytes
from pullyard.worker.journal import KEPT, Journal
from pullyard.worker.mirror_repair import (
    break_locks,
    bring_over,
    can_be_read,
    drop_references,
    is_whole,
    join_packs,
    remove_half_packs,
)
from pullyard.worker.saved_work import (
    NOTES,
    REPOSITORY,
    SavedWork,
    lost_in,
    salvage_ref,
    saved_in,
    write_note,
)
from pullyard.worker.threads import in_thread

logger = structlog.get_logger(__name__)

MIRROR_INSIDE = "/mirror/objects"
"""Where a sandbox sees the mirror's objects, and nothing else of it."""


KEY = re.compile(r"[0-9a-f]{32}")
EXECUTIONS = "executions"
"""Beside the mirrors."""
HOLD_SECONDS = 60.0


class AboutMirror(msgspec.Struct, kw_only=True):
    """The file ``about.json``, for whoever looks into the directory."""

    repository: str
    """The address, without a login."""
    changed_at: float
    """When the mirror last fetched something, in seconds since 1970; its directory's time is its last use."""
    size_bytes: int


@dataclass(frozen=True)
class Mirror:
    """A mirror as it was at its refresh."""

    key: str
    path: Path
    address: Address
    listing: Listing
    git: Git

    @property
    def place(self) -> Path:
        return self.path.parent

    @property
    def objects(self) -> Mount:
        return Mount(self.path / "objects", MIRROR_INSIDE)

    def resolve(self, branch: str | None) -> tuple[str, str]:
        """The base branch, the default one for None, and its commit.

        Raises RepositoryEmpty, or BaseBranchMissing, which names the branches that there are.
        """
        branches = self.listing.branches
        if not branches:
            raise RepositoryEmpty(self.address.url)
        name = check_branch(branch) if branch else self.listing.head
        if name is None or name not in branches:
            raise BaseBranchMissing(branch or self.listing.head, branches)
        return name, branches[name]

    async def top_names(self, commit: str) -> list[str]:
        """The names at the root of ``commit``'s tree."""
        done = await self.git.ok("ls-tree", "-z", "--name-only", check_object_id(commit), git_dir=self.path)
        return [os.fsdecode(name) for name in done.split(b"\0") if name]

    async def read_file(self, commit: str, path: str, limit_bytes: int) -> bytes | None:
        """A file's first ``limit_bytes``; None where there is none at ``path``."""
        name = f"{check_object_id(commit)}:{path}"
        done = await self.git.run("cat-file", "blob", name, git_dir=self.path, limit_bytes=limit_bytes)
        return done.stdout if done.truncated or not done.exit_code else None


class Mirrors:
    def __init__(self, root: Path, git: Git, quota_bytes: int, *, closed: Path | None = None) -> None:
        self.root = root
        self.git = git
        self.remotes = Remotes(git)
        self.quota_bytes = quota_bytes
        self.closed = closed.resolve() if closed else None
        """Below it no repository is taken."""

    async def refresh(self, url: str) -> Mirror:
        """The mirror, up to date now; an unchanged repository costs one ``git ls-remote``.

        Raises RequestError for a bad address and RepositoryUnreachable. A damaged mirror is made anew;
        the salvage that can still be read is kept.
        """
        address = self.check_place(self.git.check_allowed(read_address(url)))
        key = key_of(address)
        self.root.mkdir(parents=True, exist_ok=True)
        async with locked(self.root / f"{key}.lock"):
            place = self.root / key
            known = _read_listing(place)
            before = Mirror(key, place / REPOSITORY, address, known or Listing(None), self.git)
            listing, sound = await self._look(address, before)
            mirror = replace(before, listing=listing)
            if known == listing and sound and not self._damaged(key) and not lost_in(place):
                os.utime(self.root / key)
                return mirror
            listing = await self._update(mirror)
            await self._reclaim(mirror)
            await join_packs(self.git, mirror.path)
            await in_thread(write_about, mirror)
        await self.collect(keep=key)
        return replace(mirror, listing=listing)

    @asynccontextmanager
    async def opened(self, url: str) -> AsyncIterator[Mirror]:
        """As ``refresh``, and nobody gives it up meanwhile."""
        mirror = await self.refresh(url)
        held = await self.hold(mirror)
        try:
            yield mirror
        finally:
            held.release()

    def check_place(self, address: Address) -> Address:
        """Raises RequestError for a path in the worker's own directory.

        Agents write there, and git would run their hooks outside a sandbox; other mirrors are there too.
        """
        place = Path(address.url).resolve()
        if address.transport is Transport.FILE and self.closed and place.is_relative_to(self.closed):
            raise RequestError(
                f"{address.url} is in the worker's own directory: keep repositories elsewhere.",
                code="invalid-repository",
            )
        return address

    async def find(self, mirror: Mirror, reference: str) -> str | None:
        """The commit that a reference of the mirror, such as a salvage, names; None where there is none."""
        name = f"{reference}^{{commit}}"
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        done = await self.git.run(*words, git_dir=mirror.path)
        return None if done.exit_code else check_object_id(done.text)

    async def repair(self, mirror: Mirror, commit: str) -> None:
        """Make a mirror anew where ``commit`` can't be read from it; any other is left as it is.

        Whoever uses the old one keeps its objects.
        """
        async with locked(self.root / f"{mirror.key}.lock"):
            if await can_be_read(self.git, mirror.path, commit):
                return
            await self._rebuild(mirror)
            await self._reclaim(mirror)

    async def hold(self, mirror: Mirror) -> FileLock:
        """Keep the mirror from being collected until the lock is released.

        One that was given up for space since its refresh is fetched again. Raises RepositoryUnreachable.
        """
        held = await self._share(mirror)
        try:
            if not mirror.path.exists():
                async with locked(self.root / f"{mirror.key}.lock"):
                    await self._update(mirror)
        except BaseException:
            held.release()
            raise
        return held

    async def _share(self, mirror: Mirror) -> FileLock:
        """Somebody who gives the mirror up, or looks whether it may be, is waited for."""
        try:
            async with asyncio.timeout(HOLD_SECONDS):
                return await wait_for(self.root / f"{mirror.key}.use", shared=True)
        except TimeoutError:
            raise RepositoryUnreachable(
                "The mirror is being given up for space: try again.", retryable=True
            ) from None

    async def collect(self, *, keep: str | None = None) -> None:
        """Remove the mirrors used least recently until all fit the quota; never salvage, nor one in use."""
        places = sorted(
            (path for path in self.root.iterdir() if KEY.fullmatch(path.name)),
            key=changed_at,
        )
        sizes = {path: await in_thread(size_bytes, path) for path in places}
        total = sum(sizes.values())
        if total <= self.quota_bytes:
            return
        needed = needed_by(self.closed / EXECUTIONS) if self.closed else {}
        for place in places:
            if total <= self.quota_bytes:
                return
            if place.name != keep and await in_thread(give_up, place, needed) is None:
                total -= sizes[place]

    async def _update(self, mirror: Mirror) -> Listing:
        """Fetch; where that fails for want of a sound mirror, or does not make it sound, start again."""
        if not mirror.path.exists() and saved_in(mirror.place):
            # Notes of work that was here must not go with what is left.
            return await self._rebuild(mirror)
        try:
            listing = await self._fetch_unlocked(mirror)
        except (RepositoryUnreachable, GitFailed):
            if not mirror.path.exists() or await self._is_sound(mirror):
                raise
            return await self._rebuild(mirror)
        return listing if await self._is_sound(mirror) else await self._rebuild(mirror)

    async def _fetch_unlocked(self, mirror: Mirror) -> Listing:
        """Fetch, once more where a git that was killed has left its locks."""
        await in_thread(remove_half_packs, mirror.path)
        try:
            return await self._fetch(mirror)
        except (RepositoryUnreachable, GitFailed):
            if not await break_locks(mirror.path):
                raise
            return await self._fetch(mirror)

    async def _look(self, address: Address, mirror: Mirror) -> tuple[Listing, bool]:
        """What the repository has, and at the same time whether the mirror is sound."""
        sounding = asyncio.create_task(self._is_sound(mirror))
        try:
            return await self.remotes.list(address), await sounding
        finally:
            sounding.cancel()
            await asyncio.gather(sounding, return_exceptions=True)

    async def _is_sound(self, mirror: Mirror) -> bool:
        """Whether every branch's tip can be read: a quick look that finds lost packs and cut-off objects."""
        known = _read_listing(mirror.path.parent)
        tips = set((known or mirror.listing).branches.values())
        if not tips:
            return (mirror.path / "HEAD").exists()
        names = "".join(f"{tip}^{{tree}}\n" for tip in tips)
        done = await self.git.run("cat-file", "--batch-check", git_dir=mirror.path, stdin=names.encode())
        # A git that was too slow tells of a busy machine.
        return done.timed_out or (not done.exit_code and done.stdout.count(b" tree ") == len(tips))

    async def _fetch(self, mirror: Mirror) -> Listing:
        if not mirror.path.exists():
            trees.remove(mirror.path.parent)
            mirror.path.parent.mkdir()
            some = next(iter(mirror.listing.branches.values()), "")
            make_bare(mirror.path, object_format=object_format(some))
        if mirror.listing.branches:
            await self.remotes.fetch(
                mirror.address,
                mirror.path,
                f"+{HEADS}*:{HEADS}*",
                f"+{TAGS}*:{TAGS}*",
                prune=True,
            )
        # The other side may have moved on between the two calls: what counts is what was fetched.
        fetched = await self._references(mirror)
        _write_listing(mirror.path.parent, fetched)
        return fetched

    async def _references(self, mirror: Mirror) -> Listing:
        found: dict[str, dict[str, str]] = {HEADS: {}, TAGS: {}}
        lines = await self.git.ok(
            "for-each-ref", "--format=%(objectname) %(refname)", HEADS, TAGS, git_dir=mirror.path
        )
        for line in lines.decode("utf-8", "replace").splitlines():
            commit, _, name = line.partition(" ")
            prefix = HEADS if name.startswith(HEADS) else TAGS
            found[prefix][name.removeprefix(prefix)] = commit
        return Listing(mirror.listing.head, found[HEADS], found[TAGS])

    async def _rebuild(self, mirror: Mirror) -> Listing:
        place = mirror.place
        names = (f"{place.name}.damaged" + (f"-{number}" if number else "") for number in count())
        aside = next(path for path in map(place.with_name, names) if not path.exists())
        logger.warning("a mirror is damaged and made anew", repository=mirror.address.url, mirror=str(place))
        rename_durably(place, aside)
        try:
            return await self._fetch(mirror)
        except BaseException:
            trees.remove(place)
            rename_durably(aside, place)
            raise

    def _damaged(self, key: str) -> list[Path]:
        return sorted(self.root.glob(f"{key}.damaged*"))

    async def _reclaim(self, mirror: Mirror) -> None:
        """Move the salvage of damaged mirrors into the sound one, and remove those that nobody needs then."""
        for work in lost_in(mirror.place).values():
            await self._find_again(mirror, work)
        for aside in self._damaged(mirror.key):
            saved = await in_thread(saved_in, aside)
            for work in saved.values():
                # Before its references are touched: a crash from here on finds the notes.
                write_note(aside, work)
            await in_thread(drop_references, aside)
            whole = await self._move_bases(aside, mirror)
            moved = [await self._move_saved(aside, mirror, work) for work in saved.values()]
            if not all(moved):
                logger.error(
                    "unfinished work in a damaged mirror can't be read; mend it there by hand, or drop it "
                    "with 'pullyard worker salvage drop'",
                    directory=str(aside),
                )
                continue
            await in_thread(shutil.rmtree, aside / NOTES, ignore_errors=True)
            if whole and is_free(self.root / f"{mirror.key}.use"):
                await in_thread(trees.remove, aside)

    async def _move_bases(self, aside: Path, mirror: Mirror) -> bool:
        """The repository may have forgotten since what executions were begun on; whether all is here now."""
        if self.closed is None:
            return True
        commits = await in_thread(bases_of, self.closed / EXECUTIONS, mirror.key)
        moved = [await bring_over(self.remotes, aside, mirror.path, commit) for commit in sorted(commits)]
        return all(moved)

    async def _find_again(self, mirror: Mirror, work: SavedWork) -> None:
        """A reference that was lost is set again from its note, where what it named is whole."""
        reference, commit = salvage_ref(work.execution_id), check_object_id(work.commit)
        if await is_whole(self.git, mirror.path, commit):
            await self.git.ok("update-ref", reference, commit, git_dir=mirror.path)
            logger.warning("found unfinished work again", execution_id=work.execution_id, commit=commit)
            return
        logger.error(
            "unfinished work is lost from a mirror; forget it with 'pullyard worker salvage drop'",
            execution_id=work.execution_id,
            mirror=str(mirror.place),
        )

    async def _move_saved(self, aside: Path, mirror: Mirror, work: SavedWork) -> bool:
        """Each by itself: one that is damaged must not cost the others."""
        reference = salvage_ref(work.execution_id)
        known = await self.find(mirror, reference)
        if known is None and not await bring_over(self.remotes, aside, mirror.path, work.commit, reference):
            return False
        write_note(mirror.place, work)
        return True


def key_of(address: Address) -> str:
    return hashlib.sha256(address.url.encode()).hexdigest()[:32]


def needed_by(executions: Path) -> dict[str, str]:
    """By the mirror's key, an execution that is not over or not saved: its base may be nowhere else."""
    needed: dict[str, str] = {}
    for journal in (*Journal.find_all(executions), *Journal.find_all(executions, KEPT)):
        grant = journal.record.grant
        for repository in (grant.repository, *grant.repositories):
            needed[key_of(read_address(repository.url))] = grant.execution_id
    return needed


def bases_of(executions: Path, key: str) -> set[str]:
    """The commits of the mirror that the executions of ``needed_by`` were begun on."""
    found: set[str | None] = set()
    for journal in (*Journal.find_all(executions), *Journal.find_all(executions, KEPT)):
        record = journal.record
        copies = [(record.grant.repository, record)] + [
            (one, record.others[one.name]) for one in record.grant.repositories if one.name in record.others
        ]
        for repository, copy in copies:
            if key_of(read_address(repository.url)) == key:
                found |= {copy.base_commit, copy.start_commit}
    return {commit for commit in found if commit is not None}


def why_it_stays(place: Path, needed: Mapping[str, str]) -> str | None:
    """What keeps a mirror, or a damaged one, that nobody uses now; None where it is a mere cache."""
    if saved := saved_in(place):
        return f"holds the unfinished work of {', '.join(sorted(saved))}"
    key = place.name.partition(".")[0]
    return f"needed by {needed[key]}" if key in needed else None


def give_up(place: Path, needed: Mapping[str, str]) -> str | None:
    """Remove a mirror; or why it stays: it is used or changed now, or holds or serves unfinished work."""
    locks = [take(place.with_name(f"{place.name}.{kind}")) for kind in ("lock", "use")]
    try:
        if None in locks:
            return "in use"
        if stays := why_it_stays(place, needed):
            return stays
        trees.remove(place)
        return None
    finally:
        for lock in locks:
            if lock is not None:
                lock.release()


def write_about(mirror: Mirror) -> None:
    about = AboutMirror(
        repository=mirror.address.url, changed_at=time.time(), size_bytes=size_bytes(mirror.place)
    )
    replace_file(mirror.place / "about.json", msgspec.json.format(msgspec.json.encode(about), indent=2))


def _read_listing(place: Path) -> Listing | None:
    try:
        return msgspec.json.decode((place / "listing.json").read_bytes(), type=Listing)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _write_listing(place: Path, listing: Listing) -> None:
    replace_file(place / "listing.json", msgspec.json.encode(listing))
