"""Agents' real programs through the whole product: from a task to a change, with a key that stays outside."""

import asyncio
import os

import pytest

from tests.agent_plays import LOOK, PLAYS, programs_for
from tests.agent_programs import shelf_with
from tests.canaries import everything_kept, files_under, leaks, seen_inside
from tests.claude_code_program import install_claude_code
from tests.cli_program import Program
from tests.model_server import Held, ModelServer, ToolUse
from tests.repositories import git_in
from tests.system import PATIENCE_SECONDS, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CANARY = "sk-sealed-canary-5b1f0a7d9c4e"
MASKED = "*" * len(CANARY)
PLANTED = "planted-word-83a6d20f41be"
"""Nobody's key: it must be found in each of the places where the key is looked for."""
PLANT = f"echo {PLANTED} | tee /tmp/planted planted.txt .git/planted"


@pytest.fixture(params=sorted(name for name in PLAYS if " " not in name))
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "claude-code":
        monkeypatch.setenv("PULLYARD_CLAUDE_CODE", str(install_claude_code()))
    return request.param


def planting(name: str) -> list[ToolUse]:
    """Nothing by an agent that runs nothing."""
    look = PLAYS[name].look
    if look is None:
        return []
    assert isinstance(look.input, dict)
    return [ToolUse(look.name, {key: PLANT if one == LOOK else one for key, one in look.input.items()})]


async def add_key(system: System, program: Program, provider: str) -> None:
    """As a person does it, sealed to the worker that is there."""
    program.environment |= {
        "PULLYARD_URL": system.coordinator.url,
        "PULLYARD_TOKEN": system.coordinator.token,
    }
    await system.until_worker_said("connected")
    await asyncio.to_thread(program.json, "key", "add", provider, stdin=f"{CANARY}\n")


async def test_a_task_becomes_a_change_and_the_sealed_key_is_nowhere(
    name: str, system: System, program: Program
) -> None:
    play, programs = PLAYS[name], programs_for(name)
    agent = {"name": name.partition(" ")[0], "settings": dict(play.settings)}
    repository = system.repository({"greeting.txt": "helo world\n"})
    plants, turns = planting(name), [*play.fix, *play.done]
    last = Held(turns.pop())
    async with ModelServer([*plants, *turns, last]) as server:
        await system.start_worker(**{f"{play.provider}_base_url": server.base_url}, sealed_keys="true")
        await add_key(system, program, play.provider)
        project = await system.project(repository, verify_commands=[["grep", "hello", "greeting.txt"]])
        task = await system.task(project, "", agent=agent)
        waiting = await system.coordinator.get(f"/tasks/{task['id']}")
        assert waiting["unmet_labels"] == [f"agent={one}" for one in programs]
        # An install is seen by the worker that runs.
        os.symlink(shelf_with(*programs).directory, system.worker_data / "agents")
        # On a busy machine some need more than half a minute to start.
        async with asyncio.timeout(4 * PATIENCE_SECONDS):
            await last.asked.wait()
        running = seen_inside(system.worker_data) | files_under(system.root)
        last.release.set()
        ended = await system.ended(task)
        assert ended["state"] == "completed", (ended["message"], system.worker_log[-3000:])
        keys = [value for one in server.model_requests() for value in one.headers.values() if CANARY in value]
        assert len(keys) == len(server.model_requests())
    change = await system.change(ended)
    assert git_in(repository, "show", f"{change['branch']}:greeting.txt") == "hello world"
    (execution,) = await system.executions(task)
    assert execution["cost_micros"] > 0
    kept = await everything_kept(system)
    assert leaks([CANARY, MASKED], {**running, **kept, **files_under(system.root)}) == []
    assert b"PATH=" in running["environments"]
    assert b"/opt/pullyard/" in running["arguments"]
    found = leaks([PLANTED], running | kept)
    looked = ["/tmp/planted", "/ws/.git/planted", "/ws/planted.txt", str(repository)]
    looked += ["the database", "what the worker sent"]
    looked += [f"{stream} of {task['id']}" for stream in ("implement", "conversation")]
    assert not plants or {f"{PLANTED[:12]}... in {place}" for place in looked} <= {*found}
