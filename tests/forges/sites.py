"""A repository on a forge, a worker's way to it, and what a test does with the two."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pullyard.forges.access import Access
from pullyard.forges.protocol import ChangeStatus, Forge, Offer, RemoteChange
from pullyard.git.program import Git, GitSettings
from tests.forges.kinds import access_to
from tests.forges.server import ForgeServer
from tests.repositories import commit_files, git_in

BRANCH = "pullyard/7-fix-it-abc123"


@dataclass
class Site:
    url: str
    remote: Path
    author: Path
    """A clone where the test makes commits."""
    own: Path
    """The worker's bare repository."""
    git: Git
    kind: str = "bare"
    access: Access = field(default_factory=Access)
    server: ForgeServer | None = None
    """None for bare repositories, which have no API."""

    def change(self, name: str, content: str, start: str = "main") -> str:
        """A commit in the worker's repository, made on ``start``."""
        git_in(self.author, "checkout", "-q", "--detach", start)
        commit = commit_files(self.author, {name: content}, f"Change {name}")
        git_in(self.author, "push", "-q", str(self.own), f"{commit}:refs/heads/harvest-{commit[:8]}")
        git_in(self.author, "checkout", "-q", "main")
        return commit

    def advance(self, name: str, content: str) -> str:
        """Somebody else's commit on the base branch."""
        commit = commit_files(self.author, {name: content}, "Elsewhere")
        git_in(self.author, "push", "-q", str(self.remote), f"{commit}:refs/heads/main")
        return commit


async def site_at(kind: str, server: ForgeServer, author: Path, own: Path) -> Site:
    access = access_to(kind, server)
    git = Git(GitSettings(find_login=access.login))
    return Site(server.url, server.repository, author, own, git, kind, access, server)


async def publish(forge: Forge, site: Site, commit: str, **more: Any) -> RemoteChange:
    wish: dict[str, Any] = {"branch": BRANCH, "base_branch": "main", "title": "Fix", "body": "It.\n\nWell."}
    return await forge.publish(site.own, site.url, Offer(**(wish | {"commit": commit} | more)))


async def merge(forge: Forge, site: Site, commit: str) -> str:
    return await forge.merge(
        site.own, site.url, branch=BRANCH, base_branch="main", commit=commit, title="Merge it"
    )


async def status(forge: Forge, site: Site, commit: str) -> ChangeStatus | None:
    return await forge.status(site.own, site.url, branch=BRANCH, base_branch="main", commit=commit)
