"""A registry of packages over TLS, as pip and npm ask one: an index, and one package in both forms."""

import base64
import hashlib
import io
import json
import ssl
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.certificate import make_certificate

WHEEL = "greeting-1.0-py3-none-any.whl"
TARBALL = "greeting-1.0.0.tgz"


@dataclass(frozen=True)
class Registry:
    url: str
    port: int
    certificate: str
    """Of itself, in PEM: what a client has to trust."""
    asked: list[str]
    """The paths."""


def wheel() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("greeting.py", "WORDS = 'hello from a package'\n")
        archive.writestr(
            "greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n"
        )
        archive.writestr("greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("greeting-1.0.dist-info/RECORD", "")
    return made.getvalue()


def tarball() -> bytes:
    made = io.BytesIO()
    files = {
        "package/package.json": json.dumps({"name": "greeting", "version": "1.0.0", "main": "index.js"}),
        "package/index.js": "module.exports = 'hello from a package'\n",
    }
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def pages(url: str) -> dict[str, tuple[str, bytes]]:
    """By path: kind and content."""
    python, javascript = wheel(), tarball()
    digest = hashlib.sha256(python).hexdigest()
    integrity = base64.b64encode(hashlib.sha512(javascript).digest()).decode()
    version = {
        "name": "greeting",
        "version": "1.0.0",
        "dist": {"tarball": f"{url}/files/{TARBALL}", "integrity": f"sha512-{integrity}"},
    }
    described = {"name": "greeting", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    link = f'<!DOCTYPE html><a href="../../files/{WHEEL}#sha256={digest}">{WHEEL}</a>'
    return {
        "/simple/greeting/": ("text/html", link.encode()),
        "/greeting": ("application/json", json.dumps(described).encode()),
        f"/files/{WHEEL}": ("application/octet-stream", python),
        f"/files/{TARBALL}": ("application/octet-stream", javascript),
    }


@contextmanager
def package_registry(name: str, place: Path) -> Iterator[Registry]:
    """Under this name, by which the client has to know it."""
    certificate, key = make_certificate(place, f"DNS:{name}")
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            kind, content = found.get(self.path, ("text/plain", b""))
            self.send_response(200 if self.path in found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Not wanted."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    port = server.server_address[1]
    url = f"https://{name}:{port}"
    found = pages(url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Registry(url, port, certificate.read_text(), asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
