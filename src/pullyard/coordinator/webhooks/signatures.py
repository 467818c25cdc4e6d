"""Whether bytes were signed with a secret."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256


def is_hex_signature(headers: Mapping[str, str], names: tuple[str, ...], body: bytes, secret: str) -> bool:
    """By the first of the headers that is there; ``sha256=`` may stand before the digits."""
    given = next((headers[name] for name in names if name in headers), "")
    wanted = hmac.new(secret.encode(), body, sha256).hexdigest()
    return same(given.removeprefix("sha256="), wanted)


def is_standard_signature(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """As standardwebhooks.com has it: of id, time and body, with a key that is written in base64."""
    signed = f"{headers.get('webhook-id', '')}.{headers.get('webhook-timestamp', '')}.".encode() + body
    given = headers.get("webhook-signature", "").split()[:10]
    wanted = [
        "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode() for key in keys_of(secret)
    ]
    return any([same(one, other) for one in given for other in wanted])


def keys_of(secret: str) -> list[bytes]:
    """What a forge may have made of the secret that it was given: its bytes, or those that it spells."""
    keys = [secret.encode()]
    try:
        keys.append(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return keys
    return keys


def same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
