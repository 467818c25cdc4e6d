"""A receipt as its worker signed it: an in-toto statement in a DSSE envelope.

The payload is text that nobody between the worker and the reader has to understand, so it arrives as it was
signed. https://github.com/secure-systems-lab/dsse and https://github.com/in-toto/attestation describe both.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pullyard.protocol.errors import PullyardError
from pullyard.protocol.signing import canonical, read_public

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:x-pullyard:receipt:1"
MAX_CHARACTERS = 4 << 20
MAX_SIGNATURES = 10
DAMAGED = "The receipt is damaged: copy all of it, and nothing else."


class ReceiptRefused(PullyardError):
    """It proves nothing; the message is a sentence that says why.

    ``code`` tells ``receipt-altered``, ``receipt-key-unknown`` (intact, and signed by nobody who is trusted)
    and ``receipt-key-wrong`` (what was trusted is no key) from all else that is no receipt.
    """

    def __init__(self, message: str, *, code: str = "receipt-refused") -> None:
        super().__init__(message, code=code)


class KeySignature(msgspec.Struct, kw_only=True):
    keyid: str
    """The public key, as ``signing.public_text`` writes it. A hint: whom to trust is the reader's choice."""
    sig: str
    """In base64."""


class Envelope(msgspec.Struct, kw_only=True, rename="camel"):
    payload_type: str
    payload: str
    """The statement's canonical JSON in base64."""
    signatures: list[KeySignature]


class Digest(msgspec.Struct, kw_only=True, rename="camel"):
    git_commit: str
    git_tree: str


class Subject(msgspec.Struct, kw_only=True):
    digest: Digest


class Statement(msgspec.Struct, kw_only=True, rename="camel"):
    type: str = msgspec.field(default=STATEMENT_TYPE, name="_type")
    subject: list[Subject]
    predicate_type: str = PREDICATE_TYPE
    predicate: dict[str, Any]
    """The fields of ``protocol.worker.Receipt``, and ``execution_id``, ``task_id`` and ``repository``."""

    @property
    def commit(self) -> str:
        return self.subject[0].digest.git_commit

    @property
    def tree(self) -> str:
        return self.subject[0].digest.git_tree


def seal(statement: Statement, key: str, sign: Callable[[bytes], bytes]) -> Envelope:
    """``key`` is the public one in text; ``sign`` makes a signature of 64 bytes."""
    payload = canonical(msgspec.to_builtins(statement))
    signature = sign(_signed_bytes(PAYLOAD_TYPE, payload))
    return Envelope(
        payload_type=PAYLOAD_TYPE,
        payload=base64.b64encode(payload).decode(),
        signatures=[KeySignature(keyid=key, sig=base64.b64encode(signature).decode())],
    )


def open_envelope(given: Any, keys: Sequence[str]) -> tuple[Statement, str]:
    """What one of ``keys`` has signed, and which. Raises ReceiptRefused, whatever the bytes.

    ``given`` is an Envelope as plain data. A key is as ``signing.public_text`` writes it.
    """
    envelope, payload = _read(given)
    signed = _signed_bytes(envelope.payload_type, payload)
    signatures = [_decode(one.sig) for one in envelope.signatures]
    for text in keys:
        key = _trusted(text)
        if any(_fits(key, signature, signed) for signature in signatures):
            return _read_statement(payload), text
    for text, signature in zip(named_keys(given), signatures, strict=True):
        if (key := _key_of(text)) and _fits(key, signature, signed):
            raise ReceiptRefused(
                f"The receipt is signed with {text}, and that is none of the keys that are trusted: "
                "ask the worker's owner whether it is theirs, and name it with --key.",
                code="receipt-key-unknown",
            )
    raise ReceiptRefused(
        "The receipt was altered after it was signed: what it says is not what its key has signed.",
        code="receipt-altered",
    )


def named_keys(given: Any) -> list[str]:
    """The keys that the envelope names: whoever made it could name any. Raises ReceiptRefused."""
    envelope, _ = _read(given)
    return [one.keyid for one in envelope.signatures]


def _trusted(text: str) -> Ed25519PublicKey:
    key = _key_of(text)
    if key is None:
        raise ReceiptRefused(
            f"{text[:60]!r} is no public key: 'pullyard receipt key' shows that of a machine's worker.",
            code="receipt-key-wrong",
        )
    return key


def _key_of(text: str) -> Ed25519PublicKey | None:
    try:
        return read_public(text)
    except ValueError:
        return None


def _fits(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _signed_bytes(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _read(given: Any) -> tuple[Envelope, bytes]:
    try:
        envelope = msgspec.convert(given, Envelope)
    except msgspec.ValidationError as error:
        raise ReceiptRefused("This is no signed receipt.") from error
    if len(envelope.payload) > MAX_CHARACTERS or envelope.payload_type != PAYLOAD_TYPE:
        raise ReceiptRefused("The receipt is of a kind that this version does not know.")
    if not 1 <= len(envelope.signatures) <= MAX_SIGNATURES:
        raise ReceiptRefused(
            f"The receipt has {len(envelope.signatures)} signatures, and a worker makes one: copy it anew."
        )
    return envelope, _decode(envelope.payload)


def _decode(text: str) -> bytes:
    """One spelling only, so that no letter of a receipt can be another one."""
    try:
        content = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ReceiptRefused(DAMAGED) from error
    if base64.b64encode(content).decode() != text:
        raise ReceiptRefused(DAMAGED)
    return content


def _read_statement(payload: bytes) -> Statement:
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ReceiptRefused("The receipt is signed, but it can't be read.") from error
    known = statement.type == STATEMENT_TYPE and statement.predicate_type == PREDICATE_TYPE
    if not known or len(statement.subject) != 1:
        raise ReceiptRefused("What is signed is no receipt of a verification.")
    return statement
