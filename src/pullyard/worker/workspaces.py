"""Working copies: for the agent, and for the verification of what it made.

The checkout below an overlay is prepared once per commit; what one execution adds is a few plain files. No
git is ever run in a tree that an agent has written to.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pullyard.files.locks import FileLock
from pullyard.git.errors import GitFailed
from pullyard.git.names import check_branch, check_object_id
from pullyard.git.program import Git
from pullyard.lifecycle.reasons import Reason
from pullyard.sandboxes.protocol import Workspace
from pullyard.worker import trees
from pullyard.worker.agent_git import make_agent_git
from pullyard.worker.checkouts import Checkout, Checkouts
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.mirrors import MIRROR_INSIDE, Mirror, Mirrors
from pullyard.worker.threads import in_thread

BASE_INDEX = "base-index"
"""In an execution's directory: the index of the base commit, which the harvest starts from."""

OVERLAY = """
cd "$1" && mount -t overlay -o "lowerdir=lower,upperdir=upper,workdir=work,$2" pullyard merged || exit 1
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class Start:
    """What a working copy starts from. ``branch`` is checked out in it, at ``commit``."""

    commit: str
    base_branch: str
    branch: str
    objects_inside: str = MIRROR_INSIDE
    """Where the programs inside find the mirror's objects: ``sandbox.path_of(MIRROR_INSIDE)``."""
    whole: bool = False
    """A full copy, as a directory beside a sandbox's workspace has to be: that alone is an overlay."""


@dataclass(frozen=True)
class MergeStart:
    """A merge that is under way in a working copy: ``tree`` is what git made of it, in ``repository``."""

    repository: Path
    tree: str
    commit: str
    """What is merged in."""
    unmerged: bytes
    """For ``git update-index -z --index-info``: the files with conflicts."""


class Workspaces:
    """``overlay`` False is for machines that can't mount one: then every working copy is a full one.

    ``quota_bytes`` is of the prepared checkouts; None sets no bound.
    """

    def __init__(
        self, root: Path, git: Git, mirrors: Mirrors, *, overlay: bool = True, quota_bytes: int | None = None
    ) -> None:
        self.git = git
        self.mirrors = mirrors
        self.overlay = overlay
        self.quota_bytes = quota_bytes
        self.checkouts = Checkouts(root, git)
        self._held: dict[Path, list[FileLock]] = {}

    async def prepare(
        self, mirror: Mirror, start: Start, directory: Path, uid: int | None, *, resume: str | None = None
    ) -> Workspace:
        """A working copy under ``directory``, all of it owned by ``uid``; call ``release`` at the end.

        ``resume`` is a commit of the mirror whose tree is laid over the base, as uncommitted changes.
        Any leftover of an earlier try in ``directory`` is removed first.
        """
        check_branch(start.branch)
        check_branch(start.base_branch)
        workspace, checkout = await self._lay_out(mirror, start, directory, uid)
        shutil.copyfile(checkout.index, directory / BASE_INDEX)
        if resume is not None:
            await self._apply(workspace, mirror.path, checkout, check_object_id(resume), directory)
        make_agent_git(workspace.upper / ".git", mirror, start, checkout.index)
        trees.give(workspace.upper, uid) if resume else trees.give(workspace.upper / ".git", uid)
        return workspace

    async def merging(
        self, mirror: Mirror, start: Start, merge: MergeStart, directory: Path, uid: int | None
    ) -> Workspace:
        """As ``prepare``, with a merge under way that git has done its part of."""
        workspace, checkout = await self._lay_out(mirror, start, directory, uid)
        await self._apply(workspace, merge.repository, checkout, check_object_id(merge.tree), directory)
        index = directory / BASE_INDEX
        shutil.copyfile(checkout.index, index)
        # Nothing is noted of the new files' times, as an edit within the same second would be missed by them.
        here = {"GIT_INDEX_FILE": str(index)}
        await self.git.ok("read-tree", "-m", "-i", merge.tree, git_dir=merge.repository, environment=here)
        target = workspace.upper / ".git"
        make_agent_git(target, mirror, start, index)
        own = {"GIT_INDEX_FILE": str(target / "index")}
        words = ("update-index", "-z", "--index-info")
        await self.git.ok(*words, git_dir=merge.repository, environment=own, stdin=merge.unmerged)
        (target / "MERGE_HEAD").write_text(f"{check_object_id(merge.commit)}\n")
        give_objects(merge.repository, target)
        await in_thread(trees.give, workspace.upper, uid)
        return workspace

    async def reopen(self, mirror: Mirror, start: Start, directory: Path, uid: int | None) -> Workspace:
        """The working copy of an execution whose worker was restarted, as the agent left it."""
        checkout = await self._take(mirror, start.commit, directory, uid)
        trees.remove(directory / "work")
        workspace = _workspace(directory, checkout.tree if self._overlays(start) else None, uid)
        if uid is not None and workspace.upper.stat().st_uid != uid:
            # The worker's slots have other accounts than in its earlier life.
            await in_thread(trees.give, workspace.upper, uid)
        return workspace

    async def verification(
        self, mirror: Mirror, repository: Path, start: Start, commit: str, directory: Path, uid: int | None
    ) -> Workspace:
        """A clean working copy of the harvested ``commit`` of the worker's bare ``repository``.

        Its ``.git`` has the commit checked out on ``start.branch`` and holds its objects itself.
        """
        workspace, checkout = await self._lay_out(mirror, start, directory, uid)
        index = await self._apply(workspace, repository, checkout, check_object_id(commit), directory)
        target = workspace.upper / ".git"
        make_agent_git(target, mirror, start, index, head=commit)
        give_objects(repository, target)
        trees.give(workspace.upper, uid)
        return workspace

    async def hold(self, mirror: Mirror, directory: Path) -> list[FileLock]:
        """Keep the mirror for the working copy that ``directory`` has, or is to have; until ``release``."""
        held = [await self.mirrors.hold(mirror)]
        self.release(directory)
        self._held[directory] = held
        return held

    def release(self, directory: Path) -> None:
        """Let go of the checkout and the mirror below the working copy in ``directory``. Repeatable."""
        for lock in self._held.pop(directory, []):
            lock.release()

    def collect(self) -> None:
        """Remove prepared checkouts above the quota; best called when one was let go of."""
        if self.quota_bytes is not None:
            self.checkouts.collect(self.quota_bytes)

    def _overlays(self, start: Start) -> bool:
        return self.overlay and not start.whole

    async def _lay_out(
        self, mirror: Mirror, start: Start, directory: Path, uid: int | None
    ) -> tuple[Workspace, Checkout]:
        for leftover in ("upper", "work"):
            await in_thread(trees.remove, directory / leftover)
        checkout = await self._take(mirror, start.commit, directory, uid)
        if self._overlays(start):
            return _workspace(directory, checkout.tree, uid), checkout
        workspace = _workspace(directory, None, uid)
        await trees.copy(checkout.tree, workspace.upper)
        return workspace, checkout

    async def _take(self, mirror: Mirror, commit: str, directory: Path, uid: int | None) -> Checkout:
        held = await self.hold(mirror, directory)
        before = mirror.place.stat()
        try:
            checkout = await self.checkouts.take(mirror, commit, uid)
        except GitFailed as error:
            await self.mirrors.repair(mirror, commit)
            if os.path.samestat(before, mirror.place.stat()):
                blame_repository(error)
                raise
            checkout = await self.checkouts.take(mirror, commit, uid)
        held.append(checkout.lock)
        return checkout

    async def _apply(
        self, workspace: Workspace, git_dir: Path, checkout: Checkout, commit: str, directory: Path
    ) -> Path:
        """Bring a working copy that nobody has used yet from the base to ``commit``; return its index."""
        index = directory / "index"
        shutil.copyfile(checkout.index, index)
        words = ("-c", "core.checkStat=minimal", "-c", "core.trustctime=false", "read-tree", "-m", "-u")
        environment = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(workspace.upper)}
        if workspace.lower is None:
            await self.git.ok(*words, checkout.commit, commit, git_dir=git_dir, environment=environment)
            return index
        environment["GIT_WORK_TREE"] = str(directory / "merged")
        git = self.git.within(enter_overlay(directory, workspace.lower))
        await git.ok(*words, checkout.commit, commit, git_dir=git_dir, environment=environment)
        return index


