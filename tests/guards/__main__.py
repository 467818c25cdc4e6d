"""Run as a program, ``python -m tests.guards [NAME...]``: whether the tests notice a missing guard.

Each guard is taken out of a copy of the sources, and the tests that have to notice are run with that copy. It
prints a line for each; exit code 1 where one was not noticed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guards import GUARDS
from tests.guards.guard import SOURCES, Guard

CHECKOUT = Path(__file__).parents[2]
SECONDS = 300


def is_noticed(guard: Guard, place: Path) -> bool:
    """Whether a test fails; raises RuntimeError where none could be run."""
    shutil.copytree(SOURCES, place / "pullyard", ignore=shutil.ignore_patterns("__pycache__", "static"))
    (place / "pullyard" / guard.file).write_text(guard.removed())
    words = [sys.executable, "-m", "pytest", "-n0", "-x", *guard.tests.split(), "-k", guard.only]
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        words, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 1


def main(names: list[str]) -> int:
    missed = 0
    for guard in GUARDS:
        if names and guard.name not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="pullyard-guards-", dir="/tmp") as place:
            os.chmod(place, 0o755)
            noticed = is_noticed(guard, Path(place))
        missed += not noticed
        sys.stdout.write(f"{'noticed' if noticed else 'MISSED'}: without {guard.name}\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
