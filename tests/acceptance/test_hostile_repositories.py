"""The whole collection of hostile repositories through the whole product, beside honest work."""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest

from pullyard.lifecycle.reasons import Reason
from tests.attack_catalogue import ISOLATED
from tests.bad_runs import nothing_left
from tests.canaries import everything_kept, leaks
from tests.docker_engine import BASE_IMAGE, DockerEngine
from tests.hostile_repositories import Hostile, make_collection
from tests.repositories import HttpServer, serve_http
from tests.sandbox_places import make_ready
from tests.security.test_hostile_logs import HOSTILE, printing
from tests.system import System

KEY, LOGIN = "sk-ant-canary-4f1c9b7723d0e6a85b", "git-canary-83a6d20f41be97c55e0d"
OWN, FILE = "environment-canary-19c7f3ab60d25e84", "file-canary-d7720b5ce98f134a6c"
# Found things are printed plainly, and hidden from whoever masks plain words only.
SPY = r"""
found() {
    env; id; cat /proc/*/environ /proc/*/cmdline /proc/*/maps; cat /etc/shadow "$0"
    ls -laR /root /home /var /run /opt /mnt; cat .git/config ../*/config; git config -l --show-origin
    printf 'protocol=http\nhost=127.0.0.1\n\n' | GIT_TERMINAL_PROMPT=0 git credential fill
    for n in 3 4 5 6 7 8 9; do (cat <&$n) ; done
    grep -rs canary /root /home /var /run /opt /mnt /srv /etc /tmp
}
found >/tmp/.found 2>&1
python3 -c '
import base64, sys
found = open("/tmp/.found", "rb").read()
for form in (found, base64.b64encode(found), found.hex().encode(), found[::-1]):
    # Cut into pieces, as whoever masks them would like least.
    for at in range(0, len(form), 4099):
        sys.stdout.buffer.write(form[at : at + 4099])
        sys.stdout.buffer.flush()
'
cp /tmp/.found result.txt
"""
PROOF = """import os, unittest
class Proof(unittest.TestCase):
    def test_it(self):
        self.assertTrue(os.path.exists("proof.txt"))
"""
CHEAT = 'printf \'{"scripts": {"test": "true"}}\' > package.json; printf \'test:\\n\\ttrue\\n\' > Makefile'
LONG_LINE = "head -c 100000000 /dev/zero | tr '\\0' x; echo d > result.txt"
BUILD = f"""FROM {BASE_IMAGE}
COPY . /all
RUN (env; cat /proc/*/environ /proc/*/cmdline; grep -rs canary /root /run /tmp; true) >/found
"""
BUILT_FROM = {
    ".devcontainer/devcontainer.json": json.dumps({"build": {"dockerfile": "Dockerfile", "context": ".."}}),
    ".devcontainer/Dockerfile": BUILD,
}
LOG_LIMIT_BYTES = 4 << 20
NEIGHBOURS = 4
ENDS = (
    None,
    *(Reason.HARVEST_REFUSED, Reason.AGENT_FAILED, Reason.REPOSITORY_UNREACHABLE, Reason.SETUP_FAILED),
)
"""A hostile repository's task is done, or refused with a reason; never is it a fault of ours."""
WHERE_CONTAINERS_DIFFER = {
    *("filters", "git-file-redirect", "submodules", "submodules-plain", "dot-git-0", "dot-git-1", "links"),
    *("collisions", "agents-set-up", "builds", "words", "refs"),
}
"""The others attack the worker's own git, before there is a sandbox."""
KINDS = ("node", "python", "go", "rust", "java", "plain")
CONTAINERS = {"docker_image": BASE_IMAGE, "images": json.dumps(dict.fromkeys(KINDS, BASE_IMAGE))}


