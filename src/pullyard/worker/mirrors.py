"""One bare mirror per repository, shared by all executions and worker processes of this machine.

Layout of ``<root>/<key>/``: ``repository.git``, ``listing.json`` (the references at the last refresh) and,
beside it, ``<key>.lock`` (held while it changes) and ``<key>.use`` (shared by whoever reads it).
"""

import asyncio
import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from pullyard.files.locks import FileLock, locked, take
from pullyard.files.writes import rename_durably, replace_file
from pullyard.git.addresses import Address, Transport, read_address
from pullyard.git.bare import make_bare, object_format
from pullyard.git.errors import BaseBranchMissing, GitFailed, RepositoryEmpty, RepositoryUnreachable
from pullyard.git.names import check_branch, check_object_id
from pullyard.git.program import Git
from pullyard.git.remotes import HEADS, TAGS, Listing, Remotes
from pullyard.protocol.errors import RequestError
from pullyard.sandboxes.protocol import Mount
from pullyard.worker.threads import in_thread

SALVAGE = "refs/pullyard/salvage/"
MIRROR_INSIDE = "/mirror/objects"
"""Where a sandbox sees the mirror's objects, and nothing else of it."""


@dataclass(frozen=True)
class Mirror:
    """A mirror as it was at its refresh."""

    key: str
    path: Path
    address: Address
    listing: Listing
    git: Git

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
        key = hashlib.sha256(address.url.encode()).hexdigest()[:32]
        self.root.mkdir(parents=True, exist_ok=True)
        async with locked(self.root / f"{key}.lock"):
            place = self.root / key
            known = _read_listing(place)
            before = Mirror(key, place / "repository.git", address, known or Listing(None), self.git)
            listing, sound = await self._look(address, before)
            mirror = replace(before, listing=listing)
            if known == listing and sound:
                os.utime(self.root / key)
                return mirror
            listing = await self._update(mirror)
        await self.collect(keep=key)
        return replace(mirror, listing=listing)

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

    async def repair(self, mirror: Mirror) -> None:
        """Make a mirror anew whose objects turned out to be damaged."""
        async with locked(self.root / f"{mirror.key}.lock"):
            await self._rebuild(mirror)

    def hold(self, mirror: Mirror) -> FileLock:
        """Keep the mirror from being collected until the lock is released."""
        held = take(self.root / f"{mirror.key}.use", shared=True)
        if held is None:
            raise RepositoryUnreachable("The mirror was just given up for space: try again.", retryable=True)
        return held

    async def collect(self, *, keep: str | None = None) -> None:
        """Remove the mirrors used least recently until all fit the quota; never salvage, nor one in use."""
        places = sorted(
            (path for path in self.root.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime
        )
        sizes = {path: await in_thread(size_bytes, path) for path in places}
        total = sum(sizes.values())
        for place in places:
            if total <= self.quota_bytes:
                return
            if place.name != keep and await self._give_up(place):
                total -= sizes[place]

    async def _give_up(self, place: Path) -> bool:
        """Remove a mirror that nobody uses or changes now and that holds no salvage; False where one does."""
        locks = [take(self.root / f"{place.name}.{kind}") for kind in ("lock", "use")]
        try:
            if None in locks or await self._salvage_refs(place / "repository.git"):
                return False
            await in_thread(shutil.rmtree, place)
            return True
        finally:
            for lock in locks:
                if lock is not None:
                    lock.release()

    async def _update(self, mirror: Mirror) -> Listing:
        """Fetch; where that fails for want of a sound mirror, or does not make it sound, start again."""
        try:
            listing = await self._fetch(mirror)
        except (RepositoryUnreachable, GitFailed):
            if not mirror.path.exists() or await self._is_sound(mirror):
                raise
            return await self._rebuild(mirror)
        return listing if await self._is_sound(mirror) else await self._rebuild(mirror)

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
        return not done.exit_code and done.stdout.count(b" tree ") == len(tips)

    async def _fetch(self, mirror: Mirror) -> Listing:
        if not mirror.path.exists():
            shutil.rmtree(mirror.path.parent, ignore_errors=True)
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
        place = mirror.path.parent
        aside = place.with_name(f"{place.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        rename_durably(place, aside)
        try:
            listing = await self._fetch(mirror)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            rename_durably(aside, place)
            raise
        for reference in await self._salvage_refs(aside / "repository.git"):
            # Each by itself: one that is damaged must not cost the others.
            with suppress(RepositoryUnreachable):
                old = read_address(str(aside / "repository.git"))
                await self.remotes.fetch(old, mirror.path, f"{reference}:{reference}")
        shutil.rmtree(aside, ignore_errors=True)
        return listing

    async def _salvage_refs(self, repository: Path) -> list[str]:
        done = await self.git.run("for-each-ref", "--format=%(refname)", SALVAGE, git_dir=repository)
        return done.text.splitlines()


def size_bytes(directory: Path) -> int:
    """The disk space of all files below, links not followed."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def _read_listing(place: Path) -> Listing | None:
    try:
        return msgspec.json.decode((place / "listing.json").read_bytes(), type=Listing)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _write_listing(place: Path, listing: Listing) -> None:
    replace_file(place / "listing.json", msgspec.json.encode(listing))
