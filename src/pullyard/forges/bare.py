"""A plain git repository as a forge: a change is a branch there and our own record of it here."""

from collections.abc import Collection
from pathlib import Path

from pullyard.forges.access import Access
from pullyard.forges.protocol import ChangeStatus, Offer, RemoteChange
from pullyard.git.addresses import Address, read_address
from pullyard.git.commits import commit_tree, is_ancestor
from pullyard.git.errors import BaseBranchMissing, PushRefused
from pullyard.git.names import check_branch, check_object_id
from pullyard.git.program import Git
from pullyard.git.provenance import read_provenance
from pullyard.git.remotes import HEADS, Push, Remotes
from pullyard.git.trial_merge import MERGE_SECONDS, try_merge
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import Conflict
from pullyard.protocol.feedback import Heed, LabelledIssue, Remark

MERGE_TRIES = 4
"""How often a merge is made anew because somebody else moved the base branch meanwhile."""

PUBLISH_TRIES = 4
"""How often a push is made anew because another execution of the task moved the branch meanwhile."""


class BareForge:
    name = "bare"

    def __init__(self, git: Git, access: Access) -> None:
        # A bare repository has no API.
        del access
        self.git = git
        self.remotes = Remotes(git)

    async def publish(self, repository: Path, url: str, offer: Offer) -> RemoteChange:
        if offer.branch == offer.base_branch:
            raise PushRefused(f"A change can't be published as its own base branch {offer.branch!r}.")
        return await self._push(repository, url, branch=offer.branch, expected=None, commit=offer.commit)

    async def advance(
        self, repository: Path, url: str, *, branch: str, expected: str, commit: str
    ) -> RemoteChange:
        check_object_id(expected)
        return await self._push(repository, url, branch=branch, expected=expected, commit=commit)

    async def _push(
        self, repository: Path, url: str, *, branch: str, expected: str | None, commit: str
    ) -> RemoteChange:
        address, before = read_address(url), expected
        check_object_id(commit)
        for attempt in range(1, PUBLISH_TRIES + 1):
            try:
                await self.remotes.push(address, repository, Push(branch, before, commit))
            except PushRefused:
                there = (await self.remotes.list(address)).branches.get(branch)
                if there == commit:
                    # An earlier push of this one arrived meanwhile; whoever sent it was killed.
                    return RemoteChange(branch, commit)
                if there == before or attempt == PUBLISH_TRIES:
                    raise
                if there is None and expected is not None:
                    # Whoever deleted the branch has ended its change.
                    raise
                if there is not None and not await self._replaces(repository, address, branch, there, commit):
                    raise
                before = there
            else:
                return RemoteChange(branch, commit)
        raise AssertionError("the last try returns or raises")

    async def _replaces(
        self, repository: Path, address: Address, branch: str, there: str, commit: str
    ) -> bool:
        """Whether ``there`` is the work of an earlier execution of the task, lost after its push."""
        await self.remotes.fetch(address, repository, HEADS + branch)
        ours = await read_provenance(self.git, repository, commit)
        return ours is not None and ours.comes_after(await read_provenance(self.git, repository, there))

    async def merge(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str, title: str
    ) -> str:
        address = read_address(url)
        check_branch(base_branch)
        check_object_id(commit)
        for attempt in range(1, MERGE_TRIES + 1):
            base = await self._fetch(repository, address, branch, base_branch, commit)
            if await is_ancestor(self.git, repository, commit, base):
                return await self._merge_of(repository, base, commit)
            result = commit
            if not await is_ancestor(self.git, repository, base, commit):
                result = await self._merge_commit(repository, base, commit, f"{title.strip()}\n")
            try:
                await self.remotes.push(address, repository, Push(base_branch, base, result))
            except PushRefused:
                moved = (await self.remotes.list(address)).branches.get(base_branch) != base
                if not moved or attempt == MERGE_TRIES:
                    raise
            else:
                return result
        raise AssertionError("the last try returns or raises")

    async def close(self, repository: Path, url: str, *, branch: str, commit: str) -> None:
        address = read_address(url)
        there = (await self.remotes.list(address)).branches.get(check_branch(branch))
        if there is None:
            return
        if there != check_object_id(commit):
            raise Conflict(
                f"The branch {branch!r} has commits that are not of this change: "
                "look at them, then delete it yourself.",
                code="branch-moved",
            )
        await self.remotes.push(address, repository, Push(branch, commit, None))

    async def check_mergeable(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str
    ) -> None:
        """Raises Conflict as ``merge`` does where both sides changed the same; nothing is pushed."""
        base = await self._fetch(repository, read_address(url), branch, base_branch, commit)
        await self._merged_tree(repository, base, commit)

    async def status(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str
    ) -> ChangeStatus | None:
        address = read_address(url)
        check_object_id(commit)
        branches = (await self.remotes.list(address)).branches
        base, there = branches.get(check_branch(base_branch)), branches.get(check_branch(branch))
        wanted = [HEADS + name for name in (base_branch, branch) if name in branches]
        if wanted:
            await self.remotes.fetch(address, repository, *wanted)
        known = await self.git.run("cat-file", "-e", f"{commit}^{{commit}}", git_dir=repository)
        if base and not known.exit_code and await is_ancestor(self.git, repository, commit, base):
            merged = await self._merge_of(repository, base, commit)
            return ChangeStatus(ChangeState.MERGED, commit, merged)
        return ChangeStatus(ChangeState.OPEN, there) if there else ChangeStatus(ChangeState.CLOSED, commit)

    async def comment(self, url: str, *, branch: str, text: str, mark: str) -> None:
        """There is nowhere to say it."""

    async def reply(self, url: str, *, branch: str, pages: Collection[str], text: str, mark: str) -> None:
        """There is nowhere to say it."""

    async def feedback(self, url: str, *, branch: str, commit: str, heed: Heed) -> list[Remark]:
        del url, branch, commit, heed
        return []

    async def issues(self, url: str, *, label: str, heed: Heed) -> list[LabelledIssue]:
        del url, label, heed
        return []

    async def tell_issue(self, url: str, *, number: int, text: str, mark: str) -> None:
        """There are none."""

    async def _fetch(
        self, repository: Path, address: Address, branch: str, base_branch: str, commit: str
    ) -> str:
        """Get both sides; the base branch's commit now. No reference of ``repository`` is touched."""
        branches = (await self.remotes.list(address)).branches
        if base_branch not in branches:
            raise BaseBranchMissing(base_branch, branches)
        wanted = [HEADS + base_branch, *([HEADS + branch] if branch in branches else [])]
        await self.remotes.fetch(address, repository, *wanted)
        found = await self.git.run("cat-file", "-e", f"{commit}^{{commit}}", git_dir=repository)
        if found.exit_code:
            raise Conflict(
                f"The branch {branch!r} does not hold the commit {commit[:12]} any more: "
                "push it there again, or retry the task.",
                code="change-gone",
            )
        return branches[base_branch]

    async def _merge_of(self, repository: Path, base: str, commit: str) -> str:
        """The commit that brought ``commit`` into ``base``: its merge, or itself by fast-forward."""
        words = ("rev-list", "--first-parent", "--merges", "--parents", "--reverse", f"{commit}..{base}")
        lines = (await self.git.ok(*words, git_dir=repository)).decode().splitlines()
        for result, _, *merged in (line.split() for line in lines):
            if commit in merged:
                return result
        return commit

    async def _merged_tree(self, repository: Path, base: str, commit: str) -> str:
        """By the same rules as it was tried before, so that what was told of it is true."""
        tried = await try_merge(self.git, repository, base, commit, seconds=MERGE_SECONDS)
        if tried is None:
            raise Conflict(
                "The change is too far apart from its base branch to be merged by git: merge it yourself.",
                code="merge-conflict",
            )
        if not tried.clean:
            names = tried.conflicts
            where = f"both sides changed {', '.join(names[:10])}" if names else "both sides moved its files"
            raise Conflict(
                f"The change can't be merged cleanly, {where}: "
                "bring the branch up to date by hand, or retry the task.",
                code="merge-conflict",
                details={"files": names[:200]},
            )
        return tried.tree

    async def _merge_commit(self, repository: Path, base: str, commit: str, message: str) -> str:
        tree = await self._merged_tree(repository, base, commit)
        return await commit_tree(
            self.git, repository, tree, [base, commit], message.encode("utf-8", "replace")
        )
