"""A key that a person sealed to a worker is used by it, and is found nowhere else."""

import asyncio
from pathlib import Path

import pytest
from nacl.public import PrivateKey
from sqlalchemy import text

from pullyard.protocol.sealing import public_text, seal, unseal
from tests.claude_code_program import install_claude_code
from tests.cli_program import Program
from tests.coordinator import RunningCoordinator, coordinator
from tests.model_server import ModelServer, Text, ToolUse
from tests.postgres import database_url, postgres_server
from tests.system import System, system

__all__ = ["coordinator", "database_url", "postgres_server", "system"]

CANARY = "sk-ant-sealed-canary-5b1f0a7d9c"
LOOK = ToolUse(
    "Bash",
    {"command": "env; cat /proc/*/environ /proc/*/cmdline; touch /ws/made", "description": "x"},
)
DONE = Text("Done.", 1200, 10)


@pytest.fixture
def shell(program: Program, coordinator: RunningCoordinator) -> Program:
    program.environment |= {"PULLYARD_URL": coordinator.url, "PULLYARD_TOKEN": coordinator.token}
    return program


async def everything_stored(coordinator: RunningCoordinator) -> str:
    """Every row of every table."""
    async with coordinator.served.services.database.transaction() as connection:
        tables = await connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        )
        rows = [
            str((await connection.execute(text(f'SELECT t::text FROM "{name}" t'))).all())
            for (name,) in tables.all()
        ]
    return "\n".join(rows)


def found_in(directory: Path, words: bytes) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and words in path.read_bytes()]


@pytest.mark.slow
async def test_a_sealed_key_is_used_and_found_nowhere(
    system: System, shell: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLYARD_CLAUDE_CODE", str(install_claude_code()))
    async with ModelServer([LOOK, DONE]) as server:
        await system.start_worker(anthropic_base_url=server.base_url, sealed_keys="true")
        await system.until_worker_said("connected")
        made = await asyncio.to_thread(shell.json, "key", "add", "anthropic", stdin=f"{CANARY}\n")
        assert made["scope"] == "user"
        project = await system.project(system.repository(), verify_commands=[["true"]])
        task = await system.coordinator.task(project, agent={"name": "claude-code", "settings": {}})
        running = await system.until(task["id"], "running", "completed")
        ended = await system.ended(task)
        assert ended["state"] == "completed", ended["message"]
        assert {one.headers["x-api-key"] for one in server.requests} == {CANARY}
    stored = await everything_stored(system.coordinator)
    assert made["id"] in stored
    assert running["execution_id"] in stored
    assert CANARY not in stored
    assert not found_in(system.root, CANARY.encode())
    log = await system.log(ended["execution_id"])
    assert CANARY.encode() not in log


async def test_keys_are_listed_rotated_and_removed(shell: Program, coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(name="shop")
    to = public_text(PrivateKey.generate().public_key)

    def add(*flags: str) -> dict[str, object]:
        return shell.json("key", "add", "openai", "--to", to, *flags, stdin=CANARY)

    first, again = await asyncio.to_thread(add), await asyncio.to_thread(add)
    assert first["id"] == again["id"]
    of_project = await asyncio.to_thread(add, "--project", "shop")
    assert of_project["project_id"] == project
    assert (await asyncio.to_thread(add, "--everybody"))["scope"] == "tenant"
    assert len(await asyncio.to_thread(shell.json, "key", "list")) == 3
    for one in (await coordinator.get("/keys"))["items"]:
        assert one["sealed_to"] == [to]
        assert not {"boxes", "key"} & one.keys()
        assert await asyncio.to_thread(shell.json, "key", "remove", one["id"]) == {"removed": one["id"]}
    assert not await asyncio.to_thread(shell.json, "key", "list")
    assert (await coordinator.http.delete(f"/api/v1/keys/{first['id']}")).status_code == 404


def test_a_box_opens_for_its_worker_and_its_provider_alone() -> None:
    private, other = PrivateKey.generate(), PrivateKey.generate()
    box = seal("anthropic", CANARY, public_text(private.public_key))
    assert unseal(box, "anthropic", private) == CANARY
    assert unseal(box, "my-endpoint", private) is None
    assert unseal(box, "anthropic", other) is None
    assert unseal(box[:-8], "anthropic", private) is None
    assert unseal("rubbish", "anthropic", private) is None


@pytest.mark.parametrize(
    "wish",
    [
        {"boxes": {}},
        {"boxes": {"x25519:short": "AAAA"}},
        {"boxes": {"x25519:" + "A" * 43 + "=": "not base64!"}},
        {"scope": "project"},
        {"scope": "tenant", "project_id": "proj_x"},
        {"provider": "../etc"},
    ],
)
async def test_what_is_no_sealed_key_is_refused(
    coordinator: RunningCoordinator, wish: dict[str, object]
) -> None:
    good = {"provider": "anthropic", "boxes": {"x25519:" + "A" * 43 + "=": "AAAA"}}
    answer = await coordinator.http.put("/api/v1/keys", json={**good, **wish})
    assert answer.status_code == 422, answer.text