def give_objects(repository: Path, target: Path) -> None:
    """All that a bare repository has itself, for a ``.git`` that borrows the mirror's as it does."""
    shutil.copytree(repository / "objects" / "pack", target / "objects" / "pack", dirs_exist_ok=True)
    for loose in (repository / "objects").glob("[0-9a-f][0-9a-f]"):
        shutil.copytree(loose, target / "objects" / loose.name)


def blame_repository(error: GitFailed) -> None:
    """Raises PhaseFailed where a checkout from a sound mirror failed by what the repository holds."""
    said = error.stderr.strip()[-300:]
    if "File name too long" in said:
        raise PhaseFailed(
            Reason.SETUP_FAILED,
            f"A file's name is too long for this worker's disk: shorten it in the repository ({said}).",
        ) from error
    if error.timed_out:
        raise PhaseFailed(
            Reason.PHASE_TIMED_OUT,
            "The repository's files could not be written in time: use a worker with a faster disk.",
        ) from error


def enter_overlay(directory: Path, lower: Path) -> tuple[str, ...]:
    """The words before a program that mount ``directory``'s overlay at ``merged`` for that program alone."""
    (directory / "merged").mkdir(exist_ok=True)
    # The names in the mount's options are our own, because commas and colons have a meaning there.
    (directory / "lower").unlink(missing_ok=True)
    (directory / "lower").symlink_to(lower)
    root = os.geteuid() == 0
    private = ("--mount",) if root else ("--user", "--map-root-user", "--mount")
    kind = "index=off,metacopy=off,redirect_dir=nofollow" if root else "userxattr"
    return ("unshare", *private, "sh", "-c", OVERLAY, "overlay", str(directory), kind)


def _workspace(directory: Path, lower: Path | None, uid: int | None) -> Workspace:
    workspace = Workspace(directory / "upper", directory / "work", lower)
    for place in (workspace.upper, workspace.work):
        place.mkdir(parents=True, exist_ok=True)
        if uid is not None and not any(place.iterdir()):
            os.chown(place, uid, uid, follow_symlinks=False)
    return workspace
