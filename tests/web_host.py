"""A web server of this machine in a thread, for tests whose own code waits on processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def web_host(answer: bytes = b"hello from outside\n", gate: threading.Event | None = None) -> Iterator[int]:
    """Its port. What asks for ``/wait`` is answered once the gate is open."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if gate is not None and self.path == "/wait":
                gate.wait(60)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Not wanted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
