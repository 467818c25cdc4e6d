"""Which repositories a pattern of the policy means; every address has one spelling, and only that is taken.

A second spelling of the same repository could slip past the rule that was written for it, so one that is
unusual (``..``, ``%2e``, a doubled slash, a usual port, other letters' case than in the rule) is refused.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

from pullyard.git.addresses import Address, Transport, read_address
from pullyard.protocol.errors import RequestError

REFUSED = "policy_refused"
"""The code of every error that says what the worker's owner does not allow."""
EVERYWHERE = "*"
LOCAL_EVERYWHERE = "/**"
_USUAL_PORTS = {Transport.HTTP: 80, Transport.HTTPS: 443, Transport.SSH: 22}
_AS_THEY_ARE = "/:@!$&'()*+,;=~[]"
"""Beside letters, digits and ``_.-``: what a path shows without a percent sign; all else needs one."""
_CONFUSING = re.compile(rb"[\x00-\x1f\x7f%\\]")
"""What some server decodes a second time, or takes for a slash or for an end."""
_GLOB = re.compile(r"\*\*|\*|\?")


@dataclass(frozen=True)
class Place:
    """Where a repository is, in the one spelling that patterns are held against."""

    text: str
    local: bool
    shown: str
    """For messages, which the coordinator reads: not where a link leads to."""


def read_place(url: str) -> Place:
    """Raises RequestError for what is no address, or one in an unusual spelling."""
    address = read_address(url)
    return local_place(address) if address.transport is Transport.FILE else network_place(address)


def local_place(address: Address) -> Place:
    """The directory itself, whatever links lead to it."""
    return Place(os.path.realpath(address.url), local=True, shown=address.url)


def network_place(address: Address) -> Place:
    if address.transport is Transport.SSH and "://" not in address.url:
        path = address.url.partition(":")[2]
        text = f"ssh://{address.host.lower()}/{path.lstrip('/')}"
    else:
        parts = urlsplit(address.url)
        if parts.port == _USUAL_PORTS[address.transport]:
            raise unusual(address.url)
        text = f"{parts.scheme}://{address.host.lower()}{quote(parts.path, safe=_AS_THEY_ARE + '%')}"
    text = text.rstrip("/").removesuffix(".git")
    below = text.partition("://")[2]
    decoded = unquote_to_bytes(below)
    if quote(decoded, safe=_AS_THEY_ARE) != below or _CONFUSING.search(decoded):
        raise unusual(address.url)
    if any(part in ("", ".", "..") for part in below.split("/")):
        raise unusual(address.url)
    return Place(text, local=False, shown=text)


def unusual(url: str) -> RequestError:
    return RequestError(
        f"{url[:120]!r} spells a repository's address in an unusual way, which this worker's policy does not "
        "take: write it as the forge shows it.",
        code=REFUSED,
    )


@dataclass(frozen=True)
class PlacePattern:
    text: str
    local: bool
    expression: str

    def fits(self, place: Place) -> bool:
        """Raises RequestError for a place that fits but for the case of its letters."""
        if self.local != place.local:
            return False
        if re.fullmatch(self.expression, place.text):
            return True
        if not place.local and re.fullmatch(self.expression, place.text, re.IGNORECASE):
            raise unusual(place.text)
        return False


def read_pattern(text: str) -> PlacePattern:
    """Raises RequestError with what is wrong with it."""
    if text == EVERYWHERE:
        return PlacePattern(text, local=False, expression=r".*")
    if text.startswith("/"):
        return PlacePattern(text, local=True, expression=expression_of(clean_directory(text)))
    below = text.endswith("/")
    # A glob's signs are no part of an address, so it is read with letters in their place.
    stand_ins = {"**": "pullyard-stars", "*": "pullyard-star", "?": "pullyard-one"}
    plain = _GLOB.sub(lambda found: stand_ins[found[0]], text)
    place = network_place(read_address(plain)) if not plain.startswith(("~", ".")) else None
    if place is None:
        raise RequestError(f"{text[:120]!r} is no pattern: give an address or an absolute path.")
    restored = place.text
    for sign, stand_in in stand_ins.items():
        restored = restored.replace(stand_in, sign)
    return PlacePattern(text, local=False, expression=expression_of(restored + ("/" if below else "")))


def clean_directory(text: str) -> str:
    """A local pattern is about real directories, so the part before its first glob is resolved."""
    head, glob, tail = re.match(r"([^*?]*)([*?]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if any(part in (".", "..") for part in text.split("/")):
        raise RequestError(f"{text[:120]!r} holds '.' or '..': write the directory itself.")
    directory, slash, rest = head.rpartition("/")
    if not glob:
        return os.path.realpath(text) + ("/" if text.endswith("/") and text.strip("/") else "")
    return os.path.realpath(directory or "/").rstrip("/") + slash + rest + glob + tail


def expression_of(pattern: str) -> str:
    """Of a glob; one that ends in ``/`` means everything below it."""
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts: list[str] = []
    end = 0
    for found in _GLOB.finditer(pattern):
        parts += [re.escape(pattern[end : found.start()]), signs[found[0]]]
        end = found.end()
    parts.append(re.escape(pattern[end:]))
    return "".join(parts) + (".+" if pattern.endswith("/") else "")


def first_fit(patterns: Sequence[str], place: Place) -> str | None:
    return next((one for one in patterns if read_pattern(one).fits(place)), None)
