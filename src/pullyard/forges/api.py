"""Requests to a forge's REST API: bounded, repeated where that is safe, and every refusal one sentence."""

import asyncio
import json
import math
import random
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec

from pullyard.forges.errors import AnswerTooLong, ForgeBusy, ForgeRefused, ForgeUnsure
from pullyard.lifecycle.steering import STEERING
from pullyard.protocol.errors import RemoteFailure

ANSWER_BYTES = 8 << 20
ANSWER_SECONDS = 180.0
"""However steadily it comes: whoever waits for one holds up what else is done for its repository."""
REMEMBERED_BYTES = 16 << 20
TEXT_CHARACTERS = 100_000
"""Of each text in an answer: no more is kept of it. GitHub's longest comment has 65,536."""
KEPT_BYTES = 1_000
"""What an answer takes besides its content, about."""
TAG_CHARACTERS = 200
TRIES = 5
"""Of a request that the forge did not take or did not answer."""
PATIENCE_SECONDS = 90.0
"""All waits of one request together; a limit that lasts longer is told to the caller."""
LIMIT_SECONDS = 3600.0
"""Longer than that a forge is not left alone, whatever it says."""
SECONDARY_SECONDS = 60.0
"""What GitHub asks for after its secondary limit where it names no time."""
SAID_CHARACTERS = 300
_AGAIN = frozenset({500, 502, 503, 504})
_LAST = re.compile(r"[?&]page=([0-9]{1,9})(?:&[^<>]*)?>[^,<>]*rel=\"?last")
_LIMITED = re.compile(r"rate limit|too many requests|abuse detection", re.IGNORECASE)

T = TypeVar("T")
Headers = Callable[[], Awaitable[Mapping[str, str]]]


class Kept(NamedTuple):
    tag: str
    content: bytes
    link: str
    """What it says of other pages: an answer that nothing has changed need not repeat it."""


class Answers:
    """What was answered lately, by its address, with the tag to ask whether it still is so.

    Where it is, GitHub does not count the question.
    """

    def __init__(self, most_bytes: int = REMEMBERED_BYTES) -> None:
        self._room = most_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def of(self, address: str) -> "Kept | None":
        return self._kept.get(address)

    def keep(self, address: str, tag: str, content: bytes, link: str = "") -> None:
        self._drop(address)
        if len(content) > ANSWER_BYTES // 8 or len(tag) > TAG_CHARACTERS or len(link) > KEPT_BYTES:
            return
        self._kept[address] = Kept(tag, content, link)
        self._room -= len(content) + KEPT_BYTES
        while self._room < 0:
            self._drop(next(iter(self._kept)))

    def _drop(self, address: str) -> None:
        if (old := self._kept.pop(address, None)) is not None:
            self._room += len(old.content) + KEPT_BYTES


class Question(NamedTuple):
    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] | None = None
    again: bool = True
    """Whether it may be asked once more where its answer was lost."""


