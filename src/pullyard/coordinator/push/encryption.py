"""Messages that only the device can read (RFC 8291), and our name to its push service (RFC 8292)."""

import base64
import json
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pullyard.protocol.errors import RequestError

CURVE = ec.SECP256R1()
RECORD_BYTES = 4096
"""What every push service takes; the padding's mark, the seal and the header are part of it."""
PLAIN_BYTES = 3993
"""The longest message (RFC 8291, section 4)."""
TOKEN_SECONDS = 12 * 3600
"""A push service takes no more than a day."""


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key() -> str:
    """The private key of an installation, for ``read_key``."""
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    return encode(number.to_bytes(32, "big"))


def read_key(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decode(text), "big"), CURVE)


def read_public(p256dh: str) -> ec.EllipticCurvePublicKey:
    """Raises RequestError where it is no point of the curve."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decode(p256dh))
    except ValueError as error:
        raise RequestError("The device's key is no point of P-256.", code="invalid-push-key") from error


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(message: bytes, p256dh: str, auth: str) -> bytes:
    """A body in the coding ``aes128gcm``. ``message`` has at most PLAIN_BYTES. Raises RequestError."""
    theirs = read_public(p256dh)
    return sealed(message, theirs, decode(auth), ec.generate_private_key(CURVE), os.urandom(16))


def sealed(
    message: bytes,
    theirs: ec.EllipticCurvePublicKey,
    auth: bytes,
    mine: ec.EllipticCurvePrivateKey,
    salt: bytes,
) -> bytes:
    """As ``encrypt``; ``mine`` and ``salt`` are of this one message."""
    assert len(message) <= PLAIN_BYTES
    sender = point(mine.public_key())
    info = b"WebPush: info\0" + point(theirs) + sender
    secret = _derived(mine.exchange(ec.ECDH(), theirs), salt=auth, info=info, length=32)
    key = _derived(secret, salt=salt, info=b"Content-Encoding: aes128gcm\0", length=16)
    nonce = _derived(secret, salt=salt, info=b"Content-Encoding: nonce\0", length=12)
    header = salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(sender)]) + sender
    # The mark of the last record.
    return header + AESGCM(key).encrypt(nonce, message + b"\x02", None)


def _derived(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


def authorization(key: ec.EllipticCurvePrivateKey, endpoint: str, contact: str, now: float) -> str:
    """The header's value for one push service. ``contact`` is a ``mailto:`` or ``https:`` address."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int(now) + TOKEN_SECONDS, "sub": contact}
    signed = f"{_json({'typ': 'JWT', 'alg': 'ES256'})}.{_json(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    signature = encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={signed}.{signature}, k={encode(point(key.public_key()))}"


def _json(value: Mapping[str, object]) -> str:
    return encode(json.dumps(value, separators=(",", ":")).encode())
