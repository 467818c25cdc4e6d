"""Opens the port before anything else starts, so that a taken one is a sentence and no stack trace."""

import errno
import socket

from pullyard.protocol.errors import Conflict, RequestError


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 lets the system choose. Raises Conflict where the port is taken."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except socket.gaierror as error:
        raise RequestError(f"{host!r} is no address of this machine: {error.strerror}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"Port {port} on {host} is taken: stop what uses it, or choose another with --port "
                "(0 takes any free one).",
                code="port-taken",
            ) from error
        raise RequestError(f"Port {port} on {host} can't be opened: {error.strerror}.") from error
