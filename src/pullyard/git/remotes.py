"""What git can do with a repository elsewhere: list it, fetch from it, push to it by compare-and-swap."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pullyard.git.addresses import Address, Transport
from pullyard.git.errors import PushRefused, RepositoryUnreachable
from pullyard.git.names import check_branch, check_object_id
from pullyard.git.program import Finished, Git
from pullyard.protocol.errors import RequestError

HEADS = "refs/heads/"
TAGS = "refs/tags/"
_OUR_REFERENCE = re.compile(r"refs/pullyard/[a-z]+/[A-Za-z0-9_-]{1,80}")

# Few objects would be written one by one, and those git does not wait for.
_DURABLY = ("-c", "fetch.unpackLimit=1", "-c", "core.fsync=committed,reference")

_FOR_GOOD = re.compile(
    r"authentication failed|could not read username|permission denied|access denied|not found|does not exist"
    r"|does not appear to be a git repository|not a git repository|repository .* not|host key verification"
    r"|error: 40[134]|dubious ownership|unable to update url base from redirection|certificate",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Listing:
    """A repository's references as it gave them just now; ``head`` is its default branch, if any."""

    head: str | None
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Push:
    """Move ``branch`` from ``expected`` to ``commit``; None stands for a branch that does not exist."""

    branch: str
    expected: str | None
    commit: str | None


class Remotes:
    """Every method raises RepositoryUnreachable where nobody answers or what answers is no repository."""

    def __init__(self, git: Git) -> None:
        self.git = git

    async def list(self, address: Address) -> Listing:
        done = await self.git.run(
            "ls-remote",
            "--symref",
            *_served_by(address, "upload-pack"),
            "--",
            address.url,
            "HEAD",
            f"{HEADS}*",
            f"{TAGS}*",
            address=address,
        )
        if done.exit_code or done.truncated or done.timed_out:
            raise unreachable(address, done)
        return _read_listing(done.stdout.decode("utf-8", "replace"))

    async def fetch(
        self,
        address: Address,
        git_dir: Path,
        *refspecs: str,
        prune: bool = False,
        durable: bool = False,
        timeout_seconds: float = 1800,
    ) -> None:
        """``durable``: objects and references are on the disk on return, whatever happens to the machine."""
        done = await self.git.run(
            *(_DURABLY if durable else ()),
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            *(["--prune"] if prune else []),
            *_served_by(address, "upload-pack"),
            "--",
            address.url,
            *refspecs,
            git_dir=git_dir,
            address=address,
            timeout_seconds=timeout_seconds,
        )
        if done.exit_code or done.timed_out:
            raise unreachable(address, done)

    async def push(self, address: Address, git_dir: Path, push: Push) -> None:
        """Repeatable: a branch that is at ``commit`` already is left as it is. Raises PushRefused."""
        done = await self._swap(
            address, git_dir, HEADS + check_branch(push.branch), push.expected, push.commit, 600
        )
        refused = _refused(address, done)
        if refused is None:
            return
        # A push of a worker that was killed may have gone on without it, and arrived while this one waited.
        if (await self.list(address)).branches.get(push.branch) == push.commit:
            return
        raise PushRefused(_refusal(push.branch, refused, done.stderr))

    async def push_reference(
        self, address: Address, git_dir: Path, reference: str, commit: str, *, timeout_seconds: float
    ) -> None:
        """Set a reference that is no branch, and that nobody else writes. Repeatable. Raises PushRefused."""
        if not _OUR_REFERENCE.fullmatch(reference):
            raise RequestError(f"{reference[:80]!r} is no reference of ours.", code="invalid-reference")
        before = await self._look_up(address, reference)
        if before == commit:
            return
        done = await self._swap(address, git_dir, reference, before, commit, timeout_seconds)
        if refused := _refused(address, done):
            raise PushRefused(_refusal(reference, refused, done.stderr))

    async def _look_up(self, address: Address, reference: str) -> str | None:
        served = _served_by(address, "upload-pack")
        done = await self.git.run("ls-remote", *served, "--", address.url, reference, address=address)
        if done.exit_code or done.truncated or done.timed_out:
            raise unreachable(address, done)
        found = [line.split("\t", 1)[0] for line in done.text.splitlines() if line.endswith(f"\t{reference}")]
        return check_object_id(found[0]) if found else None

    async def _swap(
        self,
        address: Address,
        git_dir: Path,
        reference: str,
        expected: str | None,
        commit: str | None,
        timeout_seconds: float,
    ) -> Finished:
        source = check_object_id(commit) if commit else ""
        return await self.git.run(
            "push",
            "--porcelain",
            "--no-verify",
            f"--force-with-lease={reference}:{check_object_id(expected) if expected else ''}",
            *_served_by(address, "receive-pack"),
            "--",
            address.url,
            f"{source}:{reference}",
            git_dir=git_dir,
            address=address,
            timeout_seconds=timeout_seconds,
        )


