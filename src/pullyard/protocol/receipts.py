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

from pullyard.protocol.errors import PullyardError
from pullyard.protocol.signing import canonical, public_text, read_public

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:x-pullyard:receipt:1"
MAX_CHARACTERS = 4 << 20


class ReceiptRefused(PullyardError):
    """It proves nothing; the message is a sentence that says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="receipt-refused")


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
    for text in keys:
        try:
            key = read_public(text)
        except ValueError:
            raise ReceiptRefused(
                f"{text[:60]!r} is no public key: it is what 'pullyard worker show' calls receipt_key."
            ) from None
        for one in envelope.signatures[:10]:
            try:
                key.verify(_decode(one.sig), signed)
            except InvalidSignature:
                continue
            return _read_statement(payload), public_text(key)
    named = next((one.keyid for one in envelope.signatures), "nobody")
    raise ReceiptRefused(
        "The receipt was altered after it was signed, or somebody else signed it: none of the keys that "
        f"are trusted fits (it names {named[:60]!r})."
    )


def named_keys(given: Any) -> list[str]:
    """The keys that the envelope names: whoever made it could name any. Raises ReceiptRefused."""
    envelope, _ = _read(given)
    return [one.keyid for one in envelope.signatures]


def _signed_bytes(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _read(given: Any) -> tuple[Envelope, bytes]:
    try:
        envelope = msgspec.convert(given, Envelope)
        if len(envelope.payload) > MAX_CHARACTERS or envelope.payload_type != PAYLOAD_TYPE:
            raise ReceiptRefused("The receipt is of a kind that this version does not know.")
        return envelope, _decode(envelope.payload)
    except msgspec.ValidationError as error:
        raise ReceiptRefused("This is no signed receipt.") from error


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ReceiptRefused("The receipt is damaged: it is not in base64.") from error


def _read_statement(payload: bytes) -> Statement:
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ReceiptRefused("The receipt is signed, but it can't be read.") from error
    known = statement.type == STATEMENT_TYPE and statement.predicate_type == PREDICATE_TYPE
    if not known or len(statement.subject) != 1:
        raise ReceiptRefused("What is signed is no receipt of a verification.")
    return statement
