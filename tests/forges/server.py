"""A forge of ours for tests: real repositories over git's own HTTP, and a REST API over what it remembers.

Each kind of forge says in a module of its own how its API is spelled; what happens is the same and is here.
"""

import base64
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.repositories import git_answers, git_in

TOKEN = "forge-token-c0ffee"
OWN = "yard-bot"
"""The worker's account."""
REASON = "line 3: expected 4, got 5"
"""What a check that fails says."""


class Refused(Exception):
    """An answer that is a refusal, in the forge's own shape."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass
class Spoken:
    """Somebody's words at a line of a change, in a review that asks for changes, or as a task of it."""

    who: str
    text: str
    kind: str = "line"
    """``line``, ``review``, ``remark`` (a review that asks for nothing) or ``task``."""
    path: str = "result.txt"
    line: int = 1
    resolved: bool = False


@dataclass
class Issue:
    number: int
    who: str
    title: str = "Say it"
    body: str = ""
    label: str = "pullyard"
    labelled_by: str = "ada"
    labelled_before: list[str] = field(default_factory=list)
    """Who gave it the label before it was taken away again."""
    comments: list[str] = field(default_factory=list)
    state: str = "open"


@dataclass
class Change:
    number: int
    branch: str
    base: str
    title: str
    body: str
    draft: bool = False
    gone_fork: bool = False
    """Of a repository that was deleted since."""
    state: str = "open"
    merged_commit: str | None = None
    last_head: str = ""
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    reviews: list[tuple[str, str]] = field(default_factory=list)
    """Who, and ``approved`` or ``changes``."""
    checks: list[str] = field(default_factory=list)
    """``passing``, ``failing`` or ``pending``."""
    spoken: list[Spoken] = field(default_factory=list)
    replies: dict[int, list[str]] = field(default_factory=dict)
    """Of the worker's own account, by the place of what was spoken."""
    speakers: dict[int, str] = field(default_factory=dict)
    """Of the comments, by their place; all others are by the worker's own account."""


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    last: int = 0
    """The last page of what was asked for; 0: it has no pages."""


@dataclass
class Fault:
    """What becomes of the next requests that fit, ``times`` of them."""

    method: str
    path: str
    status: int = 0
    """0: the connection is cut."""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False
    """Whether the request is done all the same, and only its answer lost."""
    times: int = 1
    spaces: int = 0
    """So many come before the body, each after 10 ms."""
    before: Callable[[], None] | None = None
    """Called while the request waits."""


Answer = Callable[["ForgeServer", Asked], tuple[int, Any]]


