"""The keys that workers have told of: kept for as long as anybody may hold a receipt."""

import asyncio
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from pullyard.cli.main import app
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.worker import Receipt
from tests.coordinator import RunningCoordinator, WireWorker, change_of
from tests.unit.test_receipts import COMMIT, TREE, TRUSTED, block_of, signed


async def keys(coordinator: RunningCoordinator, query: str = "") -> list[dict[str, Any]]:
    return (await coordinator.get(f"/workers/receipt-keys{query}"))["items"]


async def test_a_key_is_found_also_when_its_worker_is_gone(coordinator: RunningCoordinator) -> None:
    first = await coordinator.worker(receipt_key="ed25519:one")
    second = await coordinator.worker(receipt_key="ed25519:two")
    assert [(one["worker_id"], one["key"]) for one in await keys(coordinator)] == [
        (second.id, "ed25519:two"),
        (first.id, "ed25519:one"),
    ]
    page = await coordinator.get("/workers/receipt-keys?limit=1")
    assert [one["worker_id"] for one in page["items"]] == [second.id]
    assert [one["worker_id"] for one in await keys(coordinator, f"?cursor={page['next']}")] == [first.id]
    answer = await coordinator.http.delete(f"/api/v1/workers/{first.id}")
    assert answer.status_code == 204, answer.text
    (gone,) = await keys(coordinator, "?key=ed25519:one")
    assert gone["worker_id"] == first.id
    assert gone["removed_at"]
    assert gone["revoked_at"]
    assert await keys(coordinator, "?key=ed25519:none") == []


async def test_whatever_a_worker_tells_the_list_can_be_read(coordinator: RunningCoordinator) -> None:
    for told in ({"a": 1}, 7, None, "x" * 10_000, "\u202e"):
        await coordinator.worker(receipt_key=told)
    assert sorted(len(one["key"]) for one in await keys(coordinator)) == [1, 1, 8, 100]


@pytest.fixture
async def worker(coordinator: RunningCoordinator, monkeypatch: pytest.MonkeyPatch) -> WireWorker:
    """Known by the key that signs here; the program talks to its coordinator."""
    monkeypatch.setenv("PULLYARD_URL", coordinator.url)
    monkeypatch.setenv("PULLYARD_TOKEN", coordinator.token)
    return await coordinator.worker(receipt_key=TRUSTED)


async def verify(source: str, text: str = "") -> str:
    """What the program says: of a receipt that it refuses, the reason."""
    run = ["receipt", "verify", source]
    done = await asyncio.to_thread(CliRunner().invoke, app, run, input=text, obj=Terminal())
    assert done.exception is None or isinstance(done.exception, PullyardError | SystemExit), done.exception
    return done.exception.message if isinstance(done.exception, PullyardError) else done.output


async def test_a_key_proves_only_what_its_own_worker_says(
    coordinator: RunningCoordinator, worker: WireWorker
) -> None:
    await coordinator.worker(receipt_key="ed25519:another")
    assert f"wire ({worker.id})" in await verify("-", block_of(signed(worker_id=worker.id)))
    said = await verify("-", block_of(signed(worker_id="work_another")))
    assert "is of worker work_another" in said
    assert f"({worker.id}) has signed it" in said
    answer = await coordinator.http.delete(f"/api/v1/workers/{worker.id}")
    assert answer.status_code == 204
    assert "was taken away" in await verify("-", block_of(signed(worker_id=worker.id)))


async def test_what_the_coordinator_shows_is_held_against_the_signature(
    coordinator: RunningCoordinator, worker: WireWorker
) -> None:
    project = await coordinator.project()

    async def delivered(**said: Any) -> tuple[str, str]:
        """The execution and the change that the coordinator shows a receipt with."""
        task = await coordinator.task(project)
        grant = await worker.claim()
        shown = signed(worker_id=worker.id, execution_id=said.pop("of", grant.execution_id), passed=True)
        change = msgspec.structs.replace(change_of(grant), commit=said.pop("published", COMMIT))
        receipt = msgspec.convert(shown | said, Receipt)
        await worker.walk(grant, "prepare", "implement", "verify", "publish")
        assert (await worker.finish(grant, receipt=receipt, change=change)).status_code == 200
        return grant.execution_id, (await coordinator.get(f"/tasks/{task['id']}"))["change_id"]

    execution, change = await delivered()
    for source in (execution, change):
        assert "all commands passed" in await verify(source)
    execution, _ = await delivered(tree="7" * 40)
    assert "'tree' was altered" in await verify(execution)
    execution, change = await delivered(of="exec_another")
    assert "of another execution: exec_another" in await verify(execution)
    assert TREE in await verify(change)
    _, change = await delivered(published="8" * 40)
    assert f"of another commit: {COMMIT}" in await verify(change)
