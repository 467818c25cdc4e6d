"""Where a repository is: one reading of every spelling that git accepts, and of nothing more."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from pullyard.protocol.errors import RequestError

_SCP = re.compile(
    r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<path>[^:].*)"
)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9a-fA-F:]+")


class Transport(StrEnum):
    """The names are those of GIT_ALLOW_PROTOCOL."""

    FILE = "file"
    SSH = "ssh"
    HTTP = "http"
    HTTPS = "https"


@dataclass(frozen=True)
class Login:
    """A name and a token or password for one host; never part of a command line."""

    username: str
    password: str = field(repr=False)
    plain_http: bool = False
    """Whether one that is configured for a host may go over HTTP without TLS to another machine."""


@dataclass(frozen=True)
class Address:
    transport: Transport
    url: str
    """Without any credential: safe in messages, in arguments and as the key of a mirror."""
    host: str = ""
    """With its port where one is given; empty for a path."""
    login: Login | None = None
    """What was written into the URL itself."""

    @property
    def hostname(self) -> str:
        """Without a port or brackets; empty for a path."""
        text = self.url if "://" in self.url else f"//{self.host}"
        return urlsplit(text).hostname or ""

    @property
    def port(self) -> int | None:
        """None where the usual one is meant."""
        return urlsplit(self.url).port if "://" in self.url else None

    @property
    def loopback(self) -> bool:
        name = self.hostname
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


def read_address(text: str) -> Address:
    """Read a path, an SSH or an HTTP(S) address. Raises RequestError for anything else."""
    text = text.strip()
    if (
        not text
        or text.startswith("-")
        or re.search(r"[\x00-\x1f\x7f]", text)
        or re.match(r"[\w+-]+::", text)
    ):
        raise _refusal(text)
    if text.startswith(("/", "./", "../", "~")):
        try:
            return Address(Transport.FILE, str(Path(text).expanduser().absolute()).rstrip("/"))
        except RuntimeError as error:
            # There is no such account.
            raise _refusal(text) from error
    if "://" in text:
        return read_url(text)
    scp = _SCP.fullmatch(text)
    if scp is None or scp["path"].startswith("-"):
        raise _refusal(text)
    return Address(Transport.SSH, text, scp["host"])


def read_url(text: str) -> Address:
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise _refusal(text) from error
    if parts.scheme == "file" and not host:
        return Address(Transport.FILE, unquote(parts.path).rstrip("/") or "/")
    if parts.scheme not in ("ssh", "http", "https") or not _HOST.fullmatch(host):
        raise _refusal(text)
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return ssh_address(parts, place) if parts.scheme == "ssh" else http_address(parts, place)


def ssh_address(parts: SplitResult, place: str) -> Address:
    user = unquote(parts.username or "")
    # It becomes an argument of ssh, where a leading dash would be an option.
    if user and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", user):
        raise _refusal(parts.geturl())
    netloc = f"{user}@{place}" if user else place
    return Address(Transport.SSH, urlunsplit(("ssh", netloc, parts.path, "", "")), place)


def http_address(parts: SplitResult, place: str) -> Address:
    """The login is taken out, so that the address can be shown."""
    login = None
    if parts.username is not None:
        login = Login(unquote(parts.username), unquote(parts.password or ""))
    clean = urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
    return Address(Transport(parts.scheme), clean, place, login)


def _refusal(text: str) -> RequestError:
    shown = re.sub(r"//[^/@]*@", "//", text)[:120]
    return RequestError(
        f"{shown!r} is not a repository's address: give an absolute path, https://host/path or ssh://host/path.",
        code="invalid-repository",
    )
