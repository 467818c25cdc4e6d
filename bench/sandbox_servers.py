"""Run as a program of its own: the servers that a gateway is measured with, or the gateway itself.

``origin CERTIFICATE KEY`` serves a model, and as many bytes as it is asked for, plain and by TLS.
``gateway MODEL BULK SECURE`` is given those three ports. Each prints its ports as JSON and runs until its
standard input ends.
"""

import asyncio
import json
import socket
import ssl
import sys
import threading

from pydantic import SecretStr
from tests.model_server import ModelServer, Text

from pullyard.protocol.isolation import HostRule, NetworkPolicy
from pullyard.protocol.public_addresses import read_private_place
from pullyard.worker.gateway.egress import Egress
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.pinned import Dialer
from pullyard.worker.gateway.rules import allowed
from pullyard.worker.gateway.serve import Gateway
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream

HOST = "bulk.example"
PIECE = bytes(1 << 20)
SMALL = b"x" * 512


def serve_bulk(listener: socket.socket, security: ssl.SSLContext | None = None) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=answer, args=(client, security), daemon=True).start()


def answer(plain: socket.socket, security: ssl.SSLContext | None) -> None:
    """``GET /N``: N bytes, and the connection stays."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = plain if security is None else security.wrap_socket(plain, server_side=True)
    with client, client.makefile("rb") as reader:
        while line := reader.readline():
            while reader.readline() not in (b"\r\n", b""):
                continue
            size = int(line.split()[1].rpartition(b"/")[2])
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(PIECE)):
                client.sendall(PIECE)
            client.sendall(PIECE[: size % len(PIECE)])


async def origin(certificate: str, key: str) -> None:
    security = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    security.load_cert_chain(certificate, key)
    bulk, secure = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    threading.Thread(target=serve_bulk, args=(bulk,), daemon=True).start()
    threading.Thread(target=serve_bulk, args=(secure, security), daemon=True).start()
    async with ModelServer([Text("x" * 400, 10, 10)]) as model:
        await told({"model": model.port, "bulk": bulk.getsockname()[1], "secure": secure.getsockname()[1]})


async def gateway(model: int, *bulk: int) -> None:
    provider = ProviderSettings(SecretStr("sk-bench"), f"http://127.0.0.1:{model}")
    upstream = open_upstream({"anthropic": provider})
    policy = NetworkPolicy(registries=False, hosts=[HostRule(host=HOST, port=port) for port in bulk])
    private = [read_private_place(f"127.0.0.1:{port}") for port in bulk]
    dialer = Dialer(private=private, known={HOST: ("127.0.0.1",)})
    egress = Egress(allowed(policy, project="bench"), dialer)
    listener = socket.create_server(("127.0.0.1", 0)).detach()
    async with upstream.client, Gateway(listener, "anthropic", upstream, Ledger(), egress) as served:
        await told({"gateway": served.port})


async def told(ports: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(origin(*sys.argv[2:]) if sys.argv[1] == "origin" else gateway(*map(int, sys.argv[2:])))
