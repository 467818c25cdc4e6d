"""A project's task list in its repository: read from the default branch, and checked there by a commit.

Only git's own objects are looked at; nothing is checked out, and nothing of the repository runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pullyard.git.commits import commit_tree
from pullyard.git.errors import GitFailed, PushRefused
from pullyard.git.names import check_object_id
from pullyard.git.program import Git
from pullyard.git.remotes import Push, Remotes
from pullyard.lifecycle.task_lists.parse import decode, encode, readable
from pullyard.lifecycle.task_lists.write import check_items
from pullyard.protocol.errands import TaskListErrand, TaskListReport
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import Errand
from pullyard.worker.lease import Lease
from pullyard.worker.mirrors import Mirror, Mirrors

WRITE_TRIES = 5
"""How often the list is written anew because somebody else pushed to its branch meanwhile."""
MAX_FILE_BYTES = 8 << 20
_FILE_MODES = ("100644", "100755")


@dataclass(frozen=True)
class ListFile:
    mode: str
    blob: str
    content: bytes


async def do_list_errand(git: Git, mirrors: Mirrors, lease: Lease, errand: Errand) -> TaskListReport:
    """Check what is done, then tell what the list says. Repeatable: what is checked already stays as it is.

    Raises RequestError for a path or a file that can't be a list, PushRefused where the repository does not
    take the commit, and what ``Mirrors.refresh`` raises.
    """
    wish = errand.task_list
    if wish is None:
        raise RequestError("The coordinator named no task list.", code="invalid-errand")
    parts = check_path(wish.path)
    for attempt in range(1, WRITE_TRIES + 1):
        async with mirrors.opened(errand.repository.url) as mirror:
            if not mirror.listing.branches:
                return TaskListReport(commit="", blob=None)
            branch, commit = mirror.resolve(wish.branch)
            with_list = ListIn(git, mirror, commit, parts)
            found = await with_list.find()
            written = await with_list.check(found, wish.done) if found and wish.done else None
            if written is None:
                return report(commit, found, wish)
            await lease.wait_live()
            try:
                await Remotes(git).push(mirror.address, mirror.path, Push(branch, commit, written[0]))
            except PushRefused:
                moved = (await Remotes(git).list(mirror.address)).branches.get(branch) != commit
                if not moved or attempt == WRITE_TRIES:
                    raise
            else:
                return report(*written, wish)
    raise AssertionError("the last try returns or raises")


def report(commit: str, found: ListFile | None, wish: TaskListErrand) -> TaskListReport:
    if found is None:
        return TaskListReport(commit=commit, blob=None)
    if found.blob == wish.known_blob:
        return TaskListReport(commit=commit, blob=found.blob)
    return TaskListReport(commit=commit, blob=found.blob, text=readable(found.content))


def check_path(path: str) -> tuple[str, ...]:
    """Its parts. Raises RequestError for one that is not plainly below the repository's top."""
    parts = PurePosixPath(path).parts
    bad = (
        not parts or path.startswith("/") or any(one in (".", "..") or one.lower() == ".git" for one in parts)
    )
    if bad or any(sign < " " or sign in "\\\x7f" for sign in path):
        raise RequestError(
            f"{path[:120]!r} can't be a task list: give a path from the repository's top.",
            code="invalid-path",
        )
    return parts


@dataclass(frozen=True)
class ListIn:
    """The list in one commit of a mirror."""

    git: Git
    mirror: Mirror
    commit: str
    parts: tuple[str, ...]

    async def find(self) -> ListFile | None:
        """None where there is nothing at the path. Raises RequestError where that is no file, or too long."""
        mode, tree = "040000", self.commit
        for number, part in enumerate(self.parts, 1):
            entry = (await self._entries(tree)).get(part)
            if entry is None:
                return None
            mode, tree = entry
            if number < len(self.parts) and mode != "040000":
                return None
        if mode not in _FILE_MODES:
            raise RequestError(f"{'/'.join(self.parts)!r} is no plain file.", code="invalid-path")
        done = await self.git.run(
            "cat-file", "blob", tree, git_dir=self.mirror.path, limit_bytes=MAX_FILE_BYTES
        )
        if done.truncated:
            raise RequestError(
                f"{'/'.join(self.parts)!r} is longer than {MAX_FILE_BYTES >> 20} MiB.", code="list-too-long"
            )
        if done.exit_code:
            raise GitFailed("cat-file", done.exit_code, done.stderr)
        return ListFile(mode, tree, done.stdout)

    async def check(self, found: ListFile, done: Mapping[str, str]) -> tuple[str, ListFile] | None:
        """A commit on top of this one in which these items are checked; None where they are already."""
        written = check_items(decode(found.content), done)
        content = encode(written.text)
        if content == found.content:
            return None
        made = await self._write("hash-object", "-w", "--stdin", stdin=content)
        tree = await self._with_blob(self.commit, self.parts, made)
        number = len(written.done)
        subject = f"Check {number} item{'' if number == 1 else 's'} off the task list"
        message = f"{subject}\n".encode()
        commit = await commit_tree(self.git, self.mirror.path, tree, [self.commit], message)
        return commit, ListFile(found.mode, made, content)

    async def _with_blob(self, tree: str, parts: tuple[str, ...], blob: str) -> str:
        """The tree with another file at the path, which is there; all other entries stay."""
        entries = await self._entries(tree)
        mode, below = entries[parts[0]]
        entries[parts[0]] = (mode, await self._with_blob(below, parts[1:], blob) if parts[1:] else blob)
        kinds = {"040000": "tree", "160000": "commit"}
        lines = [f"{mode} {kinds.get(mode, 'blob')} {id}\t{name}\0" for name, (mode, id) in entries.items()]
        return await self._write("mktree", "-z", "--missing", stdin=encode("".join(lines)))

    async def _entries(self, tree: str) -> dict[str, tuple[str, str]]:
        """Mode and id by name; a name keeps every byte that it has."""
        done = await self.git.ok("ls-tree", "-z", check_object_id(tree), git_dir=self.mirror.path)
        entries: dict[str, tuple[str, str]] = {}
        for line in decode(done).split("\0"):
            if line:
                facts, _, name = line.partition("\t")
                mode, _, id = facts.split(" ")
                entries[name] = (mode, check_object_id(id))
        return entries

    async def _write(self, *words: str, stdin: bytes) -> str:
        made = await self.git.ok(*words, git_dir=self.mirror.path, stdin=stdin)
        return check_object_id(made.decode().strip())
