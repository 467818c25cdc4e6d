"""Keys that people seal to workers: how they are given, listed and removed."""

import asyncio

import pytest
from nacl.public import PrivateKey

from pullyard.protocol.sealing import public_text, seal, unseal
from tests.cli_program import Program
from tests.coordinator import RunningCoordinator, coordinator
from tests.postgres import database_url, postgres_server

__all__ = ["coordinator", "database_url", "postgres_server"]

CANARY = "sk-ant-sealed-canary-5b1f0a7d9c"


@pytest.fixture
def shell(program: Program, coordinator: RunningCoordinator) -> Program:
    program.environment |= {"PULLYARD_URL": coordinator.url, "PULLYARD_TOKEN": coordinator.token}
    return program


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