@pytest.mark.slow
@pytest.mark.attack(
    *("secrets: in logs, in any encoding", "words: prompt injection", "git: hostile submodules"),
    *("git: poisoned configuration", "git: hooks", "git: Git LFS", "git: names that mean .git"),
    *("logs: bytes that steer a terminal", "logs: forged control lines", "logs: a line of 100 MB"),
    *("agent: set-up in the repository", "verify: tests tampered with"),
)
@pytest.mark.parametrize("backend", ISOLATED)
async def test_hostile_repositories_harm_nobody(
    system: System, backend: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    make_ready(backend, system.root, request)
    collection = [
        one
        for one in make_collection(system.root)
        if backend != "docker" or one.name in WHERE_CONTAINERS_DIFFER
    ]
    spied, honest = system.repository(name="spied"), system.repository(name="honest")
    checked = system.repository({"tests/__init__.py": "", "tests/test_proof.py": PROOF}, name="checked")
    built = system.repository({**BUILT_FROM}, name="built")
    (system.root / "secret.txt").write_text(FILE)
    monkeypatch.setenv("SOMEBODYS_TOKEN", OWN)
    with serve_http(system.root, login=("git", LOGIN)) as server:
        settings = {
            "git_credentials": json.dumps({f"127.0.0.1:{server.port}": {"token": LOGIN}}),
            "anthropic_api_key": KEY,
            "log_limit_bytes": str(LOG_LIMIT_BYTES),
        }
        await system.start_worker(slots="4", sandbox=backend, **settings, **CONTAINERS)
        hostile, (spy, loud, long, cheat, image), neighbours = await asyncio.gather(
            together(run_hostile(system, server, one) for one in collection),
            together(
                [
                    run(system, server.url(spied.name), SPY),
                    run(system, str(honest), printing(HOSTILE)),
                    run(system, str(honest), LONG_LINE),
                    run(system, str(checked), CHEAT, verify_commands=None),
                    run(system, server.url(built.name), "cat /found; echo d > result.txt"),
                ]
            ),
            together(run(system, str(honest), f"echo {n} > result.txt") for n in range(NEIGHBOURS)),
        )
    for one, task in zip(collection, hostile, strict=True):
        assert task["reason"] in ENDS, (one.name, task["reason"], task["message"])
    honest_ones = [spy, loud, long, image, *neighbours]
    assert [task["state"] for task in honest_ones] == ["completed"] * len(honest_ones), [
        task["message"] for task in honest_ones
    ]
    assert cheat["reason"] == Reason.VERIFY_FAILED, "the base branch's commands decide"
    assert list((system.root / "markers").iterdir()) == [], "something ran outside of a sandbox"
    places = await everything_kept(system)
    assert b"uid=" in places[f"implement of {spy['id']}"], "the spy looked"
    assert HOSTILE in places[f"implement of {loud['id']}"], "kept byte for byte, and nobody obeyed"
    assert len(places[f"implement of {long['id']}"]) < LOG_LIMIT_BYTES + 4096
    if backend == "docker":
        layers = layers_of(request.getfixturevalue("docker_engine"))
        assert any(name.endswith("/found") for name in layers), "an image was built"
        places |= layers
    assert leaks([KEY, LOGIN, OWN, FILE], places) == []
    await nothing_left(system)


async def together(runs: Iterable[Coroutine[Any, Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*runs))


async def run_hostile(system: System, server: HttpServer, one: Hostile) -> dict[str, Any]:
    script = f"{one.script or 'true'}; git status; git diff; echo done > ./result.txt; true"
    return await run(system, server.url(str(one.path.relative_to(system.root))), script)


async def run(system: System, repository: str, script: str, **fields: Any) -> dict[str, Any]:
    verify = {"verify_commands": [["sh", "-c", "git status; make test; true"]]}
    project = await system.project(repository, **{**verify, **fields})
    return await system.ended(await system.task(project, script))


def layers_of(engine: DockerEngine) -> dict[str, bytes]:
    """Every file of every image and container that the engine has, but for the base image's own."""
    found: dict[str, bytes] = {}
    for layer in (engine.directory / "data/overlay2").glob("*/diff"):
        if not (layer / "usr/bin").exists():
            files = (path for path in layer.rglob("*") if path.is_file() and not path.is_symlink())
            found |= {str(path): path.read_bytes() for path in files}
    return found
