"""Run as a program, ``python -m tests.guards [NAME...]``: whether the attack tests notice a missing guard.

Each guard is taken out of a copy of the sources, and the tests that have to notice are run with that copy. It
prints a line for each; exit code 1 where one was not noticed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pullyard

SOURCES = Path(pullyard.__file__).parent
TESTS = Path(__file__).parent
GIT, MACHINE, NETWORK = (
    f"tests/security/test_attacks_on_{name}.py" for name in ("git", "machine", "network")
)
SECONDS = 300


@dataclass(frozen=True)
class Guard:
    """``old`` stands once in the source ``file``; with ``new`` in its place the guard is gone."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    only: str = ""
    """As pytest's ``-k`` has it."""
    also: tuple[tuple[str, str], ...] = ()
    """Where two stand for one another, both go."""


CONTAINER, RULES = "sandboxes/docker/container.py", "worker/harvest_rules.py"
GUARDS = (
    Guard(
        "the harvest's own configuration",
        "worker/harvest_script.py",
        'cat >"$GIT_DIR/index"',
        'cat "$work/.git/config" >>"$GIT_DIR/config"; cat >"$GIT_DIR/index"',
        GIT,
        "poisoned and bubblewrap",
    ),
    Guard(
        "spellings of .git",
        RULES,
        '        if re.fullmatch(r"\\.git|git~\\d+", part.rstrip(". ")):\n            return True\n',
        "        del part\n",
        "tests/security/test_harvest_attacks.py",
        "spelling_of_dot_git or no_honest_git",
    ),
    Guard("collisions", RULES, "    if not added:\n", "    if added:\n", GIT, "collide and bubblewrap"),
    Guard(
        "links out",
        RULES,
        "    place = path.split",
        "    return False\n    place = path.split",
        GIT,
        "look_at and links and bubblewrap",
    ),
    Guard(
        "protected paths",
        "worker/guarded_paths.py",
        "        return any(_covers(pattern, names) for pattern in self._patterns)",
        "        return not names",
        GIT,
        "look_at and continuous and docker",
    ),
    Guard(
        "pointers of LFS",
        "worker/harvest_contents.py",
        "        if content is not None and POINTER.match(content):",
        "        if content is None:",
        GIT,
        "LFS and bubblewrap",
    ),
    Guard(
        "bubblewrap's network namespace",
        "sandboxes/bubblewrap.py",
        '"--unshare-all", ',
        '"--unshare-all", "--share-net", ',
        NETWORK,
        "reached and private and bubblewrap",
    ),
    Guard(
        "a container's network namespace",
        CONTAINER,
        '"NetworkMode": "none"',
        '"NetworkMode": "host"',
        NETWORK,
        "reached and private and docker",
        also=(('        "NetworkDisabled": True,\n', ""),),
    ),
    Guard(
        "the list of hosts",
        "worker/gateway/rules.py",
        "        rules = self.rules.get(place)\n",
        "        return None\n        rules = self.rules.get(place)\n",
        NETWORK,
        "(listed or planted) and bubblewrap",
    ),
    Guard(
        "private addresses",
        "worker/gateway/pinned.py",
        "        if not is_public(address) and",
        "        if not address and",
        "tests/security/test_network_attacks.py",
        "leads_to_a_private",
    ),
    Guard(
        "metadata addresses",
        "worker/gateway/pinned.py",
        "        if address in METADATA:",
        "        if not address:",
        "tests/security/test_network_attacks.py",
        "metadata",
    ),
    Guard(
        "the name inside a tunnel",
        "worker/gateway/opening.py",
        "    host = place[0]\n    if hello.hidden",
        "    host = place[0]\n    if host:\n        return\n    if hello.hidden",
        "tests/security/test_tunnel_attacks.py",
        "another_host or no_other_hello",
    ),
    Guard(
        "bubblewrap's control groups",
        "sandboxes/cgroups/group.py",
        "        for _, directory in self.opened:\n            # Without it",
        "        for _, directory in ():\n            # Without it",
        MACHINE,
        "(beside_one or memory_ends) and bubblewrap",
    ),
    Guard(
        "the meter of disks",
        "sandboxes/disk_meter.py",
        "        if self.most == (None, None):",
        "        if self.most:",
        MACHINE,
        "full_disk and bubblewrap or many_files and docker",
    ),
    Guard(
        "bubblewrap's process namespace",
        "sandboxes/bubblewrap.py",
        '"--unshare-all", ',
        '"--unshare-ipc", "--unshare-net", "--unshare-uts", ',
        MACHINE,
        "neither and bubblewrap",
    ),
    Guard(
        "a container's process namespace",
        CONTAINER,
        '"IpcMode": "private"',
        '"PidMode": "host", "IpcMode": "private"',
        MACHINE,
        "neither and docker",
    ),
    Guard(
        "the filter of system calls",
        "sandboxes/bubblewrap.py",
        '                *("--seccomp", str(rules)),\n',
        "",
        "tests/security/test_sandbox_calls.py",
        "named_call or everyday",
    ),
    Guard(
        "a container's bound on processes",
        CONTAINER,
        '"PidsLimit": limits.processes',
        '"PidsLimit": 0',
        MACHINE,
        "fork_bomb and docker",
    ),
    Guard(
        "a container's bound on memory",
        CONTAINER,
        "    memory = limits.memory_bytes or 0",
        "    memory = 0",
        MACHINE,
        "memory_ends and docker",
    ),
    Guard(
        "no new privileges in containers",
        CONTAINER,
        '"SecurityOpt": ["no-new-privileges"]',
        '"SecurityOpt": []',
        MACHINE,
        "way_out and docker",
    ),
    Guard(
        "an environment made from nothing",
        "sandboxes/bubblewrap.py",
        '    setting = ["--clearenv"]',
        "    setting = []",
        "tests/conformance/test_sandbox.py " + MACHINE,
        "(environment or way_out) and bubblewrap",
    ),
)


def is_noticed(guard: Guard, place: Path) -> bool:
    """Whether a test fails; raises RuntimeError where none could be run."""
    shutil.copytree(SOURCES, place / "pullyard", ignore=shutil.ignore_patterns("__pycache__", "static"))
    source = place / "pullyard" / guard.file
    text = source.read_text()
    for old, new in ((guard.old, guard.new), *guard.also):
        if text.count(old) != 1:
            raise RuntimeError(f"{guard.file} has {old!r} {text.count(old)} times.")
        text = text.replace(old, new)
    source.write_text(text)
    words = [sys.executable, "-m", "pytest", "-n0", "-x", *guard.tests.split(), "-k", guard.only]
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        words, cwd=TESTS.parent, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
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