def _refused(address: Address, done: Finished) -> str | None:
    """What the other side said against a push, None where it took it. Raises RepositoryUnreachable."""
    if not done.exit_code and not done.timed_out:
        return None
    said = re.search(r"^!\t\S+\t(.*)$", done.stdout.decode("utf-8", "replace"), re.MULTILINE)
    if said is None:
        raise unreachable(address, done)
    return said[1]


def unreachable(address: Address, done: Finished) -> RepositoryUnreachable:
    """What git said about the other side, as one sentence; network trouble is worth another try."""
    if done.timed_out:
        return RepositoryUnreachable(
            f"{address.url} did not answer in time: try again later.", retryable=True
        )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))] or lines[-1:]
    said = "; ".join(dict.fromkeys(line.split(": ", 1)[-1].strip() for line in told[:3]))[:500]
    final = bool(_FOR_GOOD.search(done.stderr))
    remedy = "check the address and the worker's access to it" if final else "check the network and try again"
    return RepositoryUnreachable(f"{address.url} can't be reached ({said}): {remedy}.", retryable=not final)


def _served_by(address: Address, service: str) -> Sequence[str]:
    """How the other end of a repository on this machine is run.

    It is run as the repository's owner where the worker is root: no hook of theirs runs as root, and no
    file that root owns is left in their repository. Elsewhere that end runs on its own machine.
    """
    if address.transport is not Transport.FILE:
        return ()
    end = ["git", "-c", "gc.auto=0"]
    if service == "receive-pack":
        end += ["-c", "receive.denyCurrentBranch=updateInstead", "-c", "receive.autogc=false"]
    try:
        owner = os.stat(address.url)
    except OSError:
        return ()
    if os.geteuid() == 0 and owner.st_uid != 0:
        account = [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", "--no-new-privs"]
        end = ["setpriv", *account, *end]
    return (f"--{service}={shlex.join([*end, service])}",)


def _read_listing(text: str) -> Listing:
    head: str | None = None
    detached: str | None = None
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if name == "HEAD":
            if value.startswith(f"ref: {HEADS}"):
                head = value.removeprefix(f"ref: {HEADS}")
            else:
                detached = value
        elif name.startswith(HEADS):
            branches[name.removeprefix(HEADS)] = check_object_id(value)
        elif name.startswith(TAGS) and not name.endswith("^{}"):
            tags[name.removeprefix(TAGS)] = check_object_id(value)
    return Listing(head if head in branches else likely_head(branches, detached), branches, tags)


def likely_head(branches: Mapping[str, str], detached: str | None) -> str | None:
    for name in ("main", "master", "trunk", "develop"):
        if name in branches:
            return name
    at_head = [name for name, commit in branches.items() if commit == detached]
    candidates = at_head or list(branches)
    return candidates[0] if len(candidates) == 1 else None


def _refusal(branch: str, reason: str, stderr: str) -> str:
    if "checked out" in stderr or "denyCurrentBranch" in stderr:
        return (
            f"The repository has {branch!r} checked out and refuses to move it: switch it to another branch, "
            "or set receive.denyCurrentBranch to updateInstead there."
        )
    if "unstaged changes" in reason or "uncommitted changes" in reason or "not clean" in reason:
        return (
            f"The repository has {branch!r} checked out with uncommitted changes: "
            "commit or stash them there and try again."
        )
    if "stale info" in reason or "fetch first" in reason or "already exists" in reason:
        return f"The branch {branch!r} is not where it was expected: somebody else pushed to it; look there."
    said = [
        line.removeprefix("remote:").strip() for line in stderr.splitlines() if line.startswith("remote:")
    ]
    detail = " ".join([reason, *filter(None, said)])[:400]
    return f"The repository refused the push to {branch!r}: {detail}."
