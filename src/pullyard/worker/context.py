"""What the phases of one execution share: the worker's tools, the execution's record, its logs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog

from pullyard.forges.access import Access
from pullyard.git.program import Git
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import CODE_CHANGE, Workflow
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.worker import Allowance, Grant, PublishedChange, RepositoryGrant, Spending
from pullyard.sandboxes.protocol import Mount, Probe, Sandbox, Workspace
from pullyard.telemetry.tracer import NoTracer, Tracer, root_of
from pullyard.worker import trees
from pullyard.worker.answers import Answers
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.copies import REPOSITORIES, Copy
from pullyard.worker.deadline import Deadline
from pullyard.worker.gateway.counts import Counts
from pullyard.worker.gateway.pinned import Dialer
from pullyard.worker.gateway.share import PATIENCE_SECONDS, Share
from pullyard.worker.gateway.upstream import Upstream
from pullyard.worker.gateway.windows import Windows
from pullyard.worker.images.supply import ImageSupply
from pullyard.worker.journal import CopyRecord, Journal, Record
from pullyard.worker.lease import Lease
from pullyard.worker.logs import LogFile
from pullyard.worker.masking import Masker
from pullyard.worker.mirrors import Mirrors
from pullyard.worker.network import Network, bound_of, network_of
from pullyard.worker.policy.decide import Decider, Permit
from pullyard.worker.policy.model import default_policy
from pullyard.worker.receipt_key import ReceiptKey
from pullyard.worker.sandbox_choice import SandboxChoice
from pullyard.worker.sealed_keys import SealedKeys
from pullyard.worker.settings import WorkerSettings
from pullyard.worker.spending import ask_for_more
from pullyard.worker.stop import Stop
from pullyard.worker.workspaces import Workspaces

logger = structlog.get_logger(__name__)

KEPT_LOGS = "logs"
KEPT_LOGS_COUNT = 200


@dataclass(frozen=True)
class Tools:
    """Made once a worker, shared by its executions."""

    settings: WorkerSettings
    client: CoordinatorClient
    lease: Lease
    git: Git
    mirrors: Mirrors
    workspaces: Workspaces
    sandboxes: SandboxChoice
    """As they were found to be when the worker started."""
    upstream: Upstream
    receipt_key: ReceiptKey
    images: ImageSupply | None = None
    """None where no backend has images."""
    dialer: Dialer = field(default_factory=Dialer)
    access: Access = field(default_factory=Access)
    """To the forges."""
    tracer: Tracer = field(default_factory=NoTracer)
    sealed_keys: SealedKeys = field(default_factory=SealedKeys)
    """Providers' keys of other people."""
    windows: Windows = field(default_factory=Windows)
    """The providers' limits on its credentials."""
    masker: Masker = field(default_factory=Masker)
    """Of what is printed and told, before it leaves."""
    decider: Decider = field(default_factory=lambda: Decider(default_policy(local_repositories=True)))
    """What the worker's owner allows."""


@dataclass(frozen=True)
class TakenImage:
    id: str
    environment: Mapping[str, str]
    setup: list[list[str]]


