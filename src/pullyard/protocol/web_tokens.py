"""Base64 for addresses and headers, without padding (RFC 4648, section 5); JSON Web Tokens, made of it."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises binascii.Error for any other spelling than that of ``encode``."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(data) != text:
        raise binascii.Error("another spelling")
    return data


def web_token(algorithm: str, claims: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """As RFC 7519 has it, in the compact form. ``sign`` is what RFC 7518 says of ``algorithm``."""
    head = {"typ": "JWT", "alg": algorithm}
    signed = ".".join(encode(json.dumps(one, separators=(",", ":")).encode()) for one in (head, claims))
    return f"{signed}.{encode(sign(signed.encode()))}"
