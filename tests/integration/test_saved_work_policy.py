"""Work that is saved later, or gone on from, is held to the owner's policy as if it had just been sent."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import Node, NodeKind
from pullyard.protocol.errors import RequestError
from pullyard.protocol.signed_tasks import sign
from pullyard.protocol.signing import public_text
from pullyard.protocol.worker import Grant, NodeFact, RepositorySpec
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.context import Context, Tools
from pullyard.worker.journal import KEPT, Journal
from pullyard.worker.kept import save_kept_work
from pullyard.worker.prepare import prepare
from pullyard.worker.run import make_tools
from pullyard.worker.saved_here import find_kept
from pullyard.worker.settings import WorkerSettings
from pullyard.worker.stop import Stop
from tests.repositories import git_in, make_repository
from tests.unit.test_worker_journal import GRANT

KEY = Ed25519PrivateKey.generate()
SIGNED = f'signed_by = ["{public_text(KEY.public_key())}"]\n'
PREPARE = Node("prepare", NodeKind.PREPARE, Phase.PREPARE)


class Site:
    """A worker's tools, a coordinator that takes whatever it is told, and executions without a walk."""

    def __init__(self, place: Path, stack: AsyncExitStack) -> None:
        self.data = place / "worker"
        self.executions = self.data / "executions"
        self.executions.mkdir(parents=True)
        self.policy = place / "policy.toml"
        self.repository = make_repository(place / "repository", {"a.txt": "a\n"})
        self.told: list[dict[str, Any]] = []
        self.stack = stack
        self.tools: Tools

    async def start(self, rule: str = "", match: str | None = None) -> None:
        """The worker anew, with this policy."""
        self.policy.write_text(f'[[repository]]\nmatch = ["{match or self.repository}"]\n{rule}')
        settings = WorkerSettings(
            data_directory=self.data, policy_file=self.policy, sandbox="bubblewrap", minimum_free_bytes=1
        )
        client = CoordinatorClient("http://coordinator.invalid", transport=httpx.MockTransport(self._take))
        self.stack.push_async_callback(client.close)
        self.tools = await make_tools(settings, client, self.stack)

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.told.append(json.loads(request.content))
        return httpx.Response(200, json={})

    def grant(self, execution: str, *, signature: str | None = None, **fields: Any) -> Grant:
        task = replace(GRANT.task, **{name: fields.pop(name) for name in ("id", "title") if name in fields})
        repository = RepositorySpec(url=str(self.repository))
        sent = replace(
            GRANT, execution_id=execution, task=task, workflow=None, repository=repository, **fields
        )
        return replace(
            sent, signature=signature or sign(sent, KEY, nonce=f"{execution:x<20}", expires_at=1 << 40)
        )

    async def begin(self, grant: Grant) -> Context:
        journal = Journal.create(self.executions, grant, 0)
        context = Context(tools=self.tools, journal=journal, stop=Stop())
        if refusal := context.ask_policy():
            raise refusal
        journal.record.nodes.append(NodeFact(name="prepare", kind=NodeKind.PREPARE, phase=Phase.PREPARE))
        await prepare(context, PREPARE)
        return context

    async def leave(self, grant: Grant) -> None:
        """Unfinished work that could not be saved when the execution ended."""
        context = await self.begin(grant)
        workspace = context.main.workspace
        assert workspace is not None
        (workspace.upper / "half.txt").write_text("canary\n")
        context.record.unsaved = True
        context.journal.save()
        context.close()

    async def goes_on_from(self, grant: Grant) -> bool:
        context = await self.begin(grant)
        workspace = context.main.workspace
        assert workspace is not None
        return (workspace.upper / "half.txt").exists()

    async def save(self) -> None:
        await save_kept_work(self.tools, self.executions)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        yield Site(tmp_path, stack)


@pytest.mark.attack("coordinator: a hostile one")
async def test_work_that_is_saved_later_tells_no_more_than_the_policy_lets_it(site: Site) -> None:
    await site.start("text.diff = false\ntext.logs = false\n")
    await site.leave(site.grant("exec_1"))
    await site.save()
    (told,) = site.told
    assert told["salvage"]["files"] == 1
    assert "canary" not in json.dumps(told)
    assert [one.state for one in find_kept(site.data)] == ["saved"]
    # Refused by now: saved all the same, in a sandbox of the rules, and nothing of it told.
    await site.start()
    await site.leave(site.grant("exec_2"))
    await site.start('branches = ["x/*"]\n')
    await site.save()
    assert len(site.told) == 2
    assert "canary" not in json.dumps(site.told)
    # Where the rules leave no sandbox it waits.
    await site.start()
    await site.leave(site.grant("exec_3"))
    await site.start('sandbox.backends = ["docker"]\n')
    await site.save()
    assert len(site.told) == 2
    assert (site.executions / "exec_3" / KEPT).exists()


@pytest.mark.attack("coordinator: a hostile one")
async def test_signed_work_goes_on_from_nothing_but_its_own(site: Site) -> None:
    await site.start()
    await site.leave(site.grant("exec_0", title="Mine"))
    await site.save()
    await site.start(SIGNED)
    mine = site.grant("exec_1", title="Mine")
    await site.leave(mine)
    await site.leave(site.grant("exec_other", id="task_2", title="Other"))
    await site.save()
    assert await site.goes_on_from(
        site.grant("exec_2", title="Mine", signature=mine.signature, resume_from="exec_1")
    )
    # Signed anew, such as after it had expired.
    assert await site.goes_on_from(site.grant("exec_3", title="Mine", resume_from="exec_1"))
    commit = git_in(site.repository, "rev-parse", "HEAD")
    for number, (execution, fields) in enumerate(
        (
            ("exec_other", {}),
            # The id of a task is the coordinator's choice.
            ("exec_other", {"id": "task_2"}),
            ("exec_1", {"id": "task_3"}),
            # Made before the policy asked for signatures.
            ("exec_0", {}),
            ("exec_gone", {"resume_commit": commit}),
        )
    ):
        with pytest.raises(RequestError, match="signed task"):
            await site.goes_on_from(
                site.grant(f"exec_4{number}", resume_from=execution, **{"title": "Mine", **fields})
            )
    assert not await site.goes_on_from(site.grant("exec_5", title="Mine", resume_from="exec_gone"))


async def test_no_work_goes_on_from_another_project_s(site: Site) -> None:
    await site.start()
    await site.leave(site.grant("exec_1"))
    await site.save()
    # The task that failed goes on from what its resolution, another task, has saved.
    assert await site.goes_on_from(site.grant("exec_2", id="task_2", resume_from="exec_1"))
    with pytest.raises(RequestError, match="another project's"):
        await site.goes_on_from(site.grant("exec_3", project_id="proj_2", resume_from="exec_1"))
