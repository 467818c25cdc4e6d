"""``pullyard worker agents``: what it installs, and what stays when it fails, is killed or runs twice."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pullyard.agents.protocol import AgentMissing
from pullyard.worker.programs.install import install
from pullyard.worker.programs.interpreter import add_libraries, add_needed, copy_python, find_python
from pullyard.worker.programs.shelf import Shelf
from tests.cli_program import PROGRAM, Program
from tests.warm import Warm

NPM = """#!/bin/sh
echo "$*" >> "$0.calls"
env > "$0.environment"
[ -z "$npm_config_fails" ] || { echo "error: https://me:secret@registry.example is away"; exit 1; }
while [ "$1" != --prefix ]; do shift; done
place="$2/node_modules/@openai/codex-linux-x64/vendor/x/bin"
mkdir -p "$place"
printf '#!/bin/sh\\necho codex "$@"\\n' > "$place/codex"
chmod 700 "$place/codex"
[ -z "$npm_config_waits" ] || { : > "$npm_config_waits"; exec tail -f /dev/null; }
"""


@pytest.fixture
def npm(tmp_path: Path) -> Path:
    """Stands on the PATH in the place of the real one."""
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.write_text(NPM)
    npm.chmod(0o755)
    return npm


@pytest.fixture
def program(tmp_path: Path, npm: Path, warm: Warm) -> Program:
    program = Program(tmp_path, warm)
    program.environment["PATH"] = f"{npm.parent}:{os.environ['PATH']}"
    return program


def home(program: Program) -> Path:
    return program.data / "worker/agents/codex"


def test_an_installed_program_is_listed_and_runs_wherever_it_is(program: Program, tmp_path: Path) -> None:
    assert [one["installed"] for one in program.json("worker", "agents") if one["agent"] == "codex"] == [None]
    with pytest.raises(AgentMissing, match="pullyard worker agents install codex"):
        Shelf(home(program).parent).find("codex")
    program.ok("worker", "agents", "install", "codex@1.2.3")
    listed = next(one for one in program.json("worker", "agents") if one["agent"] == "codex")
    assert (listed["installed"], listed["providers"]) == ("1.2.3", ["openai"])
    elsewhere = tmp_path / "else where"
    shutil.copytree(Shelf(home(program).parent).find("codex"), elsewhere)
    ran = subprocess.run([elsewhere / "bin/codex", "a  b"], capture_output=True, text=True, check=True)
    assert ran.stdout == "codex a  b\n"
    assert all(path.stat().st_mode & 0o004 for path in elsewhere.rglob("*"))


def test_what_was_damaged_is_installed_again_where_it_is_wished(program: Program, npm: Path) -> None:
    install = ("worker", "agents", "install", "codex@1.2.3")
    program.ok(*install)
    started = Shelf(home(program).parent).find("codex") / "bin/codex"
    started.write_text("")
    program.ok(*install)
    assert started.read_text() == ""
    program.ok(*install, "--again")
    assert subprocess.run([started, "a"], capture_output=True, check=True).stdout == b"codex a\n"
    assert len(Path(f"{npm}.calls").read_text().splitlines()) == 2
    assert sorted(path.name for path in home(program).iterdir()) == ["1.2.3", "1.2.3.use", "current", "lock"]


def test_two_installs_at_once_fetch_it_once(program: Program, npm: Path) -> None:
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: program.run("worker", "agents", "install", "codex@1.2.3"), range(2)))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert len(Path(f"{npm}.calls").read_text().splitlines()) == 1


def test_a_failed_install_leaves_the_last_one_and_tells_no_password(program: Program) -> None:
    program.ok("worker", "agents", "install", "codex@1.2.3")
    failed = program.run("worker", "agents", "install", "codex@1.3.0", npm_config_fails="yes")
    assert failed.returncode == 1
    assert "registry.example is away" in failed.stderr
    assert "secret" not in failed.stdout + failed.stderr
    assert sorted(path.name for path in home(program).iterdir()) == ["1.2.3", "1.2.3.use", "current", "lock"]
    assert Shelf(home(program).parent).find("codex").name == "1.2.3"


def test_what_a_killed_install_left_is_removed_by_the_next(program: Program, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    words = [PROGRAM, "worker", "agents", "install", "codex@1.2.3"]
    environment = program.environment | {"npm_config_waits": str(begun)}
    killed = subprocess.Popen(words, env=environment, start_new_session=True)
    begun.read_text()
    os.killpg(killed.pid, 9)
    killed.wait()
    assert Shelf(home(program).parent).installed("codex") is None
    assert [path for path in home(program).iterdir() if path.name.startswith(".half-")]
    program.ok("worker", "agents", "install", "codex@1.2.3")
    assert sorted(path.name for path in home(program).iterdir()) == ["1.2.3", "1.2.3.use", "current", "lock"]


def test_the_registrys_client_has_its_own_settings_and_none_of_the_workers_secrets(
    program: Program, npm: Path
) -> None:
    program.ok(
        *("worker", "agents", "install", "codex@1.2.3"),
        npm_config_registry="https://registry.example",
        HTTPS_PROXY="http://proxy.example:3128",
        PULLYARD_WORKER_ANTHROPIC_API_KEY="canary",
        ANTHROPIC_API_KEY="canary",
        AWS_SECRET_ACCESS_KEY="canary",
        GITHUB_TOKEN="canary",
    )
    given = Path(f"{npm}.environment").read_text()
    assert "npm_config_registry=https://registry.example" in given
    assert "HTTPS_PROXY=http://proxy.example:3128" in given
    assert "canary" not in given
    assert "--ignore-scripts" in Path(f"{npm}.calls").read_text()


@pytest.mark.parametrize("wanted", ["nope", "codex@../../x", "codex@latest", "codex@1 2"])
def test_what_is_no_agent_or_no_version_is_refused_before_anything_is_fetched(
    wanted: str, program: Program, npm: Path
) -> None:
    refused = program.run("worker", "agents", "install", "codex@1.2.3", wanted)
    assert refused.returncode == 2
    assert "choose one of" in refused.stderr or "no version" in refused.stderr
    assert not Path(f"{npm}.calls").exists()


def test_a_package_that_is_not_as_it_was_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 0\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Exception, match="choose another version"):
        install(Shelf(tmp_path / "agents"), "codex@1.2.3", lambda _: None)
    assert Shelf(tmp_path / "agents").versions("codex") == []


@pytest.mark.skipif(shutil.which("gcc") is None, reason="a hostile library is made by gcc")
def test_no_code_of_a_fetched_library_runs_while_its_own_libraries_are_found(tmp_path: Path) -> None:
    ran, fetched = tmp_path / "ran", tmp_path / "fetched"
    fetched.mkdir()
    source = (
        f'#include <stdio.h>\nunsigned la_version(unsigned v) {{ fclose(fopen("{ran}", "w")); return v; }}'
    )
    (tmp_path / "audit.c").write_text(source)
    audit, hostile = tmp_path / "audit.so", fetched / "hostile.so"
    build = ["gcc", "-shared", "-fPIC", "-o"]
    subprocess.run([*build, audit, tmp_path / "audit.c"], check=True)
    linked = ["-Wl,--no-as-needed", f"-Wl,--audit,{audit}", "-lstdc++"]
    subprocess.run([*build, hostile, tmp_path / "audit.c", *linked], check=True)
    whole = hostile.read_bytes()
    for size in (0, 5, 63, 64, 100, len(whole) // 2):
        (fetched / f"cut{size}.so").write_bytes(whole[:size])
    (fetched / "huge.so").write_bytes(whole[:0x20] + b"\xff" * 32 + whole[64:])
    add_needed(fetched, Path("/bin/sh"), tmp_path / "lib")
    assert not ran.exists()
    assert (tmp_path / "lib/libstdc++.so.6").is_file()
    assert (tmp_path / "lib/ld.so").is_file()


@pytest.mark.slow
def test_its_python_runs_where_there_is_no_c_library_at_all(tmp_path: Path) -> None:
    python = find_python([f"{sys.version_info.major}.{sys.version_info.minor}"])
    tree = tmp_path / "tree"
    copy_python(python, tree / "python")
    add_libraries(tree / "python", python.executable, tree / "lib")
    inside = "/opt/python/bin/python"
    words = ["/opt/lib/ld.so", "--library-path", "/opt/lib", "--argv0", inside, inside, "-I", "-c"]
    line = "import ssl, sqlite3, ctypes, sys; print(sys.prefix, sys.path)"
    view = ["bwrap", "--unshare-all", "--ro-bind", tree, "/opt", "--proc", "/proc", "--dev", "/dev"]
    ran = subprocess.run([*view, *words, line], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "/opt/python" in ran.stdout
    assert "/usr" not in ran.stdout