@dataclass
class Api:
    """Of one repository's forge. Any number of requests at the same time."""

    url: str
    """Without a slash at its end."""
    host: str
    """For messages."""
    client: httpx.AsyncClient = field(repr=False)
    headers: Headers = field(repr=False)
    """What shows who asks; its values are never shown."""
    pause: Callable[[float], Awaitable[Any]] = field(default=asyncio.sleep, repr=False)
    limits: dict[str, float] = field(default_factory=dict[str, float], repr=False)
    """Hosts that want no request before that moment of the monotonic clock."""
    answers: Answers = field(default_factory=Answers, repr=False)

    async def ask(
        self,
        method: str,
        path: str,
        shape: type[T],
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
    ) -> T:
        """The answer, read as ``shape``. ``repeatable`` None: every method but POST is.

        Raises ForgeRefused for what the forge does not do, ForgeBusy where it can't be asked now, and
        ForgeUnsure for a request that must not be repeated blindly and may have been done.
        """
        again = method != "POST" if repeatable is None else repeatable
        return (await self._asked(Question(method, path, body, query, again), shape))[0]

    async def page(
        self, path: str, shape: type[T], query: Mapping[str, Any] | None = None
    ) -> tuple[T, int | None]:
        """As ``ask``, one page of a list; and the number of the last one, where the forge names it.

        Raises AnswerTooLong, too.
        """
        return await self._asked(Question("GET", path, query=query), shape)

    async def _asked(self, question: Question, shape: type[T]) -> tuple[T, int | None]:
        if (left := self.limits.get(self.host, 0.0) - time.monotonic()) > 0:
            raise self._limited(left)
        waited = 0.0
        for attempt in range(1, TRIES + 1):
            shown = await self.headers()
            try:
                status, headers, content = await self._answered(question, shown)
            except ForgeBusy as busy:
                seconds = max(busy.seconds, 0.5 * 2 ** (attempt - 1) * (1 + random.random() / 4))
                if attempt == TRIES or waited + seconds > PATIENCE_SECONDS:
                    raise
                waited += seconds
                await self.pause(seconds)
            else:
                last = last_page(headers, (question.query or {}).get("limit"))
                return self._read(status, headers, content, shape), last
        raise AssertionError("the last try returns or raises")

    async def _answered(
        self, question: Question, shown: Mapping[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        """By one try. Raises ForgeBusy where another may follow, ForgeUnsure where none may."""
        try:
            status, headers, content = await self._send(question, shown)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            said = f"{self.host} can't be reached ({_plain(str(error))}): try again later."
            raise ForgeBusy(said) from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._lost(type(error).__name__, question) from error
        if (seconds := limit_seconds(status, headers, content, time.time())) is not None:
            raise self._limited(seconds)
        if status in _AGAIN:
            raise self._lost(f"{status}", question)
        # A forge that says it back must not have it shown by us.
        secret = secret_of(shown)
        return status, headers, content.replace(secret, b"***") if secret else content

    def _limited(self, seconds: float) -> ForgeBusy:
        if seconds > PATIENCE_SECONDS:
            # Whoever else asks meanwhile is not let through to be refused, too.
            self.limits[self.host] = time.monotonic() + min(seconds, LIMIT_SECONDS)
        return ForgeBusy(
            f"{self.host} takes no more requests of this worker's account for {max(seconds, 1.0):.0f} "
            "seconds: try again then.",
            seconds=seconds,
        )

    def _lost(self, what: str, question: Question) -> RemoteFailure:
        kind = ForgeBusy if question.again else ForgeUnsure
        return kind(f"{self.host} did not answer properly ({what}): try again later.")

    async def tail(self, path: str, size_bytes: int) -> str:
        """The end of a text; empty where there is none to be had. Asked for once: work goes on without it."""
        shown = await self.headers()
        kept, read = b"", 0
        try:
            headers = {"user-agent": "pullyard", **shown}
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self.client.stream("GET", f"{self.url}{path}", headers=headers) as answer,
            ):
                async for piece in answer.aiter_bytes():
                    kept, read = (kept + piece)[-size_bytes:], read + len(piece)
                    if answer.status_code != 200 or read > ANSWER_BYTES:
                        return ""
        except (httpx.HTTPError, TimeoutError):
            return ""
        secret = secret_of(shown)
        return (kept.replace(secret, b"***") if secret else kept).decode("utf-8", "replace")

    async def _send(self, question: Question, shown: Mapping[str, str]) -> tuple[int, httpx.Headers, bytes]:
        method, path = question.method, question.path
        url = path if "://" in path else f"{self.url}{path}"
        headers = {"accept": "application/json", "user-agent": "pullyard", **shown}
        request = self.client.build_request(
            method, url, json=question.body, params=question.query, headers=headers
        )
        known = self.answers.of(str(request.url)) if method == "GET" else None
        if known is not None:
            request.headers["if-none-match"] = known.tag
        async with asyncio.timeout(ANSWER_SECONDS):
            status, told, content = await self._bounded(request)
        if known is not None and status == 304:
            return 200, httpx.Headers({"link": known.link}), known.content
        if method == "GET" and status == 200 and (tag := told.get("etag")):
            self.answers.keep(str(request.url), tag, content, told.get("link", ""))
        return status, told, content

    async def _bounded(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        answer = await self.client.send(request, stream=True)
        try:
            content = bytearray()
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > ANSWER_BYTES:
                    said = f"{self.host} answered with more than it should."
                    raise AnswerTooLong(said, last_page(answer.headers, request.url.params.get("limit")))
            return answer.status_code, answer.headers, bytes(content)
        finally:
            await answer.aclose()

    def _read(self, status: int, headers: httpx.Headers, content: bytes, shape: type[T]) -> T:
        if 300 <= status < 400:
            raise ForgeRefused(
                f"{self.host} says that the repository has moved: set the project's repository to its new "
                "address.",
                status=status,
                said=_plain(headers.get("location", "")),
                code="repository-moved",
            )
        if status >= 400:
            raise self._refusal(status, said_in(content))
        try:
            told = json.loads(content or b"null")
            if len(content) > TEXT_CHARACTERS:
                told = shortened(told)
            return msgspec.convert(told, shape, strict=False)
        except (ValueError, RecursionError) as error:
            raise RemoteFailure(
                f"{self.host} answered with something that is not its API's: check the forge's kind and "
                "api_url in the worker's settings.",
                retryable=False,
            ) from error

    def _refusal(self, status: int, said: str) -> ForgeRefused:
        remedies = {
            401: "renew this worker's token for it in the worker's settings",
            403: "give this worker's account the right to push and to open changes there",
            404: "check the address, and that this worker's account may see the repository",
        }
        remedy = remedies.get(status, "look there, then try again")
        return ForgeRefused(f"{self.host} refused ({status}: {said}): {remedy}.", status=status, said=said)


def secret_of(shown: Mapping[str, str]) -> bytes:
    return shown.get("authorization", "").rpartition(" ")[2].encode()


def last_page(headers: Mapping[str, str], size: int | str | None) -> int | None:
    """Gitea tells how many elements there are, not how many pages; and only it calls a size ``limit``."""
    if found := _LAST.search(headers.get("link", "")):
        return int(found[1])
    total = _number(headers.get("x-total-count"))
    return math.ceil(total / int(size)) if total is not None and size else None


def shortened(told: Any) -> Any:
    if isinstance(told, str):
        return told[:TEXT_CHARACTERS]
    if isinstance(told, list):
        return [shortened(one) for one in told]
    if isinstance(told, dict):
        return {name: shortened(one) for name, one in told.items()}
    return told


def limit_seconds(status: int, headers: Mapping[str, str], content: bytes, now: float) -> float | None:
    """How long the forge wants no more requests; None where that is not what it says. It did nothing then."""
    if status not in (403, 429):
        return None
    spent = _rate(headers, "remaining") == "0"
    after = _number(headers.get("retry-after"))
    if status == 403 and not spent and after is None and not _LIMITED.search(said_in(content)):
        return None
    if after is not None:
        return after
    reset = _number(_rate(headers, "reset"))
    if spent and reset is not None:
        return max(1.0, reset - now + 1.0)
    return SECONDARY_SECONDS if status == 403 else 0.0


def _rate(headers: Mapping[str, str], name: str) -> str | None:
    return headers.get(f"x-ratelimit-{name}") or headers.get(f"ratelimit-{name}")


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"[0-9]{1,12}", text) else None


def said_in(content: bytes) -> str:
    """What a refusal says, in any of the forges' shapes; for people, on one line."""
    try:
        told = json.loads(content[: 64 << 10])
    except (ValueError, RecursionError):
        return "no reason given"
    words: list[str] = []
    _collect(told, words)
    return _plain("; ".join(dict.fromkeys(words))) or "no reason given"


def _collect(told: Any, words: list[str], depth: int = 0) -> None:
    if depth > 4 or len(words) > 10:
        return
    if isinstance(told, str):
        words.append(told)
    elif isinstance(told, list):
        for one in told[:10]:
            _collect(one, words, depth + 1)
    elif isinstance(told, dict):
        for name in ("message", "error", "error_description", "errors", "detail"):
            _collect(told.get(name), words, depth + 1)


def _plain(text: str) -> str:
    return " ".join(STEERING.sub(" ", text).split())[:SAID_CHARACTERS]
