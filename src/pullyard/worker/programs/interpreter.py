"""Interpreters that run in any image: Python from this worker, with its own C library, and Node from PyPI.

An image may have another C library than the worker, or none. So a copy of Python brings the libraries that
it was linked with, the dynamic loader among them, and is started by that loader: what it starts itself, such
as the project's own tools, has the image's libraries as ever, for nothing of this is in the environment.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pullyard.protocol.errors import RequestError
from pullyard.worker.programs.elf import NoElf, interpreter_of, needed_by
from pullyard.worker.programs.environment import plain

LOADER = "ld.so"
LIBRARIES = "lib"
ASK_SECONDS = 60
NAMES_AT_ONCE = 200
BESIDE_LIBC = ("libgcc_s.so.1", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2")
"""Loaded by name while a program runs, so that nothing which is looked through names them."""
LEFT_OUT = (
    *("site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "ensurepip", "lib2to3"),
    *("tkinter", "_tkinter*.so", "config-*", "sitecustomize.py", "__pycache__"),
)
_TELL = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "library": sys.platlibdir,
    "standard": os.path.realpath(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix})),
    "compiled": os.path.realpath(sysconfig.get_path(
        "platstdlib", vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix})),
}))
"""
_NEEDED = re.compile(rb"^\s*(\S+) => (/\S+) \(0x", re.MULTILINE)


@dataclass(frozen=True)
class Python:
    version: str
    executable: Path
    library: str
    """``lib`` or ``lib64``: where its standard library is below its prefix."""
    standard: Path
    compiled: Path


def find_python(versions: Sequence[str]) -> Python:
    """The worker's own where it fits, else one on the PATH. Raises RequestError."""
    named = [shutil.which(f"python{version}") for version in versions]
    for program in [sys.executable, *filter(None, named)]:
        found = ask(Path(program))
        if found is not None and found.version in versions:
            return found
    wanted = ", ".join(sorted(versions))
    raise RequestError(f"This agent runs on Python {wanted}: install one of them on this worker.")


def ask(program: Path) -> Python | None:
    """None for what is no Python that answers."""
    try:
        told = subprocess.run(
            [program, "-I", "-c", _TELL],
            env=plain(),
            capture_output=True,
            timeout=ASK_SECONDS,
            check=True,
        )
        facts = json.loads(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Python(
        version=facts["version"],
        executable=Path(facts["executable"]),
        library=facts["library"],
        standard=Path(facts["standard"]),
        compiled=Path(facts["compiled"]),
    )


def copy_python(python: Python, target: Path) -> Path:
    """A whole Python in ``target``, without packages; returns the directory for those."""
    home = target / python.library / f"python{python.version}"
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    for source in {python.standard, python.compiled}:
        shutil.copytree(source, home, ignore=ignored, ignore_dangling_symlinks=True, dirs_exist_ok=True)
    (target / "bin").mkdir()
    shutil.copy2(python.executable, target / "bin/python")
    packages = home / "site-packages"
    packages.mkdir()
    return packages


def add_libraries(tree: Path, executable: Path, target: Path) -> None:
    """All libraries of the worker that its own programs in ``tree`` are linked with, and the loader, in
    ``target``. The loader looks at each file, so nothing that was fetched may be there yet.
    """
    loader = loader_of(executable)
    target.mkdir()
    shutil.copy2(loader, target / LOADER)
    found: dict[str, Path] = {}
    for program in [executable, *_linked(tree)]:
        found |= {name: path for name, path in needed(loader, program) if not path.is_relative_to(tree)}
    _copy(found, target)


def add_needed(fetched: Path, executable: Path, target: Path) -> None:
    """The worker's libraries for what was fetched, beside those that are there; the loader too if it is not.

    The loader never sees a fetched file, which could have it run code: it is asked only for the names, as if
    ``executable``, the worker's own program, were linked with them. What ``fetched`` brings is left to it.
    """
    loader = loader_of(executable)
    if not target.exists():
        target.mkdir()
        shutil.copy2(loader, target / LOADER)
    brought = {path.name for path in fetched.rglob("*.so*")}
    names = {name for program in _linked(fetched) for name in needed_by(program)}
    wanted = sorted(names - brought - {loader.name})
    found: dict[str, Path] = {}
    for begin in range(0, len(wanted), NAMES_AT_ONCE):
        found |= dict(needed(loader, executable, wanted[begin : begin + NAMES_AT_ONCE]))
    _copy({name: path for name, path in found.items() if not (target / name).exists()}, target)


def _linked(tree: Path) -> list[Path]:
    """The libraries in it, and the programs of a directory that is named for them."""
    found = {*tree.rglob("*.so"), *tree.rglob("*.so.*"), *(tree.iterdir() if tree.name == "bin" else ())}
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _copy(found: Mapping[str, Path], target: Path) -> None:
    beside = {
        one.name: one
        for path in found.values()
        if path.name.startswith("libc.so")
        for one in (path.with_name(name) for name in BESIDE_LIBC)
        if one.is_file()
    }
    for name, path in {**beside, **found}.items():
        shutil.copy2(path, target / name)


def needed(loader: Path, program: Path, also: Sequence[str] = ()) -> Iterable[tuple[str, Path]]:
    """Names and paths of the libraries that this file, one of the worker's own, would be given here."""
    environment = plain() | ({"LD_PRELOAD": " ".join(also)} if also else {})
    told = subprocess.run(
        [loader, "--list", program], env=environment, capture_output=True, timeout=ASK_SECONDS, check=False
    )
    for name, path in _NEEDED.findall(told.stdout):
        yield name.decode(), Path(path.decode())


def loader_of(executable: Path) -> Path:
    """What the system starts this program with. Raises RequestError for one that is linked statically."""
    try:
        loader = interpreter_of(executable)
    except NoElf:
        raise RequestError(
            f"{executable} is no 64-bit program: use another Python for this worker."
        ) from None
    if loader is None:
        raise RequestError(f"{executable} names no loader: use a Python that is linked dynamically.")
    return Path(loader)
