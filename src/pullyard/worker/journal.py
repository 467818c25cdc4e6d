"""What a worker remembers of an execution on disk, so that a killed worker finds its work again.

Layout of ``<data>/executions/<id>/``: ``journal.json`` (this file), ``logs/<stream>.log`` (also the spool),
``ws/`` (the agent's working copy), ``verify/`` (the clean checkout), ``harvest.git`` and ``task/``. A task's
further repositories have ``repositories/<name>/`` with ``ws/``, ``verify/`` and ``harvest.git`` of their own.
"""

import re
import time
from pathlib import Path

import msgspec
import structlog

from pullyard.files.writes import rename_durably, replace_file, sync_directory
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.errors import ProtocolViolation
from pullyard.protocol.worker import FinishRequest, Grant, NodeFact, Receipt, Usage
from pullyard.worker import trees
from pullyard.worker.gateway.counts import HostCount

JOURNAL = "journal.json"
KEPT = "kept.json"
"""The journal of an execution that ended and whose work could not be saved."""


logger = structlog.get_logger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


class HarvestedCommit(msgspec.Struct, kw_only=True):
    """The agent's work once it is safe in the worker's own repository."""

    commit: str
    tree: str
    protected: list[str] = []
    """What in it waits for a person, for people."""


class Merging(msgspec.Struct, kw_only=True):
    """The base branch, on its way into a change."""

    commit: str
    """Of the base branch: the second parent of what is committed."""
    tree: str
    """What git made of both, with its marks where it could not; it lies in the execution's own repository."""
    conflicts: list[str] = []
    """The files in which it could not, for people."""


class CopyRecord(msgspec.Struct, kw_only=True):
    """What became of one working copy."""

    base_commit: str | None = None
    """Of the base branch: what the change is shown against, and whose verify commands prove it."""
    base_branch: str | None = None
    start_commit: str | None = None
    """Where the copy starts if that is not the base: an existing change's commit."""
    merging: Merging | None = None
    """What is merged into ``start_commit``; the working copy then starts with that merge under way."""
    harvested: HarvestedCommit | None = None
    receipt: Receipt | None = None
    pushed: str | None = None
    """The commit whose push was begun: perhaps it is there, and has to be taken back."""


class Record(CopyRecord, kw_only=True):
    """The project's own working copy, and all that is of the execution as a whole."""

    grant: Grant
    slot: int
    others: dict[str, CopyRecord] = {}
    """By the names of the task's further repositories."""
    begun_at: int = 0
    """The moment that the commits will bear, in seconds since 1970, also when a harvest is repeated."""
    usage: Usage = msgspec.field(default_factory=Usage)
    phase_seconds: dict[str, float] = {}
    nodes: list[NodeFact] = []
    """Every attempt at a node of the workflow, in order; the last one is where the execution is."""
    network: dict[str, HostCount] = {}
    """What was reached until the last save."""
    unsaved: bool = False
    """The work could not be salvaged: its directory stays until it is saved, or dropped by a person."""
    finish: FinishRequest | None = None
    """Set when all is done but for the coordinator's acknowledgement."""


class Journal:
    """One execution's record. Every ``save`` is whole or not there at all, also after a power cut."""

    def __init__(self, directory: Path, record: Record) -> None:
        self.directory = directory
        self.record = record

    @classmethod
    def create(cls, executions: Path, grant: Grant, slot: int) -> "Journal":
        """Raises ProtocolViolation where the grant's names are not plain ones: a coordinator that was taken
        over must not choose what is written, and at the end removed, outside of ``executions``."""
        check_names(grant)
        directory = executions / grant.execution_id
        (directory / "logs").mkdir(parents=True, exist_ok=True)
        journal = cls(directory, Record(grant=grant, slot=slot, begun_at=int(time.time())))
        journal.save()
        return journal

    @classmethod
    def find_all(cls, executions: Path, name: str = JOURNAL) -> list["Journal"]:
        """Every execution that was not finished when the worker ended, oldest first.

        With ``KEPT`` those whose work is still to be saved.
        """
        found = []
        for path in sorted(executions.glob(f"exec_*/{name}")):
            try:
                record = msgspec.json.decode(path.read_bytes(), type=Record)
                check_names(record.grant)
            except (msgspec.DecodeError, UnicodeDecodeError, ProtocolViolation, OSError) as error:
                # Written by another version, or damaged: its lease runs out and the task is given again.
                logger.warning(
                    "a journal can't be read; if its ws/ holds work that you need, copy it from there",
                    path=str(path),
                    problem=str(error),
                )
                continue
            found.append(cls(path.parent, record))
        return found

    def save(self) -> None:
        replace_file(
            self.directory / JOURNAL,
            msgspec.json.encode(self.record),
            before_rename=lambda: reached("journal-before-rename"),
        )
        reached("journal-saved")

    def keep(self) -> None:
        """The execution is over, but its work is still in its directory alone. Repeatable."""
        if (self.directory / JOURNAL).exists():
            rename_durably(self.directory / JOURNAL, self.directory / KEPT)

    def remove(self) -> None:
        """Forget the execution. Only what was published or salvaged may be removed.

        The record goes first: what is left of a half removed working copy is nobody's work any more.
        """
        if self.directory.exists():
            for name in (JOURNAL, KEPT):
                (self.directory / name).unlink(missing_ok=True)
            sync_directory(self.directory)
        trees.remove(self.directory)


def check_names(grant: Grant) -> None:
    """What becomes a directory here, or a place in a sandbox."""
    for name in (grant.execution_id, *(one.name for one in grant.repositories)):
        if not _NAME.fullmatch(name):
            raise ProtocolViolation(f"{name[:80]!r} can't name an execution or a repository.", local=False)
