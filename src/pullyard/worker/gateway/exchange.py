"""One request through the gateway: checked, forwarded with the key, counted while it streams back."""

import asyncio

import h11
import httpx
import structlog

from pullyard.lifecycle.money import dollars
from pullyard.worker.gateway.grammar import Malformed, check_host, forwarded_headers, split_target
from pullyard.worker.gateway.ledger import BudgetSpent, Failure, Ledger
from pullyard.worker.gateway.limits import BODY_BYTES, RATE_LIMITED, rate_limited
from pullyard.worker.gateway.prices import price_list
from pullyard.worker.gateway.providers import Meter, Metered, Provider, Refused, encode_error
from pullyard.worker.gateway.upstream import Upstream

KEY_REFUSED = (401, 403)
FAILED = (*KEY_REFUSED, 402, 404, 429)
"""The provider did not do its part; other refusals are about what the agent asked for."""

logger = structlog.get_logger(__name__)


class Exchange:
    """Used once."""

    def __init__(
        self,
        provider: Provider,
        port: int,
        upstream: Upstream,
        ledger: Ledger,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._provider = provider
        self._port = port
        self._upstream = upstream
        self._ledger = ledger
        self._connection = connection
        self._writer = writer
        self._without_body = False

    async def run(self, request: h11.Request, body: bytes) -> None:
        """Always answers, unless the client is gone: then ConnectionError rises."""
        self._without_body = request.method == b"HEAD"
        try:
            check_host(request, self._port)
            method, path, query = split_target(request)
            read_body = self._provider.routes.get((method, path))
            if read_body is None:
                raise Malformed(404, f"The gateway does not pass {method} {path}.")
            metered = read_body(body)
            outgoing = self._build(request, method, path + query, body)
        except Malformed as error:
            await self._answer_error(error.status, str(error))
        except Refused as error:
            await self._answer_error(400, str(error))
        else:
            await self._forward(outgoing, metered)

    def _build(self, request: h11.Request, method: str, target: str, body: bytes) -> httpx.Request:
        key = self._upstream.key(self._provider)
        if key is None:
            raise Malformed(401, self._upstream.missing(self._provider) or "")
        headers = forwarded_headers(request, self._provider)
        # The answer is read here too, so it must not be compressed.
        headers += [("accept-encoding", "identity"), self._provider.key_header(key)]
        url = self._upstream.address(self._provider) + target
        return self._upstream.client.build_request(method, url, headers=headers, content=body)

    async def _forward(self, outgoing: httpx.Request, metered: Metered | None) -> None:
        if metered is None:
            await self._pass(outgoing, None)
            return
        price = price_list(self._provider.name).of(metered.model)
        try:
            async with self._ledger.reserve(price.cost_micros(metered.most)):
                await self._pass(outgoing, metered)
        except BudgetSpent:
            budget = dollars(self._ledger.budget_micros or 0)
            await self._answer_error(402, f"The task's model budget of {budget} is spent.", retry=False)

    async def _pass(self, outgoing: httpx.Request, metered: Metered | None) -> None:
        try:
            answer = await self._upstream.client.send(outgoing, stream=True)
        except httpx.HTTPError as error:
            self._fail(Failure(0, f"{self._provider.name} can't be reached ({type(error).__name__})."))
            await self._answer_error(502, f"{self._provider.name} can't be reached from this worker.")
            return
        except asyncio.CancelledError:
            # The provider may have begun to work on it, so its prompt is counted.
            if metered is not None:
                self._record(metered.open_meter(streamed=True))
            raise
        try:
            if answer.status_code in FAILED or answer.status_code >= 500:
                self._judge(answer)
            elif answer.is_success:
                self._ledger.went_well()
            await self._stream(answer, metered)
        finally:
            await answer.aclose()

    async def _stream(self, answer: httpx.Response, metered: Metered | None) -> None:
        meter, refusal = None, bytearray()
        if metered is not None and answer.is_success:
            meter = metered.open_meter(
                streamed=answer.headers.get("content-type", "").startswith("text/event-stream")
            )
        try:
            await self._send(h11.Response(status_code=answer.status_code, headers=self._kept(answer)))
            async for chunk in answer.aiter_raw():
                if meter is not None:
                    meter.feed(chunk)
                elif answer.status_code == RATE_LIMITED and len(refusal) < BODY_BYTES:
                    refusal += chunk
                    self._judge(answer, bytes(refusal))
                await self._send(h11.Data(data=chunk))
        except httpx.HTTPError as error:
            self._fail(Failure(0, f"{self._provider.name} broke off its answer ({type(error).__name__})."))
            raise ConnectionResetError("The provider broke off its answer.") from error
        finally:
            if meter is not None:
                self._record(meter)
        await self._send(h11.EndOfMessage())

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

    def _record(self, meter: Meter) -> None:
        tokens = meter.tokens()
        cost_micros = price_list(self._provider.name).of(meter.model).cost_micros(tokens)
        self._ledger.record(tokens.prompt, tokens.output, cost_micros)

    def _judge(self, answer: httpx.Response, body: bytes = b"") -> None:
        """Before the client sees the answer, and again with what its body says."""
        status, name = answer.status_code, self._provider.name
        limited = rate_limited(self._upstream.credential(self._provider), status, answer.headers, body)
        failure = Failure(status, f"{name} answered {status}.", limited)
        if body:
            self._ledger.fail(failure)
        else:
            self._fail(failure)

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
