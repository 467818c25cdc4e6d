"""Keys that people sealed to this worker: opened here, and held in its gateway's memory alone."""

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from nacl.public import PrivateKey
from pydantic import SecretStr

from pullyard.files.writes import replace_file
from pullyard.lifecycle.ids import Kind, is_id
from pullyard.protocol.errors import RequestError
from pullyard.protocol.sealing import public_text, unseal
from pullyard.protocol.worker import Grant, KeyRequest
from pullyard.worker.client import CoordinatorClient, until_answered
from pullyard.worker.gateway.upstream import ProviderSettings, Upstream

NAME = "sealing-key"
"""In the worker's data directory, readable by its owner alone: 32 bytes. A pool's workers may share one."""

logger = structlog.get_logger(__name__)


@dataclass
class SealedKeys:
    """``private`` None: this worker takes no keys of others."""

    private: PrivateKey | None = None
    opened: set[str] = field(default_factory=set[str], repr=False)
    """To be masked in what leaves the worker."""

    @property
    def public(self) -> str | None:
        return None if self.private is None else public_text(self.private.public_key)

    async def for_execution(
        self, client: CoordinatorClient, grant: Grant, upstream: Upstream, name: str
    ) -> Upstream:
        """The same way with the key for this execution; unchanged where there is none."""
        if self.private is None or self.public is None:
            return upstream
        wish = KeyRequest(fence=grant.fence, provider=name, sealing_key=self.public)
        try:
            answer = await until_answered(lambda: client.key(grant.execution_id, wish))
        except RequestError as error:
            logger.warning("no sealed key is to be had", problem=error.message, code=error.code)
            return upstream
        if not answer.box:
            return upstream
        key = unseal(answer.box, name, self.private)
        if key is None:
            logger.warning("a sealed key can't be opened, the worker's own is used", key_id=answer.id[:60])
            return upstream
        self.opened.add(key)
        chosen = upstream.settings.get(name, ProviderSettings())
        credential = answer.id if is_id(answer.id, Kind.KEY) else NAME
        own = replace(chosen, key=SecretStr(key), source=None, keyless=False, credential=credential)
        return upstream.changed(name, own)


def load_sealing_key(data_directory: Path, file: Path | None) -> PrivateKey:
    """Made where it is not there yet. Raises RequestError where the file holds none."""
    path = file or data_directory / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        key = PrivateKey.generate()
        replace_file(path, bytes(key))
        path.chmod(0o600)
        return key
    except OSError as error:
        raise RequestError(f"{path} can't be read: {error.strerror}.") from error
    if len(data) != PrivateKey.SIZE:
        raise RequestError(
            f"{path} holds no sealing key of {PrivateKey.SIZE} bytes: move it away for a new one."
        )
    with suppress(OSError):
        os.chmod(path, 0o600)
    return PrivateKey(data)
