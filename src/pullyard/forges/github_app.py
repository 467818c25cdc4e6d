"""A GitHub App's way in: a signed statement of who it is, for a token of one hour and one repository."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from pullyard.forges.api import Api
from pullyard.forges.errors import ForgeNotConfigured
from pullyard.forges.sites import App, Place
from pullyard.protocol.web_tokens import web_token

STATEMENT_SECONDS = 540
EARLY_SECONDS = 300.0
"""A token is not used for its last minutes: what begins with it also has to end with it."""


class _Installation(Struct):
    id: int


class _Token(Struct):
    token: str
    expires_at: datetime


@dataclass
class AppTokens:
    """One token for each repository, made anew before it expires."""

    app: App
    _held: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]], repr=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def held(self) -> set[str]:
        return {token for token, _ in self._held.values()}

    async def token(self, api: Api, place: Place) -> str:
        """``api`` shows itself by ``statement``. Raises what ``Api.ask`` does."""
        async with self._turn:
            token, until = self._held.get(place.path, ("", 0.0))
            if time.time() < until - EARLY_SECONDS:
                return token
            number = self.app.installation
            if number is None:
                number = (await api.ask("GET", f"/repos/{place.path}/installation", _Installation)).id
            wish = {"repositories": [place.path.rpartition("/")[2]]}
            # Two tokens harm nobody, so a lost answer is simply asked for again.
            made = await api.ask(
                "POST", f"/app/installations/{number}/access_tokens", _Token, body=wish, repeatable=True
            )
            self._held[place.path] = (made.token, made.expires_at.timestamp())
            return made.token


def statement(app: App, now: float) -> str:
    """A JSON Web Token (RFC 7519), signed with RS256. Raises ForgeNotConfigured for a key that is none."""
    try:
        key = load_pem_private_key(app.key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ForgeNotConfigured("The GitHub App's private key can't be read: give it as PEM.") from error
    if not isinstance(key, RSAPrivateKey):
        raise ForgeNotConfigured("The GitHub App's private key is no RSA key: make one on the App's page.")
    # A minute back, for clocks that differ.
    claims = {"iat": int(now) - 60, "exp": int(now) + STATEMENT_SECONDS, "iss": app.id}
    return web_token("RS256", claims, lambda signed: key.sign(signed, PKCS1v15(), hashes.SHA256()))
