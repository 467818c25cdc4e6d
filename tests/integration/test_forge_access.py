"""How requests get to a forge: which certificates are trusted, which addresses, which proxy, which App."""

import base64
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pullyard.forges.access import Access
from pullyard.forges.errors import ForgeNotConfigured
from pullyard.forges.github import GitHubForge
from pullyard.forges.github_app import statement
from pullyard.forges.sites import App, Site, Sites
from pullyard.git.addresses import Login, read_address
from pullyard.git.errors import RepositoryUnreachable
from pullyard.git.program import Git, GitSettings
from pullyard.git.reach import Reach
from pullyard.git.remotes import Remotes
from pullyard.protocol.errors import RemoteFailure, RequestError
from pullyard.protocol.public_addresses import read_private_place
from tests.fault_proxy import FaultProxy
from tests.forges.github import TOKEN_OF_APP
from tests.forges.kinds import access_to, make_server
from tests.forges.server import TOKEN, ForgeServer, serve_forge
from tests.repositories import make_bare_clone, make_repository

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def certificate(place: Path, *, by_address: bool) -> Path:
    """Of an authority of our own, which is the server itself: for its name, or its address."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forge.test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names: list[x509.GeneralName] = [address if by_address else x509.DNSName("forge.test")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(KEY, hashes.SHA256())
    )
    (place / "key.pem").write_text(PEM)
    (place / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return place / "ca.pem"


@pytest.fixture
def served(tmp_path: Path) -> Path:
    author = make_repository(tmp_path / "author", {"README": "one\n"})
    make_bare_clone(author, tmp_path / "served" / "acme" / "widgets.git")
    return tmp_path / "served"


@pytest.fixture
def server(served: Path) -> Iterator[ForgeServer]:
    with serve_forge(make_server("github", served)) as server:
        yield server
    assert server.wrong == []


@pytest.fixture(params=["address"])
def secure(served: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ForgeServer]:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate(tmp_path, by_address=request.param == "address"), tmp_path / "key.pem")
    with serve_forge(make_server("github", served), trust) as server:
        yield server


@pytest.fixture
async def opened() -> AsyncIterator[list[Access]]:
    made: list[Access] = []
    yield made
    for access in made:
        await access.close()


async def look(access: Access, server: ForgeServer, url: str | None = None) -> None:
    """One request of the API, and one of git."""
    address = url or server.url
    forge = GitHubForge(Git(), access)
    nowhere = Path("/nonexistent")
    assert await forge.status(nowhere, address, branch="x", base_branch="main", commit="0" * 40) is None


async def listed(access: Access, server: ForgeServer, ca_file: Path | None) -> list[str]:
    authorities = {server.host: ca_file} if ca_file else {}
    git = Git(GitSettings(find_login=access.login, authorities=authorities))
    return list((await Remotes(git).list(read_address(server.url))).branches)


async def test_an_authority_of_ones_own(secure: ForgeServer, tmp_path: Path, opened: list[Access]) -> None:
    own = access_to("github", secure, ca_file=tmp_path / "ca.pem")
    stranger = access_to("github", secure)
    opened += [own, stranger]
    await look(own, secure)
    assert await listed(own, secure, tmp_path / "ca.pem") == ["main"]
    with pytest.raises(RemoteFailure, match="can't be reached"):
        await look(stranger, secure)
    with pytest.raises(RemoteFailure, match="certificate"):
        await listed(stranger, secure, None)


def reaching(server: ForgeServer, reach: Reach, **more: object) -> Access:
    """The server by a name, which leads where ``reach`` says."""
    host = f"forge.test:{server.port}"
    wish: dict[str, object] = {"kind": "github", "token": TOKEN, **more}
    return Access(Sites({host: Site(**wish)}, reach, plain_http=True))  # type: ignore[arg-type]


@pytest.mark.attack("requests: DNS rebinding")
@pytest.mark.parametrize("secure", ["name"], indirect=True)
async def test_a_name_is_held_to_the_address_that_was_judged(
    secure: ForgeServer, tmp_path: Path, opened: list[Access]
) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        del port
        asked.append(host)
        return ["127.0.0.1"]

    url = f"https://forge.test:{secure.port}/acme/widgets.git"
    place = read_private_place(f"127.0.0.1:{secure.port}")
    open_here = Reach((place,), resolve=resolve)
    for reach in (open_here, Reach(resolve=resolve)):
        opened.append(reaching(secure, reach, ca_file=tmp_path / "ca.pem"))
    await look(opened[0], secure, url)
    # The certificate was for the name, and the name is what the forge was asked for.
    assert secure.asked[-1].headers["host"] == f"forge.test:{secure.port}"
    assert asked == ["forge.test"]
    with pytest.raises(RequestError, match="private address"):
        await look(opened[1], secure, url)
    assert len(secure.asked) == 1


@pytest.mark.attack("requests: address of a repository")
async def test_metadata_is_never_asked(opened: list[Access]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        del host, port
        return ["169.254.169.254"]

    reach = Reach(named=frozenset({"forge.test"}), resolve=resolve)
    site = Site(kind="github", token=TOKEN)
    opened.append(Access(Sites({"forge.test": site}, reach)))
    forge = GitHubForge(Git(), opened[0])
    with pytest.raises(RequestError, match="metadata"):
        await forge.status(
            Path("/"), "https://forge.test/a/b", branch="x", base_branch="main", commit="0" * 40
        )


async def test_the_owners_proxy_is_used_for_both(server: ForgeServer, opened: list[Access]) -> None:
    async with FaultProxy(f"http://{server.host}") as proxy:
        opened.append(access_to("github", server, proxy=proxy.url))
        await look(opened[0], server)
        git = Git(GitSettings(find_login=opened[0].login, proxies={server.host: proxy.url}))
        assert list((await Remotes(git).list(read_address(server.url))).branches) == ["main"]
        sent = bytes(proxy.sent)
    # Without TLS a proxy is asked by the whole address.
    for path in ("api/v3/repos/acme/widgets/pulls", "acme/widgets.git/info/refs"):
        assert f"GET http://{server.host}/{path}".encode() in sent


async def test_a_token_goes_nowhere_unencrypted(opened: list[Access]) -> None:
    opened.append(Access(Sites({"forge.test": Site(kind="github", token=TOKEN)})))
    with pytest.raises(RequestError, match="not encrypted"):
        opened[0].open("github", "http://forge.test/a/b")


@pytest.mark.attack("requests: address of a repository")
@pytest.mark.parametrize(
    "url",
    [
        "https://forge.test:9999/a/b",
        "http://forge.test:443/a/b",
        "http://forge.test:9999/a/b",
        "https://other.test/a/b",
    ],
)
async def test_another_port_is_another_service(url: str, opened: list[Access]) -> None:
    opened.append(Access(Sites({"forge.test": Site(kind="github", token=TOKEN)}, plain_http=True)))
    with pytest.raises(ForgeNotConfigured, match="has no token for"):
        opened[0].open("github", url)
    assert await opened[0].login(read_address(url)) is None
    assert opened[0].sites.kind(url, "auto") == "bare"


@pytest.mark.parametrize("url", ["https://forge.test:443/a/b", "ssh://git@forge.test:2222/a/b"])
async def test_the_usual_port_and_every_port_of_ssh_are_the_host(url: str, opened: list[Access]) -> None:
    opened.append(Access(Sites({"forge.test": Site(kind="github", token=TOKEN)})))
    assert opened[0].open("github", url)[1].path == "a/b"


async def test_a_port_of_ssh_does_not_tell_where_the_api_is(opened: list[Access]) -> None:
    sites = {"forge.test:3000": Site(kind="gitea", token=TOKEN)}
    opened.append(Access(Sites(sites)))
    with pytest.raises(ForgeNotConfigured, match=r'Set forges\."forge\.test:3000"\.api_url'):
        opened[0].open("gitea", "ssh://git@forge.test:3000/a/b")


async def test_plain_http_for_one_forge_is_for_no_other(opened: list[Access]) -> None:
    sites = {
        "clear.test": Site(kind="gitea", token=TOKEN, api_url="http://clear.test/api/v1"),
        "forge.test": Site(kind="gitea", token=TOKEN),
    }
    opened.append(Access(Sites(sites, plain_http=True)))
    assert opened[0].open("gitea", "http://clear.test/a/b")[1].path == "a/b"
    with pytest.raises(RequestError, match="not encrypted"):
        opened[0].open("gitea", "http://forge.test/a/b")


@pytest.mark.parametrize("own", [False, True], ids=["forges", "git_credentials"])
async def test_git_sends_a_token_in_the_clear_only_where_its_owner_says_so(
    server: ForgeServer, opened: list[Access], *, own: bool
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        del host, port
        return ["127.0.0.1"]

    reach = Reach((read_private_place(f"127.0.0.1:{server.port}"),), resolve=resolve)
    host = f"forge.test:{server.port}"
    address = read_address(f"http://{host}/acme/widgets.git")
    for clear in (False, True):
        access = reaching(server, reach, api_url=f"{'http' if clear else 'https'}://{host}/api/v3")
        opened.append(access)
        known = GitSettings(logins={host: Login("me", TOKEN, plain_http=clear)})
        settings = known if own else GitSettings(find_login=access.login)
        remotes = Remotes(Git(replace(settings, plain_http=True, reach=reach)))
        if clear:
            assert list((await remotes.list(address)).branches) == ["main"]
        else:
            with pytest.raises(RepositoryUnreachable):
                await remotes.list(address)


async def test_an_app_gets_a_token_for_one_repository(server: ForgeServer, opened: list[Access]) -> None:
    server.tokens.clear()
    opened.append(access_to("github", server, token=None, app=App("123", PEM)))
    await look(opened[0], server)
    await look(opened[0], server)
    paths = [one.path.removeprefix("/api/v3") for one in server.asked]
    assert paths == [
        "/repos/acme/widgets/installation",
        "/app/installations/77/access_tokens",
        *["/repos/acme/widgets/pulls"] * 2,
    ]
    # Git has it, too, and asks for no other one.
    assert await listed(opened[0], server, None) == ["main"]
    assert len(server.asked) == 4
    # What is masked in logs knows all of it.
    assert opened[0].secrets() == {PEM, TOKEN_OF_APP}


def test_an_apps_statement_is_signed() -> None:
    head, claims, signature = (one.encode() for one in statement(App("123", PEM), 1_000_000.0).split("."))
    KEY.public_key().verify(decoded(signature), head + b"." + claims, padding.PKCS1v15(), hashes.SHA256())
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"iat": 999_940, "exp": 1_000_540, "iss": "123"}


def decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"==")


def test_an_apps_key_that_is_none_is_told() -> None:
    with pytest.raises(ForgeNotConfigured, match="PEM"):
        statement(App("123", "no key"), 0.0)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://github.com/a/b.git", "github"),
        ("git@gitlab.com:a/b/c.git", "gitlab"),
        ("ssh://git@bitbucket.org/a/b", "bitbucket"),
        ("https://codeberg.org/a/b", "gitea"),
        ("https://forge.test/a/b", "gitea"),
        ("ssh://git@forge.test:2222/a/b", "gitea"),
        ("https://elsewhere.test/a/b", "bare"),
        ("/srv/git/a.git", "bare"),
    ],
)
def test_which_forge_it_is(url: str, kind: str) -> None:
    sites = Sites({"forge.test": Site(kind="gitea")})
    assert sites.kind(url, "auto") == kind
    assert sites.kind(url, "gitlab") == "gitlab"


@pytest.mark.parametrize(
    ("kind", "url", "api", "path"),
    [
        ("github", "git@github.com:a/b.git", "https://api.github.com", "a/b"),
        ("github", "https://ghe.test/a/b", "https://ghe.test/api/v3", "a/b"),
        ("github", "https://acme.ghe.com/a/b", "https://api.acme.ghe.com", "a/b"),
        ("gitlab", "ssh://git@gl.test:22/a/b/c.git", "https://gl.test/api/v4", "a/b/c"),
        ("gitlab", "https://below.test/gitlab/a/b", "https://below.test/gitlab/api/v4", "a/b"),
        ("gitea", "https://gitea.test:3000/a/b%20c", "https://gitea.test:3000/api/v1", "a/b c"),
        ("bitbucket", "https://bitbucket.org/a/b", "https://api.bitbucket.org/2.0", "a/b"),
    ],
)
def test_where_its_api_is(kind: str, url: str, api: str, path: str) -> None:
    sites = Sites({"below.test": Site(api_url="https://below.test/gitlab/api/v4")})
    address = read_address(url)
    assert (sites.api_url(kind, address), sites.place(kind, address).path) == (api, path)


@pytest.mark.parametrize(
    "url", ["https://github.com/a", "https://github.com/a/b/c", "https://github.com/a/%2e%2e"]
)
def test_what_is_no_repository_of_a_forge(url: str) -> None:
    with pytest.raises(RequestError, match="owner/name"):
        Sites().place("github", read_address(url))
