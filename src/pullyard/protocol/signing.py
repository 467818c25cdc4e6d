"""Ed25519 (RFC 8032) as text, and the one spelling of a JSON document that is signed."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_PREFIX = "ed25519:"
_EXACT_FLOATS = 2**53


def canonical(value: Any) -> bytes:
    """JSON with sorted names, no spaces, only ASCII and one spelling for each number (as RFC 8785 has it)."""
    return json.dumps(
        _one_spelling(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def _one_spelling(value: Any) -> Any:
    """A whole number may come as ``2`` or as ``2.0``, depending on who wrote it down."""
    match value:
        case float() if value.is_integer() and abs(value) < _EXACT_FLOATS:
            return int(value)
        case dict():
            return {str(name): _one_spelling(one) for name, one in cast(dict[Any, Any], value).items()}
        case list() | tuple():
            return [_one_spelling(one) for one in cast(Sequence[Any], value)]
        case _:
            return value


def public_text(key: Ed25519PublicKey) -> str:
    """Such as ``ed25519:`` and the 32 bytes of the key in base64."""
    return KEY_PREFIX + base64.b64encode(key.public_bytes_raw()).decode()


def read_public(text: str) -> Ed25519PublicKey:
    """Raises ValueError for anything but what ``public_text`` writes."""
    try:
        key = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
        )
    except (ValueError, binascii.Error) as error:
        raise ValueError(text) from error
    if public_text(key) != text:
        raise ValueError(text)
    return key
