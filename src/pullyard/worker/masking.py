"""Secrets in what leaves the worker as text: the worker's own in any usual spelling, and well-known tokens.

A second layer: nothing secret is inside a sandbox, but a repository may hold what it should not, and so may a
command's output. Each byte of a secret becomes a ``*``, so that every offset into a log stays as it is.
"""

import base64
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
from pydantic import BaseModel, SecretStr

LEAST_CHARACTERS = 8
"""Of a secret: shorter ones would make holes into ordinary text."""
REACH_BYTES = 8 << 10
"""What is longer is masked only as far as this."""
KEPT_FIELDS = frozenset(
    {
        *("branch", "base_branch", "commit", "base_commit", "merged_commit", "salvage_ref"),
        *("question_id", "name", "repository", "receipt", "task_list"),
    }
)
"""Of requests, as they are: what the coordinator must know again, and what is signed or has a digest."""
_WORD = rb"[A-Za-z0-9_-]"
_PEM = rb"(?:[A-Za-z0-9+/=\s:,.-]|\\[nr])"


@dataclass(frozen=True)
class Shape:
    """A kind of token that begins with ``prefix`` and goes on with at least so many of these characters."""

    prefix: bytes
    least: int
    rest: bytes = _WORD
    check: bytes = b""

    @cached_property
    def whole(self) -> re.Pattern[bytes]:
        return re.compile(self._begin + self.check + self.rest + b"{%d,%d}" % (self.least, REACH_BYTES))

    @cached_property
    def begun(self) -> re.Pattern[bytes]:
        """At the end of a piece, where more of it may follow."""
        return re.compile(self._begin + self.rest + rb"{0,%d}\Z" % REACH_BYTES)

    @property
    def _begin(self) -> bytes:
        # Nowhere within a word, so that no text is looked at twice; a line end may be as JSON has it.
        return rb"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))" + re.escape(self.prefix)


_HAS_DIGIT = rb"(?=[A-Za-z_-]{0,100}[0-9])"
SHAPES = (
    Shape(b"sk-", 24, check=_HAS_DIGIT),
    *(Shape(b"gh" + kind + b"_", 30) for kind in (b"p", b"o", b"u", b"s", b"r")),
    Shape(b"github_pat_", 30),
    *(Shape(kind, 20) for kind in (b"glpat-", b"gldt-", b"glrt-", b"glptt-", b"glcbt-", b"glsoat-")),
    *(Shape(kind, 16, rb"[A-Z0-9]") for kind in (b"AKIA", b"ASIA")),
    Shape(b"AIza", 35),
    Shape(b"ya29.", 30, rb"[A-Za-z0-9._-]"),
    *(Shape(b"xox" + kind + b"-", 20) for kind in (b"a", b"b", b"e", b"p", b"r", b"s")),
    *(Shape(kind, 20) for kind in (b"sk_live_", b"rk_live_", b"sk_test_", b"rk_test_")),
    Shape(b"npm_", 36, rb"[A-Za-z0-9]"),
    Shape(b"pypi-", 50),
    Shape(b"hf_", 30, rb"[A-Za-z0-9]"),
    Shape(b"dop_v1_", 60, rb"[a-f0-9]"),
    Shape(b"eyJ", 60, rb"[A-Za-z0-9._-]", check=rb"(?=[A-Za-z0-9_-]{1,1000}\.eyJ)"),
    Shape(b"pyl_", 40),
    *(
        Shape(b"-----BEGIN " + kind + b"PRIVATE KEY-----", 20, _PEM)
        for kind in (b"", b"RSA ", b"EC ", b"DSA ", b"OPENSSH ", b"ENCRYPTED ")
    ),
)


_PREFIXES = re.compile(b"|".join(re.escape(shape.prefix) for shape in SHAPES))
"""Most text holds none of them, and to ask for all at once takes a tenth of the time or less."""
_BEGUN_PREFIXES = tuple({shape.prefix[:length] for shape in SHAPES for length in range(1, len(shape.prefix))})
"""What the text may end with where it was cut within one."""
_NEVER_SECRET = frozenset({bool, int, float, type(None)})


def spellings(secret: str) -> set[bytes]:
    """As it is, turned around, as JSON has it, in hexadecimal, for addresses, and in base64.

    Of base64 wherever it begins, without the characters that its neighbours have a part in.
    """
    raw = secret.encode()
    found = {
        raw,
        raw[::-1],
        json.dumps(secret)[1:-1].encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    }
    found |= {urllib.parse.quote(secret, safe=safe).encode() for safe in ("", "/")}
    found |= {re.sub(rb"%..", lambda code: code[0].lower(), one) for one in list(found) if b"%" in one}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            whole = encode(b"\0" * before + raw).rstrip(b"=")
            last = (before + len(raw)) % 3
            found.add(whole[(0, 2, 3)[before] : len(whole) - bool(last)])
    return {one for one in found if len(one) >= LEAST_CHARACTERS}


