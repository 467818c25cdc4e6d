"""The keys that workers have told of: kept for as long as anybody may hold a receipt."""

from typing import Any

from tests.coordinator import RunningCoordinator


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
