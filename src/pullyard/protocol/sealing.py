"""Sealed boxes, as libsodium makes them: whoever has the public key can seal, only the private one opens."""

import base64
import binascii

import msgspec
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from pullyard.protocol.errors import RequestError

PREFIX = "x25519:"
MOST_CHARACTERS = 8192


class Sealed(msgspec.Struct, forbid_unknown_fields=True):
    """What is in the box. It names the provider, so that nobody can have a key sent to another one."""

    provider: str
    key: str


def public_text(key: PublicKey) -> str:
    return PREFIX + base64.b64encode(bytes(key)).decode()


def read_public(text: str) -> PublicKey:
    """Raises RequestError."""
    try:
        return PublicKey(base64.b64decode(text.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError, TypeError, CryptoError) as error:
        raise RequestError(f"{text[:80]!r} is no sealing key: it begins with {PREFIX}.") from error


def seal(provider: str, key: str, public: str) -> str:
    """In base64. Raises RequestError for a public key that is none."""
    plain = msgspec.json.encode(Sealed(provider=provider, key=key))
    return base64.b64encode(SealedBox(read_public(public)).encrypt(plain)).decode()


def unseal(box: str, provider: str, private: PrivateKey) -> str | None:
    """The key; None where the box is not for this worker, or not for this provider."""
    try:
        plain = SealedBox(private).decrypt(base64.b64decode(box[: 2 * MOST_CHARACTERS], validate=True))
        sealed = msgspec.json.decode(plain, type=Sealed)
    except (binascii.Error, ValueError, CryptoError, msgspec.DecodeError):
        return None
    return sealed.key if sealed.provider == provider and sealed.key else None
