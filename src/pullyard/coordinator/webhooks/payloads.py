"""What payloads of several forges have in common."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import msgspec

from pullyard.coordinator.webhooks.protocol import Nothing, Subject, Touched

FORM_FIELDS = 10


def json_of(body: bytes) -> bytes:
    """GitHub and Gitea send a form, too, where somebody left it so; its ``payload`` is the JSON."""
    if not body.startswith(b"payload="):
        return body
    try:
        fields = dict(parse_qsl(body.decode("ascii"), max_num_fields=FORM_FIELDS, errors="strict"))
    except ValueError as error:
        raise msgspec.DecodeError("The form can't be read") from error
    return fields.get("payload", "").encode()


def path_of(url: str) -> str:
    """Of a repository's page or address: ``owner/name``; empty where it is none."""
    try:
        return urlsplit(url).path.strip("/").removesuffix(".git")
    except ValueError:
        return ""


def branch_of(ref: str) -> tuple[str, ...]:
    return (ref.removeprefix("refs/heads/"),) if ref.startswith("refs/heads/") else ()


def moment(text: str | None) -> datetime | None:
    """As forges write it: ISO 8601, or with `` UTC`` at its end."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except ValueError:
        return None


def present(*values: str) -> tuple[str, ...]:
    return tuple(value for value in values if value)


def anything_of(touched: Touched) -> Subject:
    return touched if touched != Touched() else Nothing("This event is about nothing that Pullyard made.")
