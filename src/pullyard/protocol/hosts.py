"""The one reading of a host's name: what a project may list, and what a sandbox may ask for.

A name that two programs could read differently is none: an address in any spelling, a dot at the end, letters
outside of ASCII, escapes. A name with other letters is written in its ``xn--`` form.
"""

import re

HOST_CHARACTERS = 253
_LABEL = "([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# Resolvers take a name whose last label is a number, 0x7f too, for an address; no top-level domain begins so.
HOST_PATTERN = rf"^([A-Za-z0-9]{_LABEL}\.)*[A-Za-z]{_LABEL}$"
_HOST = re.compile(HOST_PATTERN)
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def read_host(text: str) -> str | None:
    """The name in lower case; None for what is not one name to everybody."""
    return text.lower() if len(text) <= HOST_CHARACTERS and _HOST.fullmatch(text) else None


def read_port(text: str) -> int | None:
    """A number from 1 to 65535 in the one way to write it, else None."""
    port = int(text) if _PORT.fullmatch(text) else 0
    return port if 0 < port < 1 << 16 else None


def read_place(text: str, default_port: int | None = None) -> tuple[str, int] | None:
    """``host:port``, or ``host`` alone where there is a default; None for anything else."""
    name, colon, digits = text.partition(":")
    host = read_host(name)
    port = read_port(digits) if colon else default_port
    return (host, port) if host is not None and port is not None else None