@dataclass
class Context:
    tools: Tools
    journal: Journal
    stop: Stop
    copies: list[Copy] = field(init=False)
    """The project's own first."""
    facts: dict[str, Any] = field(default_factory=dict)
    changes: list[PublishedChange] = field(default_factory=list[PublishedChange])
    """What was published, for the finish."""
    answers: Answers = field(default_factory=Answers)
    deadline: Deadline = field(init=False)
    """Of the step that runs."""
    quota_seconds: float = 0.0
    """Until the provider's limit ends that the agent ended of."""
    share: Share = field(init=False)
    """Of what the coordinator lets it spend."""
    image: TakenImage | None = None
    """Set before the first sandbox; stays None for backends without images."""

    permit: Permit = field(init=False)
    """What was sent, until the owner's policy has decided."""

    def __post_init__(self) -> None:
        self.permit = Permit(self.record.grant)
        self.deadline = Deadline(PATIENCE_SECONDS + self.tools.settings.quota_wait_seconds)
        self.share = Share(self._ask_coordinator, hold_clock=self.deadline.held)
        grant, record = self.grant, self.record
        own = Copy(
            name=None,
            url=grant.repository.url,
            forge=grant.repository.forge,
            wanted_branch=grant.task.base_branch,
            verify_commands=grant.verify_commands,
            record=record,
            directory=self.directory,
        )
        self.copies = [own, *(self._further(one) for one in grant.repositories)]

    def _further(self, repository: RepositoryGrant) -> Copy:
        return Copy(
            name=repository.name,
            url=repository.url,
            forge=repository.forge,
            wanted_branch=repository.base_branch,
            verify_commands=repository.verify_commands,
            record=self.record.others.setdefault(repository.name, CopyRecord()),
            directory=self.directory / REPOSITORIES / repository.name,
        )

    async def _ask_coordinator(self, spending: Spending, *, asks: bool) -> Allowance:
        node = self.record.nodes[-1]
        return await ask_for_more(self.tools.client, self.record.grant, node, spending, asks=asks)

    def ask_policy(self) -> PullyardError | OSError | None:
        """Bring the grant within what the worker's owner allows; what forbids it is returned.

        It is asked again after a restart, and then an expiry meanwhile does not matter.
        """
        record, decider = self.record, self.tools.decider
        now = record.begun_at if record.nodes else None
        try:
            self.permit = decider.permit(record.grant, now=now)
        except (PullyardError, OSError) as error:
            self.permit = decider.nothing(record.grant)
            return error
        return None

    @property
    def probe(self) -> Probe:
        """What the execution's kind of sandbox was measured to be."""
        return self.tools.sandboxes.probe(self.grant.isolation.sandbox)

    @cached_property
    def network(self) -> Network:
        """What its commands may reach, the same in every phase."""
        bound = bound_of(self.tools.settings)
        counts = Counts(hosts=self.record.network)
        network = network_of(
            self.grant, self.probe.name, self.tools.dialer, bound, counts=counts, facts=self.facts
        )
        return replace(network, own=self.image.environment) if self.image else network

    @property
    def setup_commands(self) -> list[list[str]]:
        """The project's; where it has none, those of the repository's devcontainer.json."""
        return self.grant.setup_commands or (self.image.setup if self.image else [])

    def sandbox(self, workspace: Workspace, mounts: Sequence[Mount] = (), *, reused: bool = False) -> Sandbox:
        """Not provisioned yet: see ``opened_sandbox``. ``reused``: in the project's own environment, where it
        wants one; what is verified or saved must not depend on what is in there.
        """
        return self.tools.sandboxes.make(
            self.grant.isolation.sandbox,
            workspace,
            mounts,
            uid=self.uid,
            owner=self.grant.execution_id,
            image=self.image.id if self.image else None,
            project=self.grant.project_id if reused else None,
        )

    @property
    def main(self) -> Copy:
        return self.copies[0]

    @property
    def changed(self) -> list[Copy]:
        """The copies that hold something to deliver."""
        return [copy for copy in self.copies if copy.record.harvested is not None]

    @property
    def protected(self) -> list[str]:
        """What the work touches of the paths that a person must look at, for people; see the harvest."""
        return [
            f"{copy.name}:{path}" if copy.name else path
            for copy in self.changed
            if copy.record.harvested is not None
            for path in copy.record.harvested.protected
        ]

    @property
    def conflicts(self) -> list[str]:
        """Files that the merge which is under way could not put together, for people."""
        return [path for copy in self.copies if copy.record.merging for path in copy.record.merging.conflicts]

    @property
    def uid(self) -> int | None:
        """The slot's account, where the worker is root."""
        return self.tools.settings.first_uid + self.record.slot if os.geteuid() == 0 else None

    @property
    def record(self) -> Record:
        return self.journal.record

    @property
    def grant(self) -> Grant:
        """Within what the worker's owner allows, once that is decided; the record keeps it as it was sent."""
        return self.permit.grant

    @property
    def workflow(self) -> Workflow:
        return self.grant.workflow or CODE_CHANGE

    @property
    def traceparent(self) -> str:
        """Of the execution's first span; an older coordinator leaves it to be worked out."""
        return self.grant.traceparent or root_of(self.grant.correlation_id)

    @property
    def directory(self) -> Path:
        return self.journal.directory

    def log(self, phase: Phase) -> LogFile:
        return LogFile(self.directory / "logs", phase.value, self.tools.settings.output_limit_bytes)

    def told_directory(self) -> Path:
        """Where the log lies that the coordinator is sent: all of it, or one line where logs stay at home."""
        if self.grant.text_policy.logs:
            return self.directory / "logs"
        told = self.directory / "told"
        told.mkdir(exist_ok=True)
        notice = LogFile(told, Phase.PREPARE)
        if not notice.size_bytes:
            notice.line(f"These logs stay on their worker, below {KEPT_LOGS}/ of its data directory.")
        return told

    def close(self) -> None:
        """Forget the execution, but for work that nobody else has."""
        for copy in self.copies:
            for place in (copy.agent_directory, copy.verify_directory):
                self.tools.workspaces.release(place)
        if not self.grant.text_policy.logs:
            keep_logs(self.directory, self.tools.settings.data_directory / KEPT_LOGS)
        if self.record.unsaved:
            self.journal.keep()
        else:
            self.journal.remove()
        try:
            self.tools.workspaces.collect()
        except OSError as error:
            logger.warning("the quota of checkouts is not kept", problem=str(error))


def keep_logs(directory: Path, kept: Path) -> None:
    """Move an execution's logs to where its owner finds them; only the newest executions' are kept."""
    kept.mkdir(exist_ok=True)
    # A directory that was kept has been here before.
    if not (kept / directory.name).exists():
        (directory / "logs").rename(kept / directory.name)
    for old in sorted(kept.iterdir())[:-KEPT_LOGS_COUNT]:
        trees.remove(old)
