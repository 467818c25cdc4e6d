"""A project's owner signs what is to be done; a worker that has the owner's public key does nothing else.

A signature is text: ``pullyard-task.1.<payload>.<signature>``, both in base64url. The payload is canonical
JSON with the public key, a nonce, the moment of expiry, and a SHA-256 for each part of the work, so that
whoever checks it can name the part that is not as it was signed. The key is Ed25519 (RFC 8032) and never on
the coordinator. What a part holds is read from the grant; what has its usual value is left out of its digest,
so that a later version of Pullyard with more settings checks an older signature in the same way.
"""

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pullyard.lifecycle.workflows import CODE_CHANGE
from pullyard.protocol import signing
from pullyard.protocol.isolation import Isolation
from pullyard.protocol.signing import canonical, public_text
from pullyard.protocol.web_tokens import decode, encode
from pullyard.protocol.worker import ChangeRules, Grant, TextPolicy

PREFIX = "pullyard-task.1"
MAX_CHARACTERS = 8192
_WISH = (
    *("repository", "title", "description", "acceptance_criteria", "target_files", "base_branch"),
    "repositories",
)
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class SignatureRefused(Exception):
    """Its text is a sentence that says what is wrong and who mends it."""


class Payload(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    key: str
    """The public key, as ``public_text`` writes it."""
    nonce: str
    expires_at: int
    """Seconds since 1970."""
    parts: dict[str, str]
    """SHA-256 in hex, by the names of ``parts_of``."""


def parts_of(grant: Grant) -> dict[str, Any]:
    """Everything in a grant that decides the work, by the name that people are told."""
    task = grant.task
    return {
        "repository": [grant.repository.url, grant.repository.forge],
        "title": task.title,
        "description": task.description,
        "acceptance_criteria": task.acceptance_criteria,
        "target_files": task.target_files,
        "budget_micros": task.budget_micros,
        "base_branch": task.base_branch,
        "agent": sparse(grant.agent),
        "setup_commands": grant.setup_commands,
        "verify_commands": grant.verify_commands,
        "workflow": None if grant.workflow in (None, CODE_CHANGE) else sparse(grant.workflow),
        "isolation": sparse(grant.isolation, Isolation()),
        "text_policy": sparse(grant.text_policy, TextPolicy()),
        "change_rules": sparse(grant.change_rules, ChangeRules()),
        "repositories": [sparse(one) for one in grant.repositories],
        "change": None if grant.change is None else sparse(grant.change),
    }


def digest_of_wish(grant: Grant) -> str:
    """SHA-256 in hex of what the task is and where, without how it is done: the same when it is signed anew.

    A task's id is the coordinator's to choose, so that alone does not say whose saved work is whose.
    """
    parts = parts_of(grant)
    return hashlib.sha256(canonical({name: parts[name] for name in _WISH})).hexdigest()


def sparse(value: Any, usual: Any = None) -> Any:
    """As plain data, without the members of ``value`` that are as in ``usual``, at any depth."""
    return _without(msgspec.to_builtins(value), None if usual is None else msgspec.to_builtins(usual))


def _without(value: Any, usual: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(usual, dict):
        return cast(Any, value)
    given, known = cast(dict[str, Any], value), cast(dict[str, Any], usual)
    return {
        name: _without(one, known.get(name))
        for name, one in given.items()
        if name not in known or one != known[name]
    }


def digests_of(grant: Grant) -> dict[str, str]:
    return {name: hashlib.sha256(canonical(part)).hexdigest() for name, part in parts_of(grant).items()}


def sign(grant: Grant, key: Ed25519PrivateKey, *, nonce: str, expires_at: int) -> str:
    """``grant`` holds the work; who does it and when is no part of it."""
    payload = Payload(
        key=public_text(key.public_key()), nonce=nonce, expires_at=expires_at, parts=digests_of(grant)
    )
    signed = f"{PREFIX}.{encode(canonical(msgspec.to_builtins(payload)))}"
    return f"{signed}.{encode(key.sign(signed.encode()))}"


def check_signature(text: str | None, grant: Grant, keys: Sequence[str], now: float) -> Payload:
    """The payload where one of ``keys`` has signed exactly this work. Raises SignatureRefused.

    Whether the nonce was used before is for the caller to find out.
    """
    if not text:
        raise SignatureRefused(
            "The task is not signed: sign it with 'pullyard sign task' and a key that the policy names."
        )
    payload, signed, signature = read_signature(text)
    if payload.key not in keys:
        raise SignatureRefused(
            f"The task is signed by {payload.key[:60]}, which the worker's policy does not name for this "
            "repository: sign it with another key, or have the worker's owner add it to signed_by."
        )
    try:
        read_public(payload.key).verify(signature, signed)
    except InvalidSignature as error:
        raise SignatureRefused("The task's signature is forged or damaged: sign the task again.") from error
    if payload.expires_at <= now:
        raise SignatureRefused("The task's signature has expired: sign the task again.")
    if changed := differences(payload.parts, digests_of(grant)):
        raise SignatureRefused(
            f"What the coordinator sent is not what was signed; this differs: {', '.join(changed)}. "
            "Look at the task and the project, and sign the task again."
        )
    return payload


def differences(signed: Mapping[str, str], sent: Mapping[str, str]) -> list[str]:
    """The parts that are not the same in both, one that is missing included; names of ours only."""
    known = [name for name in sent if signed.get(name) != sent[name]]
    return [*known, *(["a part that this worker does not know"] if signed.keys() - sent.keys() else [])]


def read_signature(text: str) -> tuple[Payload, bytes, bytes]:
    """The payload, the bytes that were signed, and the signature over them. Nothing is proved by that."""
    head, _, signature = text.rpartition(".")
    prefix, _, body = head.rpartition(".")
    try:
        if len(text) > MAX_CHARACTERS or prefix != PREFIX:
            raise SignatureRefused("The task's signature is of an unknown kind: sign the task again.")
        payload = msgspec.json.decode(decode(body), type=Payload)
        return _checked(payload), head.encode(), decode(signature)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SignatureRefused("The task's signature can't be read: sign the task again.") from error


def _checked(payload: Payload) -> Payload:
    digests = payload.parts.values()
    if not _NONCE.fullmatch(payload.nonce) or not all(_DIGEST.fullmatch(one) for one in digests):
        raise SignatureRefused("The task's signature can't be read: sign the task again.")
    return payload


def read_public(text: str) -> Ed25519PublicKey:
    """As ``signing.read_public``. Raises SignatureRefused."""
    try:
        return signing.read_public(text)
    except ValueError as error:
        raise SignatureRefused(
            f"{text[:60]!r} is no public key: it is what 'pullyard sign keygen' prints, such as ed25519:…"
        ) from error
