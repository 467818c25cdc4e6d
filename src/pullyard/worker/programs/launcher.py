"""The small shell script that starts an agent's program wherever its directory is mounted.

- ``native``: as it is. Some are linked with the image's own C library, and say so where it is too old.
- ``script``: by the Node beside it; where the image's C library does not do for that, with our own loader.
- ``python``: the Python beside it, always with our own loader; it takes no settings from around it.
"""

import shlex
from pathlib import Path

from pullyard.agents.programs import Program
from pullyard.protocol.errors import RequestError
from pullyard.worker.programs.interpreter import LIBRARIES, LOADER

NODE = "node/bin/node"
PYTHON = "python/bin/python"
_LOADED = (
    f'"$here/{LIBRARIES}/{LOADER}" --library-path "$here/{LIBRARIES}" --argv0 "$here/{{0}}" "$here/{{0}}"'
)


def write_launcher(tree: Path, name: str, program: Program) -> None:
    """Raises RequestError where the package does not hold what it is known to hold."""
    (tree / "bin").mkdir()
    script = tree / "bin" / name
    lines = ["#!/bin/sh", "here=${0%/bin/*}", *_start(tree, program)]
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)


def _start(tree: Path, program: Program) -> list[str]:
    if program.python:
        return [f'exec {_LOADED.format(PYTHON)} -I "$@"']
    if program.native:
        return [f'exec "$here"/{shlex.quote(_only(tree, program.native))} "$@"']
    script = f'"$here"/{shlex.quote(_only(tree, program.script))}'
    return [
        f'if "$here/{NODE}" --version >/dev/null 2>&1; then exec "$here/{NODE}" {script} "$@"; fi',
        f'exec {_LOADED.format(NODE)} {script} "$@"',
    ]


def _only(tree: Path, pattern: str) -> str:
    found = sorted(path.relative_to(tree).as_posix() for path in tree.glob(pattern) if path.is_file())
    if not found:
        raise RequestError(
            f"The package holds no {pattern}: choose another version, or a worker with another processor."
        )
    # Some packages bring a second build for old processors, whose name is the first one's and more.
    return min(found, key=len)
