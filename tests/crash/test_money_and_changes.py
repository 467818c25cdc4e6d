"""``kill -9`` where money is counted and where something outside has just been done."""

import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from simulation.processes import PATIENCE_SECONDS, Child, Site, until

from tests.cli_program import Program
from tests.forges.kinds import make_server
from tests.forges.server import TOKEN, ForgeServer, serve_forge
from tests.model_server import Failure, ModelServer, Text
from tests.repositories import branches_of, make_bare_clone, make_repository
from tests.warm import Warm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MICROS = 3_750
"""What a thousand tokens in and fifty out of this model cost."""
ANSWER = Text("Yes.", 1000, 50)
MODEL = "claude-sonnet-4-5"
REQUESTS = 3
ASKS = f"""#!/usr/bin/env python3
import json, os, time, urllib.error, urllib.request

HEADERS = {{"content-type": "application/json"}}
body = {{"model": "{MODEL}", "max_tokens": 100, "messages": [{{"role": "user", "content": "hello"}}]}}
for _ in range({REQUESTS}):
    while True:
        address = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
        request = urllib.request.Request(address, json.dumps(body).encode(), HEADERS)
        try:
            urllib.request.urlopen(request, timeout=120).read()
            break
        except urllib.error.HTTPError as error:
            assert error.code == 429, error
open("result.txt", "w").write("done")
print(json.dumps({{"type": "result", "subtype": "success", "is_error": False, "result": "Done."}}))
"""
NPM = """#!/bin/sh
while [ "$1" != --prefix ]; do shift; done
place="$2/node_modules/@openai/codex-linux-x64/vendor/x/bin"
mkdir -p "$place"
printf '#!/bin/sh\\necho codex\\n' > "$place/codex"
chmod 700 "$place/codex"
"""


@pytest.fixture
async def site(database_url: str, warm: Warm) -> AsyncIterator[Site]:
    with tempfile.TemporaryDirectory(prefix="pullyard-crash-", dir="/tmp") as place:
        root = Path(place)
        # The agent's account has to pass through.
        root.chmod(0o755)
        opened = await Site.open(root, database_url)
        opened.launch = warm.launch
        try:
            yield opened
        finally:
            await opened.close()


def put_on_shelf(site: Site) -> None:
    """An agent that asks its model a few times, and again after a limit; the worker takes it for another."""
    home = site.root / "worker/worker/agents/claude-code"
    program = home / "1/bin/claude-code"
    program.parent.mkdir(parents=True)
    program.write_text(ASKS)
    program.chmod(0o755)
    (home / "1/about.json").write_text("{}")
    (home / "current").symlink_to("1")


