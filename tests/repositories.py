"""Real git repositories and real servers for them: over HTTP by git-http-backend, over SSH by sshd."""

import base64
import getpass
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from simulation.processes import free_port

PERSON = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git_in(directory: Path, *words: str) -> str:
    """Run git as a user would, and return what it prints."""
    environment = {**os.environ, **PERSON}
    done = subprocess.run(
        ["git", *words], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {words}: {done.stderr}"
    return done.stdout.strip()


def commit_files(repository: Path, files: Mapping[str, str | bytes], message: str = "Change") -> str:
    """Write files, commit them all, and return the commit."""
    for name, content in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    git_in(repository, "add", "-A")
    git_in(repository, "commit", "-q", "--allow-empty", "-m", message)
    return git_in(repository, "rev-parse", "HEAD")


def make_repository(path: Path, files: Mapping[str, str | bytes] | None = None) -> Path:
    """A repository with a working tree on ``main``; with no commit where ``files`` is None."""
    path.mkdir(parents=True)
    git_in(path, "init", "-q", "-b", "main")
    if files is not None:
        commit_files(path, files, "First")
    return path


def make_bare_clone(source: Path, path: Path) -> Path:
    """A bare copy, open to pushes over HTTP."""
    git_in(source, "clone", "-q", "--bare", str(source), str(path))
    git_in(path, "config", "http.receivepack", "true")
    return path


def branches_of(repository: Path) -> dict[str, str]:
    lines = git_in(
        repository, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads"
    ).splitlines()
    return dict(line.split(" ", 1) for line in lines)


@dataclass
class HttpServer:
    root: Path
    port: int
    requests: list[str]
    """The Authorization header of every request, empty where there was none."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


def git_answers(
    root: Path, request: Mapping[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """What git's own HTTP server says to a request, as CGI has it: status, headers, content."""
    environment = {
        **os.environ,
        **PERSON,
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_USER": "test",
        **request,
    }
    done = subprocess.run(
        ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    lines = [line.decode().partition(": ")[::2] for line in head.split(b"\r\n") if line]
    status = next((value for name, value in lines if name == "Status"), "200 OK")
    return int(status.split()[0]), [one for one in lines if one[0] != "Status"], content


@contextmanager
def serve_http(root: Path, login: tuple[str, str] | None = None) -> Iterator[HttpServer]:
    """Serve every repository below ``root``; with ``login`` only to who knows it."""
    expected = f"Basic {base64.b64encode(':'.join(login).encode()).decode()}" if login else None
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            self.answer(b"")

        def do_POST(self) -> None:
            self.answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

        def answer(self, body: bytes) -> None:
            given = self.headers.get("Authorization", "")
            seen.append(given)
            if expected is not None and given != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.end_headers()
                return
            place, _, query = self.path.partition("?")
            status, lines, content = git_answers(
                root,
                {
                    "PATH_INFO": unquote(place),
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                },
                body,
            )
            self.send_response(status)
            for name, value in lines:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield HttpServer(root, server.server_address[1], seen)
        finally:
            server.shutdown()
            thread.join()


@dataclass
class SshServer:
    port: int
    key: Path
    known_hosts: Path

    def url(self, repository: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"


def find_sshd() -> str | None:
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")


@contextmanager
def serve_ssh(directory: Path) -> Iterator[SshServer]:
    """An SSH server for this account alone, with keys of its own."""
    program = find_sshd()
    assert program is not None
    directory.mkdir(parents=True)
    for name in ("host", "user"):
        key = str(directory / name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    port = free_port()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    (directory / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {directory}/user.pub\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    host_key = (directory / "host.pub").read_text().split()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key[0]} {host_key[1]}\n")
    process = subprocess.Popen(
        [program, "-D", "-e", "-f", str(directory / "config")], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        while "listening" not in (line := process.stderr.readline()):
            assert line, "sshd ended before it listened"
        yield SshServer(port, directory / "user", directory / "known_hosts")
    finally:
        process.terminate()
        process.communicate()
