"""One request through the gateway: checked, forwarded with the key, counted while it streams back."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import h11
import httpx
import structlog

from pullyard.worker.gateway.grammar import Malformed, check_host, forwarded_headers, split_target
from pullyard.worker.gateway.ledger import BudgetSpent, Failure, Ledger
from pullyard.worker.gateway.limits import BODY_BYTES, RATE_LIMITED, RateLimited, rate_limited
from pullyard.worker.gateway.metering import is_stream
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import (
    Meter,
    Metered,
    Passed,
    Provider,
    Refused,
    Trim,
    encode_error,
)
from pullyard.worker.gateway.upstream import MODEL_CHARACTERS, Upstream
from pullyard.worker.gateway.windows import QuotaReached

KEY_REFUSED = (401, 403)
FAILED = (*KEY_REFUSED, 402, 404, 429)
"""The provider did not do its part; other refusals are about what the agent asked for."""
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
READ_ON_SECONDS = 60.0
"""Of an answer whose client is gone, to know what it cost."""
LIMITED_TRIES = 5
"""Of one request, each after the end of the limit before; the last one's answer is passed as it is."""
READ_FIRST = (400, 422, RATE_LIMITED)
"""Refusals whose words decide whether the client sees them."""
WISH = b"stream_options"
"""A server that refuses a request for it names it."""

logger = structlog.get_logger(__name__)


class WishRefused(Exception):
    """The server refused the request for its wish to be told the tokens."""


