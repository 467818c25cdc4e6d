"""Which forge a repository is on, and what the worker's owner said about its host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pullyard.forges.errors import ForgeNotConfigured
from pullyard.git.addresses import Address, Transport, read_address, read_url
from pullyard.git.reach import Reach
from pullyard.protocol.errors import RequestError

AUTO = "auto"
"""A project's wish: whatever the repository's host is known to be."""
BARE = "bare"
_USUAL_PORTS = {Transport.HTTP: 80, Transport.HTTPS: 443}


@dataclass(frozen=True)
class Conventions:
    """What is usual for a kind of forge."""

    git_name: str
    """With which git's own HTTP takes a token in place of a password."""
    person_name: str | None = None
    """In place of ``git_name`` where the token is a person's; None: the same."""
    hosts: tuple[str, ...] = ()
    """Known to be of this kind."""
    api_urls: Mapping[str, str] = field(default_factory=dict[str, str])
    """By the host, where the API is elsewhere; ``*.`` is any one label below it, and ``{host}`` that host."""
    api_path: str | None = None
    """Of the API on any other host; None: there is none that is usual."""
    nested: bool = False
    """A repository may be in a group of a group."""


CONVENTIONS: Mapping[str, Conventions] = {
    "github": Conventions(
        git_name="x-access-token",
        hosts=("github.com",),
        api_urls={"github.com": "https://api.github.com", "*.ghe.com": "https://api.{host}"},
        api_path="/api/v3",
    ),
    "gitlab": Conventions(git_name="oauth2", hosts=("gitlab.com",), api_path="/api/v4", nested=True),
    "gitea": Conventions(git_name="oauth2", hosts=("codeberg.org", "gitea.com"), api_path="/api/v1"),
    "bitbucket": Conventions(
        git_name="x-token-auth",
        person_name="x-bitbucket-api-token-auth",
        hosts=("bitbucket.org",),
        api_urls={"bitbucket.org": "https://api.bitbucket.org/2.0"},
    ),
}
_UNKNOWN = Conventions(git_name="git")
_KNOWN_HOSTS = {host: kind for kind, one in CONVENTIONS.items() for host in one.hosts}


@dataclass(frozen=True)
class App:
    """A GitHub App; ``key`` is its private key, as PEM."""

    id: str
    key: str = field(repr=False)
    installation: int | None = None
    """None: looked up by the repository."""


@dataclass(frozen=True)
class Site:
    """One host; None is what is usual for its kind."""

    kind: str | None = None
    api_url: str | None = None
    token: str | None = field(default=None, repr=False)
    username: str | None = None
    """Bitbucket: the account's e-mail address, with an API token of a person."""
    app: App | None = None
    ca_file: Path | None = None
    proxy: str | None = None


@dataclass(frozen=True)
class Place:
    """A repository as the forge's API names it."""

    host: str
    path: str
    """``owner/name``, or ``group/subgroup/name`` on GitLab."""

    @property
    def owner(self) -> str:
        return self.path.rpartition("/")[0]


