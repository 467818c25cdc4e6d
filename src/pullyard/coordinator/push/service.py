"""One message to one device's push service."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from pullyard.coordinator.push.encryption import authorization, encrypt
from pullyard.forges.sites import Site
from pullyard.forges.transport import JudgedTransport, proxy_for
from pullyard.git.errors import RepositoryUnreachable
from pullyard.git.reach import Reach
from pullyard.protocol.errors import RequestError
from pullyard.protocol.public_addresses import PrivatePlace

SECONDS = 15.0
KEPT_SECONDS = 86_400
"""So long a push service keeps what a device that is off has not had."""
GONE = frozenset({404, 410})
LATER = frozenset({408, 425, 429})


class Outcome(Enum):
    TAKEN = auto()
    LATER = auto()
    REFUSED = auto()
    GONE = auto()
    """The device takes no messages any more."""


@dataclass(frozen=True)
class Sender:
    """``contact`` is whom a push service may turn to; ``private`` is where else one may be."""

    key: ec.EllipticCurvePrivateKey
    contact: str
    private: Sequence[PrivatePlace] = ()

    async def send(self, endpoint: str, p256dh: str, auth: str, message: bytes) -> tuple[Outcome, str]:
        """What became of it, and a sentence where it was not taken."""
        try:
            body = encrypt(message, p256dh, auth)
        except RequestError:
            return Outcome.REFUSED, "Its keys are none of a browser's."
        headers = {
            "authorization": authorization(self.key, endpoint, self.contact, time.time()),
            "content-encoding": "aes128gcm",
            "ttl": str(KEPT_SECONDS),
            "urgency": "high",
        }
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._client(endpoint) as client,
                client.stream("POST", endpoint, content=body, headers=headers) as answer,
            ):
                return judged(answer.status_code)
        except RequestError:
            return Outcome.REFUSED, (
                "Its push service is at a private address, which push_allow_private does not name."
            )
        except (httpx.HTTPError, httpx.InvalidURL, RepositoryUnreachable, TimeoutError, ssl.SSLError):
            return Outcome.LATER, "Its push service can't be reached."

    def _client(self, endpoint: str) -> httpx.AsyncClient:
        """Of this one message: a connection that was judged for one name serves no other."""
        proxy = proxy_for(endpoint, Site())
        inner = httpx.AsyncHTTPTransport(verify=_trust(), proxy=proxy)
        transport = JudgedTransport(inner, Reach(private=self.private), proxied=proxy is not None)
        return httpx.AsyncClient(
            transport=transport, timeout=SECONDS, follow_redirects=False, trust_env=False
        )


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def judged(status: int) -> tuple[Outcome, str]:
    if httpx.codes.is_success(status):
        return Outcome.TAKEN, ""
    if status in GONE:
        return Outcome.GONE, ""
    later = status in LATER or httpx.codes.is_server_error(status)
    return (Outcome.LATER if later else Outcome.REFUSED), f"Its push service answered {status}."