@dataclass
class ForgeServer:
    """``owner/name.git`` below ``root`` is its one repository; everything else is by its API."""

    root: Path
    answer: Answer
    api: str
    """The API's path."""
    port: int = 0
    scheme: str = "http"
    name: str = "acme/widgets"
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    people: tuple[str, ...] = ("ada", "grace")
    members: tuple[str, ...] = ("ada",)
    """Who may write to the repository, besides the worker's own account."""
    changes: list[Change] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What was asked or answered and is not of the forge's published shapes."""
    methods: tuple[str, ...] = ("merge", "squash", "rebase")
    protected: str = ""
    """Why the base branch takes no merges; empty: it does."""
    logs: bool = True
    """Whether everybody may read those of its tests."""
    drafts: bool = True
    tags: bool = True
    """Whether what has not changed since is told so."""
    spared: int = 0
    """Answers of that kind."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{self.name}.git"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def repository(self) -> Path:
        return self.root / f"{self.name}.git"

    def page(self, change: Change, middle: str) -> str:
        return f"{self.scheme}://{self.host}/{self.name}/{middle}/{change.number}"

    def head(self, change: Change) -> str:
        """The last one where the branch is gone."""
        if change.gone_fork:
            return change.last_head
        found = git_in(
            self.repository, "for-each-ref", "--format=%(objectname)", f"refs/heads/{change.branch}"
        )
        change.last_head = found or change.last_head
        return change.last_head

    def open_of(self, branch: str) -> Change | None:
        own = (one for one in self.changes if one.branch == branch and not one.gone_fork)
        return next((one for one in own if one.state == "open"), None)

    def from_branch(self, branch: str, *, opened: bool, newest_first: bool) -> list[Change]:
        """Forks have branches of that name, too."""
        found = [one for one in self.changes if one.branch == branch and (one.state == "open" or not opened)]
        return found[::-1] if newest_first else found

    def numbered(self, number: str | int) -> Change:
        found = [one for one in self.changes if one.number == int(number)]
        if not found:
            raise Refused(404, {"message": "Not Found"})
        return found[0]

    def discussed(self, number: str | int) -> Change | Issue:
        """What has comments by its number, which issues and changes share on some forges."""
        return next((one for one in self.issues if one.number == int(number)), None) or self.numbered(number)

    def reply(self, change: Change, place: int, text: str) -> None:
        """Refused where nobody spoke there at a line."""
        if not (0 <= place < len(change.spoken) and change.spoken[place].kind == "line"):
            raise Refused(404, {"message": "Not Found"})
        change.replies.setdefault(place, []).append(text)

    def issue(self, who: str, **more: Any) -> Issue:
        made = Issue(101 + len(self.issues), who, **more)
        self.issues.append(made)
        return made

    def labelled(self, label: str) -> list[Issue]:
        """However it is spelled."""
        labelled = [one for one in self.issues if one.label.lower() == label.lower()]
        return [one for one in reversed(labelled) if one.state == "open"]

    def speaker(self, thing: Change | Issue, place: int) -> str:
        return thing.speakers.get(place, OWN) if isinstance(thing, Change) else OWN

    def create(self, branch: str, base: str, title: str, body: str, *, draft: bool = False) -> Change:
        made = Change(len(self.changes) + 1, branch, base, title, body, draft)
        self.head(made)
        self.changes.append(made)
        return made

    def mergeable(self, change: Change) -> bool:
        if change.gone_fork:
            return False
        words = ("merge-tree", "--write-tree", "-z", change.base, self.head(change))
        try:
            git_in(self.repository, *words)
        except AssertionError:
            return False
        return True

    def merge(self, change: Change, title: str, *, squash: bool = False) -> str:
        """The caller has looked whether it may be."""
        base, head = git_in(self.repository, "rev-parse", change.base), self.head(change)
        tree = git_in(self.repository, "merge-tree", "--write-tree", base, head)
        parents = ["-p", base] if squash else ["-p", base, "-p", head]
        made = git_in(self.repository, "commit-tree", tree, *parents, "-m", title)
        git_in(self.repository, "update-ref", f"refs/heads/{change.base}", made, base)
        change.state, change.merged_commit = "merged", made
        return made

    def fault(self, method: str, path: str, status: int = 0, **more: Any) -> Fault:
        made = Fault(method, path, status, **more)
        self.faults.append(made)
        return made

    def posts(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.method == "POST" and re.search(path, one.path)]

    def take_fault(self, asked: Asked) -> Fault | None:
        for one in self.faults:
            if one.times and one.method == asked.method and re.search(one.path, asked.path):
                one.times -= 1
                return one
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    forge: ForgeServer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.chunks()
        # Through a proxy, the whole address is asked for.
        place, _, query = self.path.removeprefix(f"http://{self.forge.host}").partition("?")
        if place.startswith(f"/{self.forge.name}.git/"):
            self.git(place, query, body)
        else:
            self.api(place, query, body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def chunks(self) -> bytes:
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def token(self) -> str:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            given = base64.b64decode(given).decode().partition(":")[2]
        return given

    def git(self, place: str, query: str, body: bytes) -> None:
        if self.token() not in self.forge.tokens:
            self.say(401, b"", {"WWW-Authenticate": 'Basic realm="forge"'})
            return
        request = {
            "PATH_INFO": unquote(place),
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        status, lines, content = git_answers(self.forge.root, request, body)
        self.say(status, content, dict(lines))

    def api(self, place: str, query: str, body: bytes) -> None:
        asked = Asked(
            self.command,
            place,
            {name: values[-1] for name, values in parse_qs(query).items()},
            json.loads(body) if body else None,
            {name.lower(): value for name, value in self.headers.items()},
        )
        with self.forge.lock:
            self.forge.asked.append(asked)
            fault = self.forge.take_fault(asked)
        if fault and fault.before:
            fault.before()
        if fault is None or fault.done:
            with self.forge.lock:
                status, answer, headers = self.decided(asked)
        if fault is None:
            content = written(answer)
            tag = f'W/"{hashlib.sha256(content).hexdigest()}"'
            if asked.method == "GET" and status == 200 and self.forge.tags:
                same = asked.headers.get("if-none-match") == tag
                self.forge.spared += same
                status, content = (304, b"") if same else (200, content)
                headers = {**headers, "ETag": tag}
            self.say(status, content, headers)
        elif fault.status:
            content = json.dumps(fault.body).encode()
            self.say(fault.status, content, fault.headers, spaces=fault.spaces)
        else:
            self.close_connection = True

    def decided(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        bearer = self.headers.get("Authorization", "")
        if self.token() not in self.forge.tokens and not bearer.startswith("Bearer ey"):
            return 401, {"message": "Bad credentials"}, {}
        try:
            status, answer = self.forge.answer(self.forge, asked)
            pages = f"http://{self.forge.host}{asked.path}?page"
            links = f'<{pages}=2>; rel="next", <{pages}={asked.last}>; rel="last"'
            return status, answer, {"Link": links} if asked.last > 1 else {}
        except Refused as refusal:
            return refusal.status, refusal.body, refusal.headers

    def say(self, status: int, content: bytes, headers: Mapping[str, str], *, spaces: int = 0) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(spaces + len(content)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(spaces):
                self.wfile.write(b" ")
                self.forge.closing.wait(0.01)
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def written(answer: Any) -> bytes:
    """A log is plain text, everything else JSON."""
    if answer is None:
        return b""
    return answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()


@contextmanager
def serve_forge(server: ForgeServer, trust: ssl.SSLContext | None = None) -> Iterator[ForgeServer]:
    bound = type("Bound", (Handler,), {"forge": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as listening:
        if trust is not None:
            listening.socket = trust.wrap_socket(listening.socket, server_side=True)
            server.scheme = "https"
        listening.daemon_threads = True
        server.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            listening.shutdown()
            thread.join()
