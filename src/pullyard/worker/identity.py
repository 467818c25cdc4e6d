"""Who the worker is to its coordinator: enrolment once, then a short-lived credential, renewed in time."""

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog

from pullyard import __version__
from pullyard.files.writes import replace_file
from pullyard.protocol.enrolment import Connected, ConnectRequest, EnrolRequest
from pullyard.protocol.errors import RequestError
from pullyard.protocol.versions import OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION
from pullyard.worker.client import CoordinatorClient, CredentialRefused, until_answered
from pullyard.worker.offer import Offer
from pullyard.worker.settings import WorkerSettings

logger = structlog.get_logger(__name__)

LONGEST_UNRENEWED_SECONDS = 3600.0
REFUSED_PAUSE_SECONDS = 30.0
VERSIONS = list(range(OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION + 1))


class Stored(msgspec.Struct, kw_only=True):
    """The file ``identity.json`` in the worker's data directory, readable by its owner alone."""

    coordinator_url: str
    worker_id: str
    credential: str
    renew_at: float
    """Wall clock, only a hint when to ask: the coordinator alone decides what is expired."""


class Identity:
    def __init__(
        self,
        settings: WorkerSettings,
        client: CoordinatorClient,
        facts: dict[str, Any],
        offer: Offer,
    ) -> None:
        self._settings = settings
        self._offer = offer
        self._client = client
        self._facts = facts
        self._path = settings.data_directory / "identity.json"
        self._worker_id = ""

    async def connect(self) -> Connected:
        """Connect with the stored credential, or enrol. Waits while the coordinator is away.

        Raises RequestError where the coordinator refuses: no token, an expired one, a protocol too old.
        """
        stored = _load(self._path)
        if stored and same_coordinator(stored.coordinator_url, self._settings.coordinator_url):
            self._client.credential = stored.credential
            self._worker_id = stored.worker_id
            try:
                return await until_answered(self._connect)
            except CredentialRefused:
                logger.warning("credential refused, enrolling again", worker_id=stored.worker_id)
        return await until_answered(self._enrol)

    async def _connect(self) -> Connected:
        described = self._described()
        connected = await self._client.connect(ConnectRequest(**described))
        self._offer.told(described["labels"])
        return connected

    async def _enrol(self) -> Connected:
        token = self._settings.enrolment_token
        if token is None:
            raise RequestError(
                "This worker is not enrolled: make a token with 'pullyard token create --enrolment' and pass "
                "it as PULLYARD_WORKER_ENROLMENT_TOKEN.",
                code="not-enrolled",
            )
        described = self._described()
        enrolment = await self._client.enrol(
            token.get_secret_value(), EnrolRequest(name=self._settings.name, **described)
        )
        self._offer.told(described["labels"])
        self._keep(enrolment.worker_id, enrolment.credential, enrolment.credential_seconds)
        return enrolment

    def _described(self) -> dict[str, Any]:
        """What each of its requests tells of this worker."""
        return {
            "protocol_versions": VERSIONS,
            "software_version": __version__,
            "labels": self._offer.labels(),
            "slots": self._settings.slots,
            "arch": self._settings.arch,
            "facts": self._facts,
        }

    async def keep_fresh(self) -> None:
        """Renew the credential at half its life, for ever."""
        stored = _load(self._path)
        pause = (stored.renew_at if stored else 0.0) - time.time()
        while True:
            # A wall clock that was set back must not make this oversleep the credential's life.
            await asyncio.sleep(min(max(1.0, pause), LONGEST_UNRENEWED_SECONDS))
            asked_as = self._worker_id
            try:
                answer = await until_answered(self._client.renew)
            except CredentialRefused as refused:
                # The claim is refused too, and enrols again; then there is something to renew.
                logger.warning("credential not renewed", problem=refused.message)
                pause = REFUSED_PAUSE_SECONDS
                continue
            if asked_as != self._worker_id:
                # Enrolled again meanwhile: this answer is of the worker that it was before.
                continue
            self._keep(asked_as, answer.credential, answer.credential_seconds)
            pause = answer.credential_seconds / 2

    def _keep(self, worker_id: str, credential: str, seconds: int) -> None:
        self._client.credential = credential
        self._worker_id = worker_id
        stored = Stored(
            coordinator_url=self._settings.coordinator_url,
            worker_id=worker_id,
            credential=credential,
            renew_at=time.time() + seconds / 2,
        )
        replace_file(self._path, msgspec.json.encode(stored))


def same_coordinator(known: str, configured: str) -> bool:
    """A credential is shown to no other coordinator; on this machine the port may have changed."""
    hosts = {urlsplit(known).hostname, urlsplit(configured).hostname}
    return known == configured or hosts <= {"127.0.0.1", "localhost", "::1"}


def _load(path: Path) -> Stored | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stored)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
