"""A project with a webhook, and its forge that sends to it."""

from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from tests.coordinator import RunningCoordinator, WireWorker, change_of
from tests.forges.deliveries import FORGES, Forge


@dataclass
class Hooked:
    coordinator: RunningCoordinator
    forge: Forge
    project_id: str
    hook: dict[str, Any]

    async def send(self, event: str, payload: Any, *, to: RunningCoordinator | None = None) -> httpx.Response:
        """Signed with the hook's secret, to the replica ``to``."""
        body, signed = self.forge.sign(self.hook["secret"], event, payload)
        return await self.post(body, signed, to=to)

    async def post(
        self, body: bytes, headers: dict[str, str], *, to: RunningCoordinator | None = None
    ) -> httpx.Response:
        path = "/webhooks/v1/" + self.hook["url"].rpartition("/")[2]
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return await (to or self.coordinator).client().post(path, content=body, headers=raw)

    async def verdict(self, event: str, payload: Any, **headers: str) -> dict[str, Any]:
        body, signed = self.forge.sign(self.hook["secret"], event, payload)
        answer = await self.post(body, {**signed, **headers})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def tasks(self) -> list[dict[str, Any]]:
        return (await self.coordinator.get(f"/tasks?project_id={self.project_id}"))["items"]

    async def deliveries(self) -> list[dict[str, Any]]:
        hooks = await self.coordinator.get(f"/projects/{self.project_id}/webhooks")
        [mine] = [one for one in hooks["items"] if one["id"] == self.hook["id"]]
        return mine["deliveries"]

    async def with_change(self) -> tuple[WireWorker, dict[str, Any]]:
        """An open change of ours at the forge's change address, and who made it."""
        worker = await self.coordinator.worker(protocol=3)
        task = await self.coordinator.task(self.project_id)
        grant = await worker.claim()
        await worker.walk(grant, "prepare", "implement", "verify", "publish")
        change = msgspec.structs.replace(change_of(grant), url=self.forge.change_url)
        assert (await worker.finish(grant, change=change)).status_code == 200
        ended = await self.coordinator.until_task(task["id"], "completed")
        return worker, await self.coordinator.get(f"/changes/{ended['change_id']}")


async def hooked(coordinator: RunningCoordinator, kind: str = "github", **settings: Any) -> Hooked:
    forge = FORGES[kind]
    events = {"trusted": forge.trusts, **settings}
    project_id = await coordinator.project(repository=forge.repository, forge_events=events)
    hook = await coordinator.post(f"/projects/{project_id}/webhooks", {})
    return Hooked(coordinator, forge, project_id, hook)
