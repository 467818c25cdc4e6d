"""A registry of images on loopback, which a real engine pulls from. It holds what a test gives it."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.asked: list[str] = []

    def add(self, name: str, files: dict[str, bytes], config: dict[str, Any] | None = None) -> str:
        """The image's whole name. ``config`` is what its containers are made with."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            for path, content in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        described = {
            "architecture": "amd64",
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer.getvalue())]},
        }
        packed = gzip.compress(layer.getvalue())
        told = json.dumps(described).encode()
        kinds = (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        )
        parts = [
            {"mediaType": kind, "size": len(blob), "digest": self.keep(blob)}
            for kind, blob in zip(kinds, (told, packed), strict=True)
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
        self.manifests[f"{name}/manifests/latest"] = json.dumps(manifest).encode()
        return f"{self.host}/{name}"

    def keep(self, blob: bytes) -> str:
        self.blobs[digest(blob)] = blob
        return digest(blob)

    def find(self, path: str) -> tuple[str, bytes] | None:
        self.asked.append(path)
        if path == "/v2/":
            return "application/json", b"{}"
        manifest = self.manifests.get(path.removeprefix("/v2/"))
        wanted = path.rpartition("/")[2]
        if manifest is None and "/manifests/sha256:" in path:
            manifest = next((one for one in self.manifests.values() if digest(one) == wanted), None)
        if manifest is not None:
            return MANIFEST, manifest
        blob = self.blobs.get(wanted)
        return None if blob is None else ("application/octet-stream", blob)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def image_registry() -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = registry.find(self.path)
            kind, content = found or ("application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", digest(content))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry = Registry(server.server_port)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield registry
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
