"""Addresses of repositories that lead into the network around a worker, and what git could be made tell."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pullyard.git.addresses import read_address
from pullyard.git.errors import RepositoryUnreachable
from pullyard.git.program import Git, GitSettings
from pullyard.git.reach import Reach
from pullyard.git.remotes import Remotes
from pullyard.protocol.errors import RequestError
from pullyard.protocol.public_addresses import read_private_place
from pullyard.worker.network import reach_of
from pullyard.worker.settings import WorkerSettings
from tests.repositories import make_bare_clone, make_repository, serve_http

NAME = "repositories.example"
CANARY = "canary-of-an-owner"


def remotes(reach: Reach | None) -> Remotes:
    return Remotes(Git(GitSettings(plain_http=True, reach=reach)))


def resolver(*answers: Sequence[str]):  # type: ignore[no-untyped-def]
    """Each answer once; another question is a fault."""
    left = iter(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return next(left)

    return resolve


@contextmanager
def listening(location: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """A web server that redirects, or has nothing; its port, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization', '')}")
            self.send_response(302 if location else 404)
            if location:
                self.send_header("Location", location + self.path)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Not wanted."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[int]:
    make_bare_clone(make_repository(tmp_path / "w", {"a.txt": "a\n"}), tmp_path / "served" / "a.git")
    with serve_http(tmp_path / "served") as server:
        yield server.port


@pytest.mark.attack("requests: address of a repository")
@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:{0}/a.git", "http://127.1:{0}/a.git", "http://2130706433:{0}/a.git"),
        *("http://0x7f.0.0.1:{0}/a.git", "http://0177.0.0.1:{0}/a.git", "http://localhost:{0}/a.git"),
        *("http://[::ffff:7f00:1]:{0}/a.git", "http://[::1]:{0}/a.git", "http://0.0.0.0:{0}/a.git"),
        *("https://10.0.0.1/a.git", "https://192.168.1.1/a.git", "https://[fd00::1]/a.git"),
        *("https://100.64.0.1/a.git", "https://[fe80::1]/a.git", "https://172.16.0.1:8443/a.git"),
        *("ssh://127.0.0.1/a.git", "ssh://git@10.0.0.1:2222/a.git", "git@192.168.1.1:a.git"),
        *("ssh://git@[::1]/a.git", "git@[::1]:a.git", "git@127.1:a.git"),
    ],
)
async def test_a_private_address_is_refused_before_anything_connects(url: str) -> None:
    with listening() as (port, asked), pytest.raises(RequestError, match="private address"):
        await remotes(Reach()).list(read_address(url.format(port)))
    assert asked == []


@pytest.mark.attack("requests: address of a repository")
@pytest.mark.parametrize(
    "url",
    [
        *("http://169.254.169.254/latest", "https://[fd00:ec2::254]/x", "http://2852039166/x"),
        *("ssh://168.63.129.16/x", "git@100.100.100.200:x"),
    ],
)
async def test_no_setting_opens_a_cloud_s_metadata(url: str) -> None:
    ports = (22, 80, 443)
    everything = [read_private_place(f"{net}:{port}") for net in ("0.0.0.0/0", "[::/0]") for port in ports]
    named = frozenset({read_address(url).host})
    with pytest.raises(RequestError, match="metadata"):
        await remotes(Reach(everything, named)).list(read_address(url))


async def test_what_the_owner_opens_is_reached_at_that_port_alone(served: int) -> None:
    url = read_address(f"http://127.0.0.1:{served}/a.git")
    opened = Reach([read_private_place(f"127.0.0.0/8:{served}")])
    assert (await remotes(opened).list(url)).head == "main"
    assert (await remotes(Reach(named=frozenset({url.host}))).list(url)).head == "main"
    assert (await remotes(None).list(url)).head == "main"
    with pytest.raises(RequestError):
        await remotes(Reach([read_private_place("127.0.0.0/8:1")])).list(url)


@pytest.mark.attack("requests: DNS rebinding")
async def test_a_name_is_resolved_once_and_git_is_held_to_the_answer(served: int) -> None:
    places = [read_private_place(f"127.0.0.1:{served}")]
    reach = Reach(places, resolve=resolver(["127.0.0.1"], ["127.0.0.1", "10.0.0.1"]))
    url = read_address(f"http://{NAME}:{served}/a.git")
    assert (await remotes(reach).list(url)).head == "main", "nobody else knows the name"
    with pytest.raises(RequestError, match="private address"):
        await remotes(reach).list(url)


async def test_a_name_that_nobody_knows_may_be_known_later() -> None:
    with pytest.raises(RepositoryUnreachable) as failure:
        await remotes(Reach(resolve=resolver([]))).list(read_address(f"https://{NAME}/a.git"))
    assert failure.value.retryable


async def test_ssh_is_held_to_the_address_and_knows_the_host_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "print('hostname', sys.argv[-1]) if '-G' in sys.argv else None\n"
        f"open({str(tmp_path / 'asked')!r}, 'a').write(' '.join(sys.argv) + '\\n')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    reach = Reach([read_private_place("10.1.2.3:2222")], resolve=resolver(["10.1.2.3"]))
    with pytest.raises(RepositoryUnreachable):
        await remotes(reach).list(read_address(f"ssh://git@{NAME}:2222/a.git"))
    said = (tmp_path / "asked").read_text().splitlines()[-1]
    assert "-o HostName=10.1.2.3" in said
    assert f"-o HostKeyAlias=[{NAME}]:2222" in said


@pytest.mark.attack("requests: redirects")
async def test_a_redirect_is_refused() -> None:
    with (
        listening() as (inside, asked),
        listening(f"http://127.0.0.1:{inside}") as (outside, first),
        pytest.raises(RepositoryUnreachable),
    ):
        await remotes(None).list(read_address(f"http://127.0.0.1:{outside}/a.git"))
    assert (len(first), asked) == (1, [])


@pytest.mark.attack("requests: address of a repository")
async def test_no_secret_of_the_worker_s_account_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bare_clone(make_repository(tmp_path / "w", {"a.txt": "a\n"}), tmp_path / "served" / "a.git")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    with serve_http(tmp_path / "served", login=("owner", CANARY)) as server:
        (home / ".netrc").write_text(f"machine 127.0.0.1 login owner password {CANARY}\n")
        (home / ".git-credentials").write_text(f"http://owner:{CANARY}@127.0.0.1:{server.port}\n")
        (home / ".gitconfig").write_text("[credential]\n\thelper = store\n")
        with pytest.raises(RepositoryUnreachable):
            await remotes(None).list(read_address(f"http://127.0.0.1:{server.port}/a.git"))
    assert set(server.requests) == {""}


@pytest.mark.attack("requests: address of a repository", "coordinator: a hostile one")
def test_who_is_far_away_names_no_repository_of_this_network(tmp_path: Path) -> None:
    def reach(url: str, **more: object) -> Reach | None:
        return reach_of(WorkerSettings(data_directory=tmp_path, coordinator_url=url, **more))  # type: ignore[arg-type]

    assert reach("http://127.0.0.1:7420") is None
    assert reach("https://pullyard.example") == Reach()
    assert reach("http://127.0.0.1:7420", git_allow_private=()) == Reach()
    opened = reach("https://pullyard.example", git_allow_private=("10.1.0.0/16:443",))
    assert opened == Reach((read_private_place("10.1.0.0/16:443"),))
    with pytest.raises(RequestError, match="git_allow_private"):
        reach("https://pullyard.example", git_allow_private=("10.1.0.0/16",))
