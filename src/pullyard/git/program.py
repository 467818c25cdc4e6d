"""The git program, always run hardened: no configuration but ours, no hooks, no prompts, bounded in all."""

import asyncio
import errno
import os
import re
import shlex
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pullyard.git.addresses import Address, Login, Transport
from pullyard.git.errors import GitFailed, GitMissing
from pullyard.git.reach import Reach, Way, find_way
from pullyard.protocol.errors import RequestError

MINIMUM_VERSION = (2, 38)
"""The first one with ``merge-tree --write-tree``."""

OUTPUT_LIMIT_BYTES = 64 << 20
STDERR_BYTES = 64 << 10

# The last one is the mark by which a worker finds what it left running when it was killed.
_INHERITED = (
    *("PATH", "SSH_AUTH_SOCK", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
    "PULLYARD_SANDBOX",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_FIXED_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.bigFileThreshold": "16m",
    "credential.helper": "",
    "http.followRedirects": "false",
    "init.templateDir": "",
    "init.defaultBranch": "main",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "push.gpgSign": "false",
    "commit.gpgSign": "false",
    "transfer.fsckObjects": "true",
    # Old public histories hold these three harmless faults; they are no reason to refuse a mirror.
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.badTimezone": "ignore",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "checkout.workers": "0",
}
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$PULLYARD_GIT_USERNAME" "$PULLYARD_GIT_PASSWORD"; }; f'
)


@dataclass(frozen=True)
class Author:
    """Of the commits that are made here."""

    name: str = "Pullyard"
    email: str = "pullyard@pullyard.invalid"


@dataclass(frozen=True)
class GitSettings:
    """What the worker's settings say about reaching repositories."""

    logins: Mapping[str, Login] = field(default_factory=dict)
    """By host, with its port where the address names one: used for HTTPS, and for HTTP on loopback or where
    the login says so."""
    find_login: Callable[[Address], Awaitable[Login | None]] | None = None
    """Asked where ``logins`` has none: some credentials are made anew every hour."""
    authorities: Mapping[str, Path] = field(default_factory=dict)
    """By host as ``logins``: the certificate authorities to trust there, and no others, as a PEM file."""
    proxies: Mapping[str, str] = field(default_factory=dict)
    """By host as ``logins``, instead of the environment's."""
    plain_http: bool = False
    """Allow ``http://`` to other machines too; loopback always is."""
    reach: Reach | None = None
    """None: a repository may be at any address."""
    ssh_key: Path | None = None
    ssh_known_hosts: Path | None = None
    ssh_accept_new_hosts: bool = False
    """Trust the key of a host never seen before; a changed key is always refused."""
    author: Author = field(default_factory=Author)
    signing_key: Path | None = None
    """An SSH key without a passphrase, with which commits are signed."""


@dataclass(frozen=True)
class Finished:
    """``stdout`` is complete unless ``truncated``: then git was stopped at the limit."""

    exit_code: int
    stdout: bytes
    stderr: str
    truncated: bool = False
    timed_out: bool = False

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace").strip()


