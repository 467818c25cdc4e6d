"""Run the coordinator: one listening socket, one process, a quick and orderly end."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from pullyard.coordinator.app import create_app, open_services
from pullyard.coordinator.auth.credentials import CredentialKind, issue
from pullyard.coordinator.connections import Limits, bounded, raise_file_limit
from pullyard.coordinator.hub.http_protocol import HttpProtocol
from pullyard.coordinator.hub.socket import MAX_MESSAGE_BYTES
from pullyard.coordinator.hub.socket_protocol import SocketProtocol
from pullyard.coordinator.services import Services
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.protocol.errors import PullyardError

STOP_SECONDS = 5


class PortTaken(PullyardError):
    """Another program listens at this address."""


class TlsRefused(PullyardError):
    """The files of the certificate can't be used."""


@dataclass(frozen=True)
class Served:
    """A coordinator that answers. The secrets it makes are shown once, by whoever asked for them."""

    url: str
    port: int
    first_login_url: str | None
    """Of the very first start; null later."""
    services: Services

    async def login_url(self) -> str:
        """A fresh one-time login link for the owner."""
        seconds = self.services.settings.login_link_seconds
        secret = await self._issue(CredentialKind.LOGIN_LINK, "login link", seconds)
        return login_url(self.services.settings.public_url or self.url, secret)

    async def enrolment_token(self, name: str = "local worker") -> str:
        seconds = self.services.settings.enrolment_seconds
        return await self._issue(CredentialKind.ENROLMENT, name, seconds)

    async def api_token(self, name: str, seconds: int | None = None) -> str:
        return await self._issue(CredentialKind.API, name, seconds)

    async def _issue(self, kind: CredentialKind, name: str, seconds: int | None) -> str:
        owner = self.services.owner
        async with self.services.database.transaction() as connection:
            issued = await issue(
                connection,
                kind,
                tenant_id=owner.tenant_id,
                seconds=seconds,
                name=name,
                member_id=owner.member_id,
            )
        return issued.secret


def login_url(base: str, secret: str) -> str:
    return f"{base.rstrip('/')}/login?token={secret}"


def bind(host: str, port: int) -> socket.socket:
    """Raises PortTaken. Port 0 lets the system choose."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only where the socket names its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Can't listen on {host} port {port} ({error.strerror}): stop the program that does, "
            "or choose another port with --port.",
            code="port-taken",
        ) from error
    return listener


class StoppingServer(uvicorn.Server):
    """Says when it answers, and tells the application that it ends before it waits for connections."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()
        self._services = services

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are handled by ``serve``, or by the program that calls it."""
        yield


async def serve(
    settings: CoordinatorSettings,
    *,
    started: Callable[[Served], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serves until ``stop`` is set; without one, until SIGINT or SIGTERM. Calls ``started`` once it answers.

    Raises PortTaken and TlsRefused, and StoreRefused where the database can't be used. All is closed when it
    returns.
    """
    check_tls(settings)
    end = stop or asyncio.Event()
    if stop is None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end.set)
    with bind(settings.host, settings.port) as listener:
        port = listener.getsockname()[1]
        url = local_url(settings.host, port, tls=settings.tls_certificate is not None)
        async with open_services(settings) as (services, first_login):
            server = StoppingServer(configure(create_app(settings, services), settings, services), services)
            running = asyncio.create_task(server.serve([listener]), name="server")
            ended = asyncio.create_task(end.wait())
            answers = asyncio.create_task(server.answers.wait())
            try:
                await asyncio.wait((running, answers), return_when=asyncio.FIRST_COMPLETED)
                if started is not None and server.answers.is_set():
                    base = settings.public_url or url
                    first = login_url(base, first_login.secret) if first_login else None
                    started(Served(url, port, first, services))
                await asyncio.wait((running, ended), return_when=asyncio.FIRST_COMPLETED)
            finally:
                ended.cancel()
                answers.cancel()
                server.should_exit = True
                await running


def local_url(host: str, port: int, *, tls: bool = False) -> str:
    """How a program on this machine reaches it."""
    scheme = "https" if tls else "http"
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{reachable}]:{port}" if ":" in reachable else f"{scheme}://{reachable}:{port}"


def check_tls(settings: CoordinatorSettings) -> None:
    """Raises TlsRefused: uvicorn itself would end with a traceback, after the database was started."""
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise TlsRefused(
            "TLS needs both PULLYARD_TLS_CERTIFICATE and PULLYARD_TLS_KEY: set the other one too.",
            code="tls-files",
        )
    if settings.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except OSError as error:
        # SSLError is an OSError, too; neither repeats what is in the files.
        raise TlsRefused(
            f"The certificate {settings.tls_certificate} and its key can't be used ({error}): "
            "give two PEM files that belong together.",
            code="tls-files",
        ) from error


def configure(app: FastAPI, settings: CoordinatorSettings, services: Services) -> uvicorn.Config:
    refused = services.metrics.connections_refused
    limits = Limits(
        connections=min(settings.max_connections, raise_file_limit()),
        head_seconds=settings.request_head_seconds,
        body_seconds=settings.request_body_seconds,
        refused=lambda why: refused.labels(why).inc(),
    )
    return uvicorn.Config(
        app,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        http=bounded(limits, HttpProtocol),
        ws=SocketProtocol,
        ws_max_size=2 * MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        # The hub's own signs of life wait for a slow reader, and these would not.
        ws_ping_interval=None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