async def started_again(child: Child, site: Site, process: str) -> None:
    """Once it was killed at its place."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await child.process.wait() == -signal.SIGKILL
    await (site.start_coordinator() if process == "coordinator" else site.start_worker())


async def ended(site: Site, task: dict[str, Any]) -> dict[str, Any]:
    async def there() -> bool:
        now = await site.get(f"/tasks/{task['id']}")
        assert now["state"] not in ("failed", "cancelled"), now["message"]
        return now["state"] == "completed"

    try:
        await until(there)
    except TimeoutError:
        pytest.fail("\n".join(f"{child.name}:\n{child.said}" for child in site.children))
    return await site.get(f"/tasks/{task['id']}")


async def make_task(site: Site, repository: str, agent: dict[str, Any]) -> dict[str, Any]:
    wish = {"name": "crash", "repository": repository, "verify_commands": [["true"]]}
    project = await site.post(
        "/projects", wish | {"retry": {"max_tries": 2, "backoff_seconds": 0.1}}, "project"
    )
    return await site.post(f"/projects/{project['id']}/tasks", {"title": "Mend it", "agent": agent}, "task")


@pytest.mark.parametrize(
    "point",
    [
        "spending-before-commit:1",
        # Where the budget is found to be spent, and where it is lifted.
        *("spending-before-commit:3", "spending-after-commit:1", "spending-after-commit:3"),
        "quota-closed:1",
    ],
)
async def test_what_was_spent_is_counted_once(site: Site, point: str) -> None:
    put_on_shelf(site)
    author = make_repository(site.root / "work", {"README.md": "hello\n"})
    repository = make_bare_clone(author, site.root / "example.git")
    limited = [Failure(429, "rate_limit_error", "Later.", [("retry-after", "1")])]
    async with ModelServer([*(limited if point.startswith("quota") else []), ANSWER]) as model:
        site.worker_settings = {
            "PULLYARD_WORKER_ANTHROPIC_API_KEY": "sk-ant-canary-7",
            "PULLYARD_WORKER_ANTHROPIC_BASE_URL": model.base_url,
        }
        coordinator = await site.start_coordinator(point)
        budget = {"scope": "tenant", "period": "total", "limit_micros": MICROS + 1}
        assert (await site.ask("PUT", "/api/v1/budgets", json=budget)).status_code == 200
        await site.start_worker()
        agent = {"name": "claude-code", "settings": {"model": MODEL}}
        task = await make_task(site, str(repository), agent)
        again = asyncio.create_task(started_again(coordinator, site, "coordinator"))
        execution = await paused(site, task)
        answer = {"answer": "1.00"}
        assert (await site.ask("POST", f"/api/v1/executions/{execution}/answer", json=answer)).is_success
        await ended(site, task)
        await again
        asked = len(model.model_requests()) - point.startswith("quota")
    (one,) = (await site.get(f"/tasks/{task['id']}/executions"))["items"]
    (budget,) = (await site.get("/budgets"))["items"]
    assert asked == REQUESTS
    assert (one["cost_micros"], budget["spent_micros"]) == (REQUESTS * MICROS, REQUESTS * MICROS)
    assert budget["spent_tokens"] == REQUESTS * 1050
    report = await site.get("/costs?by=model")
    told = [(row["key"], row["cost_micros"], row["output_tokens"]) for row in report["rows"]]
    assert told == [(f"anthropic/{MODEL}", REQUESTS * MICROS, REQUESTS * 50)]
    (agent,) = (await site.get("/costs?by=agent"))["rows"]
    assert (agent["key"], agent["executions"]) == ("claude-code", 1)


async def paused(site: Site, task: dict[str, Any]) -> str:
    """The execution, once a person is asked."""

    async def asks() -> bool:
        return (await site.get(f"/tasks/{task['id']}"))["state"] == "waiting"

    await until(asks)
    return (await site.get(f"/tasks/{task['id']}"))["execution_id"]


@pytest.fixture
def forge(site: Site) -> Iterator[ForgeServer]:
    author = make_repository(site.root / "author", {"README.md": "hello\n"})
    make_bare_clone(author, site.root / "served/acme/widgets.git")
    with serve_forge(make_server("github", site.root / "served")) as served:
        yield served
    assert served.wrong == []


@pytest.mark.parametrize("point", ["pushed", "change-opened"])
async def test_a_change_is_opened_once(site: Site, forge: ForgeServer, point: str) -> None:
    token = site.root / "token"
    token.write_text(TOKEN)
    settings = {forge.host: {"kind": "github", "token_file": str(token)}}
    site.worker_settings = {"PULLYARD_WORKER_FORGES": json.dumps(settings)}
    await site.start_coordinator()
    worker = await site.start_worker(point)
    agent = {"name": "command", "settings": {"command": "echo done > result.txt"}}
    task = await make_task(site, forge.url, agent)
    await started_again(worker, site, "worker")
    await ended(site, task)
    (change,) = (await site.get("/changes"))["items"]
    (opened,) = forge.changes
    branches = branches_of(forge.repository)
    branches.pop("main")
    assert (opened.branch, change["url"]) == (change["branch"], forge.page(opened, "pull"))
    assert branches == {change["branch"]: change["commit"]}


@pytest.mark.parametrize(
    ("process", "point"),
    [
        *(("coordinator", "update-before-commit"), ("coordinator", "update-after-commit")),
        # The third execution is the update: with the merge under way, and with its push done.
        *(("worker", "phase-answered:10"), ("worker", "published:3")),
    ],
)
async def test_a_change_is_brought_up_to_date_once(site: Site, process: str, point: str) -> None:
    author = make_repository(site.root / "work", {"a.txt": "".join(f"{line}\n" for line in range(9))})
    repository = make_bare_clone(author, site.root / "example.git")
    coordinator = await site.start_coordinator(point if process == "coordinator" else None)
    worker = await site.start_worker(point if process == "worker" else None)
    wish = {"name": "crash", "repository": str(repository), "verify_commands": [["true"]]}
    wish |= {"change_rules": {"overlap": "update"}}
    project = await site.post("/projects", wish, "project")
    for line in (0, 8):
        agent = {"name": "command", "settings": {"command": f"sed -i s/{line}/x/ a.txt"}}
        wish = {"title": f"Line {line}", "agent": agent}
        await ended(site, await site.post(f"/projects/{project['id']}/tasks", wish, f"line-{line}"))
    late, first = (await site.get("/changes"))["items"]
    assert (await site.ask("POST", f"/api/v1/changes/{first['id']}/merge")).is_success
    await started_again(coordinator if process == "coordinator" else worker, site, process)

    async def updated() -> bool:
        update = (await site.get(f"/changes/{late['id']}"))["update"]
        return update is not None and update["state"] == "completed"

    await until(updated)
    change = await site.get(f"/changes/{late['id']}")
    assert [one["number"] for one in change["responses"]] == [3]
    assert branches_of(repository)[late["branch"]] == change["commit"] != late["commit"]


def test_a_program_that_was_just_named_is_used_by_the_next_install(tmp_path: Path, warm: Warm) -> None:
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.write_text(NPM)
    npm.chmod(0o755)
    program = Program(tmp_path, warm)
    program.environment["PATH"] = f"{npm.parent}:{program.environment['PATH']}"
    install = ("worker", "agents", "install", "codex@1.2.3")
    killed = program.run(*install, PULLYARD_CRASH_AT="program-renamed")
    assert killed.returncode == -signal.SIGKILL
    npm.unlink()
    assert "is here already" in program.ok(*install)
    home = program.data / "worker/agents/codex"
    assert sorted(path.name for path in home.iterdir()) == ["1.2.3", "current", "lock"]
