"""The key that a worker signs its receipts with: made at its first start, and never sent anywhere."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pullyard.files.writes import replace_file
from pullyard.protocol.errors import RequestError
from pullyard.protocol.signing import public_text

NAME = "receipt-key.pem"
"""In the worker's data directory, readable by its owner alone; PKCS #8, so that openssl reads it too."""
MAX_BYTES = 4096


class ReceiptKey:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = public_text(key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def load_key(data_directory: Path) -> ReceiptKey:
    """Under the lock of the data directory. Raises RequestError where the file holds no such key."""
    path = data_directory / NAME
    key = _read(path)
    if key is None:
        key = Ed25519PrivateKey.generate()
        replace_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    # A copy that was put back may have come with another mode.
    path.chmod(0o600)
    return ReceiptKey(key)


def show_key(data_directory: Path) -> str:
    """The public one, as ``signing.public_text`` writes it. Raises RequestError where there is none yet."""
    path = data_directory / NAME
    key = _read(path)
    if key is None:
        raise RequestError(f"There is no {path} yet: the worker makes it at its first start.")
    return public_text(key.public_key())


def _read(path: Path) -> Ed25519PrivateKey | None:
    try:
        with path.open("rb") as file:
            key = load_pem_private_key(file.read(MAX_BYTES), password=None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RequestError(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(path)
    return key


def _unusable(path: Path) -> RequestError:
    return RequestError(
        f"{path} holds no Ed25519 key: put the worker's own back, or move the file away for a new one.",
        code="receipt-key-damaged",
    )