class Git:
    """Runs git. Any number of calls at the same time; holds no state but the settings."""

    def __init__(self, settings: GitSettings | None = None, program: Sequence[str] = ("git",)) -> None:
        self.settings = settings or GitSettings()
        self.program = tuple(program)

    def within(self, words: Sequence[str]) -> "Git":
        """The same git, started by the program that ``words`` name, such as nsenter."""
        return Git(self.settings, (*words, *self.program))

    async def check_version(self) -> str:
        """The version found. Raises GitMissing with what to install."""
        needed = ".".join(map(str, MINIMUM_VERSION))
        try:
            answer = await self.run("version")
        except FileNotFoundError as error:
            raise GitMissing(f"There is no git here: install git {needed} or newer.") from error
        found = re.search(r"(\d+)\.(\d+)[.\w-]*", answer.text)
        if found is None or (int(found[1]), int(found[2])) < MINIMUM_VERSION:
            raise GitMissing(f"{answer.text[:60]} is too old: install git {needed} or newer.")
        return found[0]

    async def run(
        self,
        *arguments: str,
        git_dir: Path | None = None,
        address: Address | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | int | None = None,
        timeout_seconds: float = 60.0,
        limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> Finished:
        """Run one command; on cancel, at the time limit or the output limit its process group is killed.

        ``address`` allows that transport and no other; without one git can reach nothing at all.
        ``stdin`` is content, or a file descriptor that stays the caller's. Never raises for an exit code,
        but for a full disk: that is an OSError. Raises RequestError for an address that may not be reached,
        RepositoryUnreachable for a host that is looked up here and has none.
        """
        own = await self._environment_for(address)
        content = b"" if stdin is None or isinstance(stdin, int) else stdin
        process = await asyncio.create_subprocess_exec(
            *self.program,
            *([f"--git-dir={git_dir}"] if git_dir else []),
            *arguments,
            stdin=stdin if isinstance(stdin, int) else PIPE if content else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=own | dict(environment or {}),
            start_new_session=True,
            umask=0o022,
        )
        output = _Output(limit_bytes)
        await output.take(process, content, timeout_seconds)
        return output.finished(process.returncode or 0)

    async def ok(
        self,
        *arguments: str,
        git_dir: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | int | None = None,
        timeout_seconds: float = 60.0,
    ) -> bytes:
        """The output of a local command that must succeed. Raises GitFailed."""
        done = await self.run(
            *arguments,
            git_dir=git_dir,
            environment=environment,
            stdin=stdin,
            timeout_seconds=timeout_seconds,
        )
        if done.truncated or done.timed_out:
            reason = "it printed too much" if done.truncated else "it took too long"
            raise GitFailed(arguments[0], done.exit_code, reason, timed_out=done.timed_out)
        if done.exit_code:
            raise GitFailed(arguments[0], done.exit_code, done.stderr)
        return done.stdout

    async def _environment_for(self, address: Address | None) -> dict[str, str]:
        """``environment``, once it is known where the address leads and by which login."""
        if address is None:
            return self.environment()
        reach = self.settings.reach
        way = Way() if reach is None else await find_way(address, reach, self._ssh_command())
        return self.environment(address, way, await self._login(self.check_allowed(address)))

    async def _login(self, address: Address) -> Login | None:
        if address.transport not in (Transport.HTTP, Transport.HTTPS):
            return None
        if address.login is not None:
            return address.login
        known = self.settings.logins.get(address.host)
        if known is None and self.settings.find_login is not None:
            known = await self.settings.find_login(address)
        # Whoever names the repository also names the transport.
        encrypted = address.transport is Transport.HTTPS or address.loopback
        return known if known is None or encrypted or known.plain_http else None

    def environment(
        self, address: Address | None = None, way: Way | None = None, login: Login | None = None
    ) -> dict[str, str]:
        """All that git gets to see; a login travels here, never in an argument."""
        way = way or Way()
        config = {**_FIXED_CONFIG, **way.config}
        names = _INHERITED + _PROXIES
        environment = {name: os.environ[name] for name in names if name in os.environ} | {
            "LC_ALL": "C",
            # No .netrc is found there; ssh looks its own files up by the account.
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "SSH_ASKPASS": "/bin/false",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_ALLOW_PROTOCOL": "none",
        }
        if address is not None:
            environment["GIT_ALLOW_PROTOCOL"] = self.check_allowed(address).transport.value
            environment["GIT_SSH_COMMAND"] = self._ssh_command(way.ssh_options)
            if proxy := self.settings.proxies.get(address.host):
                config["http.proxy"] = proxy
            if address.host in self.settings.authorities:
                # The environment's own would have the last word over the configuration.
                environment["GIT_SSL_CAINFO"] = str(self.settings.authorities[address.host])
            if login is not None:
                config[f"credential.{address.transport}://{address.host}.helper"] = _HELPER
                environment["PULLYARD_GIT_USERNAME"] = login.username
                environment["PULLYARD_GIT_PASSWORD"] = login.password
        environment["GIT_CONFIG_COUNT"] = str(len(config))
        for number, (name, value) in enumerate(config.items()):
            environment[f"GIT_CONFIG_KEY_{number}"] = name
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return environment

    def check_allowed(self, address: Address) -> Address:
        """Raises RequestError for plain HTTP to another machine, unless the settings allow it."""
        if address.transport is Transport.HTTP and not (self.settings.plain_http or address.loopback):
            raise RequestError(
                f"{address.url} is not encrypted: use https://, or allow plain HTTP in the settings.",
                code="plain-http",
            )
        return address

    def _ssh_command(self, further: Sequence[str] = ()) -> str:
        settings = self.settings
        options = ["BatchMode=yes", "ConnectTimeout=20", "ClearAllForwardings=yes"]
        options.append(f"StrictHostKeyChecking={'accept-new' if settings.ssh_accept_new_hosts else 'yes'}")
        if settings.ssh_known_hosts:
            options.append(f"UserKnownHostsFile={settings.ssh_known_hosts}")
        if settings.ssh_key:
            options += ["IdentitiesOnly=yes", f"IdentityFile={settings.ssh_key}"]
        options += further
        return shlex.join(["ssh", *(part for option in options for part in ("-o", option))])


class _Output:
    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.truncated = False
        self.timed_out = False

    async def take(self, process: asyncio.subprocess.Process, content: bytes, seconds: float) -> None:
        """All of it, while the process is fed; whatever happens, none of its group is left."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(feed(process, content), self.read(process), self.read_errors(process))
                await process.wait()
        except TimeoutError:
            self.timed_out = True
        finally:
            if process.returncode is None or self.timed_out:
                _kill(process)
                await asyncio.shield(process.wait())

    async def read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while piece := await process.stdout.read(1 << 18):
            room = self.limit_bytes - len(self.stdout)
            self.stdout += piece[:room]
            if len(piece) > room and not self.truncated:
                # What is left in the pipe is read and dropped: only at its end is the pipe closed.
                self.truncated = True
                _kill(process)

    async def read_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while piece := await process.stderr.read(1 << 16):
            self.stderr += piece
            del self.stderr[:-STDERR_BYTES]

    def finished(self, exit_code: int) -> Finished:
        text = strip_credentials(self.stderr.decode("utf-8", "replace"))
        if exit_code and ("No space left on device" in text or "Disk quota exceeded" in text):
            raise OSError(errno.ENOSPC, "the disk is full: make room on the worker")
        return Finished(exit_code, bytes(self.stdout), text, self.truncated, self.timed_out)


def strip_credentials(text: str) -> str:
    """Remove names and passwords from the URLs in a message."""
    return re.sub(r"(\w+://)[^/\s@']*@", r"\1", text)


async def feed(process: asyncio.subprocess.Process, content: bytes) -> None:
    if process.stdin is None:
        return
    # A command may end without reading everything; its exit code tells the story.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(content)
        await process.stdin.drain()
    process.stdin.close()


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
