"""A push service and the devices behind it: what is sent, and who can read it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pullyard.coordinator.push.encryption import point
from pullyard.protocol.web_tokens import encode

KINDS = ["execution.waiting_input", "task.failed", "change.open"]


def derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


@dataclass
class Device:
    """A browser's side of a subscription: it alone has the private key."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = b"0123456789abcdef"

    def wish(self, **fields: Any) -> dict[str, Any]:
        public = encode(point(self.key.public_key()))
        keys = {"p256dh": public, "auth": encode(self.auth)}
        return {"endpoint": self.endpoint, "name": "my phone", "events": KINDS, **keys, **fields}

    def open(self, body: bytes) -> Any:
        """As RFC 8291 has it."""
        salt, sender, sealed_ = body[:16], body[21 : 21 + body[20]], body[21 + body[20] :]
        shared = self.key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        )
        info = b"WebPush: info\0" + point(self.key.public_key()) + sender
        secret = derived(shared, self.auth, info, 32)
        key = derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derived(secret, salt, b"Content-Encoding: nonce\0", 12)
        plain = AESGCM(key).decrypt(nonce, sealed_, None)
        return json.loads(plain.rstrip(b"\0").removesuffix(b"\x02"))


def can_open(device: Device, body: bytes) -> bool:
    try:
        return bool(device.open(body))
    except InvalidTag:
        return False


@dataclass
class PushService:
    """Answers with the statuses of ``answers``, then with 201; ``came`` has what each message was."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    came: "asyncio.Queue[tuple[dict[str, str], bytes]]" = field(default_factory=asyncio.Queue)
    slow: asyncio.Event | None = None
    """What comes to an address that ends in ``/slow`` is answered only after it."""

    @property
    def place(self) -> str:
        return self.url.removeprefix("http://")

    async def next(self) -> tuple[dict[str, str], bytes]:
        return await asyncio.wait_for(self.came.get(), 60)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        if self.slow is not None and first.split()[1].endswith("/slow"):
            await self.slow.wait()
        status = self.answers.pop(0) if self.answers else 201
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        self.came.put_nowait((headers, body))


@asynccontextmanager
async def push_service() -> AsyncIterator[PushService]:
    service = PushService()
    server = await asyncio.start_server(service.take, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield service