class Exchange:
    """Used once."""

    def __init__(
        self,
        provider: Provider,
        port: int,
        upstream: Upstream,
        ledger: Ledger,
        connection: h11.Connection,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._provider = provider
        self._port = port
        self._upstream = upstream
        self._ledger = ledger
        self._connection = connection
        self._reader, self._writer = streams
        self._without_body = False
        self._wish_refused = False

    async def run(self, request: h11.Request, body: bytes) -> None:
        """Always answers, unless the client is gone: then ConnectionError rises."""
        self._without_body = request.method == b"HEAD"
        try:
            check_host(request, self._port)
            method, path, query = split_target(request)
            passed = self._provider.read(method, path, query, body)
            if passed is None:
                raise Malformed(404, f"The gateway does not pass {method} {path}.")
            if passed.unasked is not None and self._upstream.is_unwilling(self._provider, passed.metered):
                passed = passed.unasked()
            outgoing = self._build(request, method, passed, query)
        except Malformed as error:
            await self._answer_error(error.status, str(error))
        except Refused as error:
            await self._answer_error(400, str(error))
        else:
            try:
                await self._forward(outgoing, passed)
            except WishRefused:
                assert passed.unasked is not None
                passed = passed.unasked()
                await self._forward(self._build(request, method, passed, query), passed)

    def _build(
        self, request: h11.Request, method: str, passed: Passed, query: Mapping[str, str]
    ) -> httpx.Request:
        # The answer is read here too, so it must not be compressed.
        headers = [*forwarded_headers(request, self._provider), ("accept-encoding", "identity")]
        kept = {name: value for name, value in query.items() if name in self._provider.query}
        url = self._upstream.address(self._provider) + passed.path
        return self._upstream.client.build_request(
            method, url, headers=headers, content=passed.body, params=kept or None
        )

    async def _authenticate(self, outgoing: httpx.Request) -> bool:
        """Right before it goes: requests may wait, and keys be short-lived. False where it was answered."""
        key = await self._upstream.key(self._provider)
        if key is not None:
            name, value = self._provider.key_header(key)
            outgoing.headers[name] = value
        elif not self._upstream.keyless(self._provider):
            await self._answer_error(401, self._no_key(), retry=False)
            return False
        return True

    def _no_key(self) -> str:
        missing = self._upstream.missing(self._provider)
        if missing is None:
            missing = f"This worker's key for {self._provider.name} can't be had now: see the worker's log."
            self._fail(Failure(401, missing))
        return missing

    async def _forward(self, outgoing: httpx.Request, passed: Passed) -> None:
        """Raises WishRefused, with nothing said to the client, where there is a wish."""
        metered = passed.metered
        if metered is None:
            await self._pass(outgoing, passed, hold=False)
            return
        price = self._upstream.price(self._provider, metered, metered.model)
        most = metered.most
        try:
            for left in reversed(range(LIMITED_TRIES)):
                await self._ledger.passes(self._upstream.credential(self._provider))
                async with self._ledger.reserve(price.cost_micros(most), most.prompt + most.output):
                    if self._reader.at_eof():
                        # It may have waited long, and nobody would read what is paid for.
                        raise ConnectionResetError("The client gave up while its request waited.")
                    if await self._pass(outgoing, passed, hold=left > 0):
                        return
        except BudgetSpent as spent:
            await self._answer_error(402, str(spent), retry=False)
        except QuotaReached as reached:
            await self._answer_error(RATE_LIMITED, str(reached), retry=False)

    async def _pass(self, outgoing: httpx.Request, passed: Passed, *, hold: bool) -> bool:
        """Whether the client has its answer. With ``hold`` a limit whose end is known is none: it is waited
        for.
        """
        if not await self._authenticate(outgoing):
            return True
        answer = await self._ask(outgoing, passed.metered)
        if answer is None:
            return True
        try:
            return await self._pass_back(answer, passed, hold=hold)
        except httpx.HTTPError as error:
            self._fail(Failure(0, f"{self._provider.name} broke off its answer ({type(error).__name__})."))
            raise ConnectionResetError("The provider broke off its answer.") from error
        finally:
            await answer.aclose()

    async def _pass_back(self, answer: httpx.Response, passed: Passed, *, hold: bool) -> bool:
        pieces = answer.aiter_raw()
        refusal = await beginning(pieces) if answer.status_code in READ_FIRST else b""
        if passed.unasked is not None and answer.status_code != RATE_LIMITED and WISH in refusal:
            self._wish_refused = True
            raise WishRefused
        if self._wish_refused and answer.is_success and is_stream(answer.headers.get("content-type", "")):
            # Only now is it sure that the wish was all that it refused.
            self._upstream.add_unwilling(self._provider, passed.metered)
        limited = self._judge(answer, refusal)
        if hold and limited is not None and limited.seconds_left():
            return False
        if passed.metered is None or not answer.is_success:
            await self._relay_plain(answer, refusal, pieces)
        else:
            await self._relay(answer, pieces, passed.metered)
        await self._send(h11.EndOfMessage())
        return True

    async def _ask(self, outgoing: httpx.Request, metered: Metered | None) -> httpx.Response | None:
        """None where there is no answer, and the client was told so."""
        try:
            return await self._upstream.client.send(outgoing, stream=True)
        except httpx.HTTPError as error:
            if not isinstance(error, NEVER_SENT):
                self._record_most(metered)
            self._fail(Failure(0, f"{self._provider.name} can't be reached ({type(error).__name__})."))
            await self._answer_error(502, f"{self._provider.name} can't be reached from this worker.")
            return None
        except asyncio.CancelledError:
            # The provider may do all that it was asked for.
            self._record_most(metered)
            raise

    async def _relay_plain(self, answer: httpx.Response, begun: bytes, pieces: AsyncIterator[bytes]) -> None:
        await self._send(h11.Response(status_code=answer.status_code, headers=self._kept(answer)))
        await self._send(h11.Data(data=begun))
        async for chunk in pieces:
            await self._send(h11.Data(data=chunk))

    async def _relay(self, answer: httpx.Response, pieces: AsyncIterator[bytes], metered: Metered) -> None:
        """Counts it, however it ends."""
        content_type = answer.headers.get("content-type", "")
        meter = metered.open_meter(content_type)
        trim = metered.open_trim() if metered.open_trim and is_stream(content_type) else None
        # A client can bring a provider to break off, by not reading: that is no cheaper than leaving.
        unheard: Tokens | None = metered.most
        try:
            try:
                await self._send_counted(answer, pieces, meter, trim)
                unheard = None
            except OSError:
                if await self._read_on(pieces, meter):
                    unheard = None
                raise
        finally:
            self._record(metered, meter, unheard)

    async def _send_counted(
        self, answer: httpx.Response, pieces: AsyncIterator[bytes], meter: Meter, trim: Trim | None
    ) -> None:
        kept = [pair for pair in self._kept(answer) if trim is None or pair[0] != "content-length"]
        await self._send(h11.Response(status_code=answer.status_code, headers=kept))
        async for chunk in pieces:
            meter.feed(chunk)
            await self._send(h11.Data(data=chunk if trim is None else trim.feed(chunk)))
        if trim is not None:
            await self._send(h11.Data(data=trim.end()))

    async def _read_on(self, pieces: AsyncIterator[bytes], meter: Meter) -> bool:
        """For a client that is gone: what the provider does is paid for all the same. Whether it ended."""
        try:
            async with asyncio.timeout(READ_ON_SECONDS):
                async for chunk in pieces:
                    meter.feed(chunk)
        except (TimeoutError, httpx.HTTPError):
            return False
        return True

    def _kept(self, answer: httpx.Response) -> list[tuple[str, str]]:
        exact, prefixes = self._provider.response_headers, self._provider.response_header_prefixes
        kept = [
            (name, value)
            for name, value in answer.headers.multi_items()
            if name in exact or name.startswith(prefixes)
        ]
        if answer.status_code in KEY_REFUSED:
            # The agent can't mend the worker's key, and would otherwise try for minutes.
            kept = [(name, value) for name, value in kept if name != "x-should-retry"]
            kept.append(("x-should-retry", "false"))
        return kept

    def _record(self, metered: Metered, meter: Meter, unheard: Tokens | None) -> None:
        tokens = meter.tokens(unheard)
        price = self._upstream.price(self._provider, metered, meter.model)
        source = (self._provider.name, named(meter.model))
        self._ledger.record(tokens.prompt, tokens.output, price.cost_micros(tokens), source=source)
        if (status := meter.failed) is not None:
            limited = rate_limited(self._upstream.credential(self._provider), status, {})
            self._fail(Failure(status, f"{self._provider.name} ended its answer with an error.", limited))

    def _record_most(self, metered: Metered | None) -> None:
        if metered is not None:
            self._record(metered, metered.open_meter(""), metered.most)

    def _judge(self, answer: httpx.Response, refusal: bytes) -> RateLimited | None:
        """Before the client sees the answer; ``refusal`` is the beginning of its body, where it is one."""
        status, name = answer.status_code, self._provider.name
        if status in KEY_REFUSED:
            self._upstream.key_refused(self._provider)
        if answer.is_success:
            self._ledger.went_well()
        if status not in FAILED and status < 500:
            return None
        limited = rate_limited(self._upstream.credential(self._provider), status, answer.headers, refusal)
        self._fail(Failure(status, f"{name} answered {status}.", limited))
        return limited

    def _fail(self, failure: Failure) -> None:
        logger.warning("gateway.provider_failed", provider=self._provider.name, status=failure.status)
        self._ledger.fail(failure)

    async def _answer_error(self, status: int, message: str, *, retry: bool = True) -> None:
        body = encode_error(self._provider, status, message)
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        if not retry:
            headers.append(("x-should-retry", "false"))
        await self._send(h11.Response(status_code=status, headers=headers))
        if not self._without_body:
            await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        data = self._connection.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()


def named(model: str) -> str:
    """As reports show it: an answer may say anything."""
    return model[:MODEL_CHARACTERS] if model.isascii() and model.isprintable() else "unreadable"


async def beginning(pieces: AsyncIterator[bytes]) -> bytes:
    """As much of it as is read for when a limit ends; the rest is still to come."""
    read = bytearray()
    async for piece in pieces:
        read += piece
        if len(read) >= BODY_BYTES:
            break
    return bytes(read)
