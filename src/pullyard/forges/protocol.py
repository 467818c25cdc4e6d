"""What every forge offers the worker. Every method is repeatable and runs with the worker's credentials."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class RemoteChange:
    """A change as it stands on the forge; ``url`` is None on a bare repository, which has no pages."""

    branch: str
    commit: str
    url: str | None = None


class Forge(Protocol):
    name: str

    async def publish(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str, title: str, body: str
    ) -> RemoteChange:
        """Push ``commit`` from the worker's bare ``repository`` and open, or find, the change of ``branch``.

        The push creates the branch or finds it at ``commit`` already; anything else there is a
        RemoteFailure with code ``push-refused``: nothing of somebody else's is ever overwritten. Only what an
        earlier execution of the same task left there, by the trailers of its commit, is replaced.
        """
        ...

    async def advance(
        self, repository: Path, url: str, *, branch: str, expected: str, commit: str
    ) -> RemoteChange:
        """Move the branch of an existing change from ``expected`` to ``commit``, which goes on from it.

        A branch that is gone or elsewhere is a RemoteFailure as for ``publish``, by the same exception.
        """
        ...

    async def merge(
        self, repository: Path, url: str, *, branch: str, base_branch: str, commit: str, title: str
    ) -> str:
        """Merge ``commit`` into ``base_branch``, fast-forward or by a merge commit; return the result's id.

        Raises Conflict with code ``merge-conflict`` naming the files where it can't be merged cleanly.
        """
        ...

    async def close(self, repository: Path, url: str, *, branch: str, commit: str) -> None:
        """Close the change: on a bare repository, delete ``branch`` if it still is at ``commit``."""
        ...
