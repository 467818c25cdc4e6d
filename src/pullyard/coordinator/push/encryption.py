"""Messages that only the device can read (RFC 8291), and our name to its push service (RFC 8292).

By no library: pywebpush sends by itself, without a look at where, and brings two HTTP clients for that;
http-ece, which it goes by, comes as source alone, and cuts what is too long into records no browser takes.
"""

import os
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pullyard.protocol.errors import RequestError
from pullyard.protocol.web_tokens import decode, encode, web_token

CURVE = ec.SECP256R1()
RECORD_BYTES = 4096
"""What every push service takes; the padding's mark, the seal and the header are part of it."""
PLAIN_BYTES = 3993
"""The longest message (RFC 8291, section 4)."""
TOKEN_SECONDS = 12 * 3600
"""A push service takes no more than a day."""


def new_key() -> str:
    """The private key of an installation, for ``read_key``."""
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    return encode(number.to_bytes(32, "big"))


def read_key(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decode(text), "big"), CURVE)


def read_keys(p256dh: str, auth: str) -> tuple[ec.EllipticCurvePublicKey, bytes]:
    """Of a device, as its browser has them, with padding or without. Raises RequestError."""
    try:
        point_bytes, secret = (decode(text.rstrip("=")) for text in (p256dh, auth))
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point_bytes), secret
    except ValueError as error:
        raise RequestError("The device's keys are none of a browser's.", code="invalid-push-key") from error


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(message: bytes, p256dh: str, auth: str) -> bytes:
    """A body in the coding ``aes128gcm``. ``message`` has at most PLAIN_BYTES. Raises RequestError."""
    theirs, secret = read_keys(p256dh, auth)
    return sealed(message, theirs, secret, ec.generate_private_key(CURVE), os.urandom(16))


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
    token = web_token("ES256", claims, lambda signed: _signature(key, signed))
    return f"vapid t={token}, k={encode(point(key.public_key()))}"


def _signature(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