@dataclass(frozen=True)
class Sites:
    """Of one worker. ``reach`` None: an API may be at any address."""

    by_host: Mapping[str, Site] = field(default_factory=dict[str, Site])
    reach: Reach | None = None
    plain_http: bool = False

    def of(self, address: Address) -> Site:
        """By the host as the address has it, then by ``host_key``: another port is another service."""
        return self.by_host.get(address.host) or self.by_host.get(host_key(address)) or Site()

    def kind(self, url: str, wish: str) -> str:
        """The forge's name. Raises RequestError for an address that is none."""
        if wish != AUTO:
            return wish
        address = read_address(url)
        if address.transport is Transport.FILE:
            return BARE
        return self.of(address).kind or _KNOWN_HOSTS.get(host_key(address)) or BARE

    def check(self, url: str, wish: str) -> None:
        """Raises ForgeNotConfigured where the worker can't speak to the forge's API."""
        kind = self.kind(url, wish)
        if kind not in CONVENTIONS:
            return
        address = read_address(url)
        site = self.of(address)
        if address.transport is Transport.FILE:
            raise ForgeNotConfigured(
                f"{address.url} is a path on the worker, and {kind} is at an address: "
                "set the project's forge to bare or auto."
            )
        if not (site.token or site.app):
            raise ForgeNotConfigured(
                f"This worker has no token for {host_key(address)}, a {kind} forge: set "
                f'forges."{host_key(address)}".token in its settings, or the project\'s forge to bare, '
                "with which only the branch is pushed."
            )
        self.api_url(kind, address)

    def api_url(self, kind: str, address: Address) -> str:
        """Raises ForgeNotConfigured where it has to be said, RequestError where it is not encrypted."""
        site = self.of(address)
        key = address.host if address.host in self.by_host else host_key(address)
        # A port of SSH says nothing of the API's: a token that was given for it goes where its owner says.
        told = address.transport is Transport.SSH and key != host_key(address)
        given = site.api_url or (None if told else usual_api(kind, address))
        if given is None:
            raise ForgeNotConfigured(
                f'Set forges."{key}".api_url in the worker\'s settings: the address of '
                f"{kind}'s API there is not known."
            )
        read = read_url(given)
        if read.transport is Transport.HTTPS or read.loopback:
            return read.url
        if not (self.plain_http and is_plain(site)):
            raise RequestError(
                f"{read.url} is not encrypted, and the worker's token goes there: use https://, or, where "
                f'all between may read it, set allow_plain_http and forges."{key}".api_url.',
                code="plain-http",
            )
        return read.url

    def place(self, kind: str, address: Address) -> Place:
        """Raises RequestError where the address names no repository of a forge."""
        # A forge below a path of its host has its API below it, too.
        base = urlsplit(self.of(address).api_url or "").path.partition("/api/")[0]
        parts = parts_of(address, base)
        several = len(parts) == 2 or (len(parts) > 2 and conventions(kind).nested)
        if not several or not all(map(is_part, parts)):
            raise RequestError(
                f"{address.url} names no repository of a {kind} forge: an address ends in owner/name.",
                code="invalid-repository",
            )
        return Place(address.hostname, "/".join(parts))


def conventions(kind: str | None) -> Conventions:
    return CONVENTIONS.get(kind or BARE, _UNKNOWN)


def parts_of(address: Address, base: str) -> list[str]:
    """Of its path below ``base``, decoded."""
    path = urlsplit(address.url).path if "://" in address.url else address.url.partition(":")[2]
    if address.transport in (Transport.HTTP, Transport.HTTPS):
        path = path.removeprefix(base)
    return [unquote(part) for part in path.strip("/").removesuffix(".git").split("/")]


def is_part(part: str) -> bool:
    return bool(part) and part not in (".", "..") and part.isprintable() and "/" not in part


def host_key(address: Address) -> str:
    """As the settings name it: with a port only where that is not the usual one of HTTP(S)."""
    usual = (None, _USUAL_PORTS.get(address.transport, address.port))
    return address.hostname if address.port in usual else address.host


def is_plain(site: Site) -> bool:
    return (site.api_url or "").lower().startswith("http://")


def usual_api(kind: str, address: Address) -> str | None:
    """None where it has to be said."""
    usual = conventions(kind)
    host = host_key(address)
    if known := usual.api_urls.get(host) or usual.api_urls.get(f"*.{host.partition('.')[2]}"):
        return known.format(host=host)
    if usual.api_path is None:
        return None
    web = address.transport in _USUAL_PORTS
    base = f"{address.transport}://{address.host}" if web else f"https://{address.hostname}"
    return base + usual.api_path


def git_name(kind: str | None, site: Site) -> str:
    """The user name beside a token, for git over HTTP."""
    usual = conventions(kind)
    return (site.username and usual.person_name) or usual.git_name