@dataclass
class Masker:
    """``secrets`` are asked for again for every piece, as some are renewed meanwhile."""

    secrets: Callable[[], Iterable[str]] = tuple
    _known: frozenset[str] = field(default=frozenset(), init=False)
    _spelled: list[bytes] = field(default_factory=list[bytes], init=False)

    def masked(self, data: bytes) -> bytes:
        """Of the same length, with a ``*`` for each byte of a secret but its line ends."""
        for spelled in self._spellings():
            if spelled in data:
                data = data.replace(spelled, b"*" * len(spelled))
        if _PREFIXES.search(data):
            for shape in SHAPES:
                if shape.prefix in data:
                    data = shape.whole.sub(_stars, data)
        return data

    def text(self, text: str) -> str:
        return self.masked(text.encode(errors="surrogatepass")).decode(errors="replace")

    def request(self, value: Any) -> Any:
        """A request's like, with every text in it masked, however deep, but ``KEPT_FIELDS``."""
        # Enumerations are strings too, and never secret.
        if type(value) is str:
            return self.text(value) if len(value) >= LEAST_CHARACTERS else value
        if type(value) in _NEVER_SECRET:
            return value
        if isinstance(value, msgspec.Struct):
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            told = {name: self.request(one) for name, one in fields.items() if name not in KEPT_FIELDS}
            return msgspec.structs.replace(value, **told)
        if isinstance(value, dict):
            return {self.request(name): self.request(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.request(one) for one in value]
        return value

    def piece(self, before: bytes, data: bytes, *, whole: bool) -> bytes:
        """The masked begin of ``data``: all of it but what may be the begin of a secret, unless it is whole.

        ``before`` is what stood before it, ``REACH_BYTES`` of it or all.
        """
        settled = len(data) if whole else self._settled(before, data)
        # What is held back may be the end of one secret and the begin of another.
        return self.masked(before + data)[len(before) : len(before) + settled]

    def _settled(self, before: bytes, data: bytes) -> int:
        """How much of it, from its begin, no later byte can make a part of a secret."""
        tail = data[-REACH_BYTES:]
        # Two more bytes tell whether a word begins here: they may be a line end as JSON has it.
        with_two = (before[-2:] + data)[-len(tail) - 2 :]
        ahead = len(with_two) - len(tail)
        begins = [len(tail)]
        begins += [place for spelled in self._spellings() if (place := _cut_off(tail, spelled)) is not None]
        looked_for = SHAPES if _PREFIXES.search(tail) or tail.endswith(_BEGUN_PREFIXES) else ()
        for shape in looked_for:
            if shape.prefix in tail and (found := shape.begun.search(with_two, ahead)):
                begins.append(found.start() - ahead)
            elif (place := _cut_off(tail, shape.prefix)) is not None:
                begins.append(place)
        settled = len(data) - len(tail) + min(begins)
        # Something endless is not waited for.
        return settled if settled or len(data) < REACH_BYTES else len(data)

    def _spellings(self) -> list[bytes]:
        known = frozenset(secret for secret in self.secrets() if len(secret) >= LEAST_CHARACTERS)
        if known != self._known:
            spelled = {one for secret in known for one in spellings(secret)}
            # The longest first: one may be a part of another.
            self._known, self._spelled = known, sorted(spelled, key=len, reverse=True)
        return self._spelled


def secrets_in(settings: object) -> set[str]:
    """Every SecretStr of a settings object, however deep."""
    if isinstance(settings, SecretStr):
        return {settings.get_secret_value()}
    if isinstance(settings, BaseModel):
        return secrets_in(list(settings.__dict__.values()))
    if isinstance(settings, dict):
        return secrets_in(list(settings.values()))
    if isinstance(settings, list | tuple | set | frozenset):
        return set[str]().union(*map(secrets_in, settings))
    return set()


def _cut_off(data: bytes, whole: bytes) -> int | None:
    """Where ``data`` ends with the begin of ``whole``, but not with all of it."""
    place = data.find(whole[:1], max(0, len(data) - len(whole) + 1))
    while place >= 0:
        if whole.startswith(data[place:]):
            return place
        place = data.find(whole[:1], place + 1)
    return None


def _stars(found: re.Match[bytes]) -> bytes:
    return re.sub(rb"[^\r\n]", b"*", found[0])
