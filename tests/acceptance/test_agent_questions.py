"""Our own agent through the whole product: it asks a person, and what it said is kept."""

import asyncio
import json
import os

import pytest

from tests.agent_plays import FIX, PLAYS, programs_for
from tests.agent_programs import shelf_with
from tests.canaries import everything_kept, files_under, leaks
from tests.cli_program import PROGRAM
from tests.model_server import ModelServer, Text, ToolUse
from tests.repositories import git_in
from tests.system import System

pytestmark = pytest.mark.slow

ASK = ToolUse("ask_person", {"question": "Which greeting?", "choices": ["hello", "hallo"]})
WRITE = ToolUse("write_file", {"path": "greeting.txt", "content": "hello\n"})
DONE = Text("The greeting is there.")
KEY = "sk-ant-canary-1234567890"
AGENT = {"name": "pullyard", "settings": {"model": "anthropic/claude-sonnet-5"}}


async def start_worker(system: System, server: ModelServer, *programs: str) -> None:
    shown = system.worker_data / "agents"
    if not shown.exists():
        system.worker_data.mkdir(exist_ok=True)
        os.symlink(shelf_with(*(programs or ("pullyard",))).directory, shown)
    keys = {f"{one}_api_key": KEY for one in ("anthropic", "openai")}
    bases = {f"{one}_base_url": server.base_url for one in ("anthropic", "openai")}
    await system.start_worker(**keys, **bases)


async def test_a_question_is_answered_after_its_worker_was_killed(system: System) -> None:
    files: dict[str, str | bytes] = {"README.md": "hello\n", "AGENTS.md": "Write greetings in lower case.\n"}
    repository = system.repository(files)
    async with ModelServer([ASK, WRITE, DONE]) as server:
        await start_worker(system, server)
        project = await system.project(repository, verify_commands=[["true"]])
        task = await system.task(project, "", agent=AGENT)
        execution = await system.until_execution(task, "waiting_input")
        assert (await system.until(task["id"], "waiting"))["message"] == "Which greeting?"
        question = await system.coordinator.get(f"/executions/{execution['id']}/question")
        assert (question["choices"], question["text"]) == (["hello", "hallo"], True)
        # The question outlives its worker.
        await system.kill_worker()
        await start_worker(system, server)
        await system.coordinator.post(
            f"/executions/{execution['id']}/answer", {"answer": "hello, please"}, 200
        )
        ended = await system.ended(task)
        assert ended["state"] == "completed", (ended["message"], system.worker_log[-3000:])
        assert len(await system.executions(task)) == 1, "the same execution went on"
        change = await system.change(ended)
        assert git_in(repository, "show", f"{change['branch']}:greeting.txt") == "hello"
        first, last = (request.body.decode() for request in server.model_requests()[0::2])
    assert "Write greetings in lower case." in first
    assert "hello, please" in last
    entries = [json.loads(line) for line in (await system.log(execution["id"], "conversation")).splitlines()]
    kinds = [entry["kind"] for entry in entries]
    assert kinds[:3] == ["note", "tool-call", "question"]
    assert kinds[3:] == ["note", "tool-result", "tool-call", "diff", "tool-result", "message", "usage"]


async def test_leave_to_run_a_command_is_given_after_its_worker_was_killed(system: System) -> None:
    play = PLAYS["acp codex-acp"]
    repository = system.repository({"greeting.txt": "helo world\n"})
    isolation = {"tools": {"commands": ["ask sed **"]}}
    async with ModelServer([*play.fix, *play.fix, *play.done]) as server:
        await start_worker(system, server, *programs_for("acp codex-acp"))
        project = await system.project(repository, verify_commands=[["true"]], isolation=isolation)
        task = await system.task(project, "", agent={"name": "acp", "settings": dict(play.settings)})
        execution = await system.until_execution(task, "waiting_input")
        question = await system.coordinator.get(f"/executions/{execution['id']}/question")
        assert FIX in question["question"]
        assert (question["choices"], question["text"]) == (["approve", "reject"], False)
        await system.kill_worker()
        await start_worker(system, server)
        await system.coordinator.post(f"/executions/{execution['id']}/answer", {"answer": "approve"}, 200)
        ended = await system.ended(task)
        last = server.model_requests()[-1].body.decode()
    assert ended["state"] == "completed", (ended["message"], system.worker_log[-3000:])
    assert "A person allows this" in last, "the session itself went on"
    kept = await everything_kept(system)
    assert leaks([KEY, "*" * len(KEY)], {**kept, **files_under(system.root)}) == []
    change = await system.change(ended)
    assert git_in(repository, "show", f"{change['branch']}:greeting.txt") == "hello world"


async def test_a_long_result_is_begun_in_the_conversation_and_whole_in_the_log(system: System) -> None:
    text = "".join(f"line {number} of it: \u001b[31m\u2028\n" for number in range(1500))
    repository = system.repository({"long.txt": text})
    async with ModelServer([ToolUse("read_file", {"path": "long.txt"}), WRITE, DONE]) as server:
        await start_worker(system, server)
        project = await system.project(repository, verify_commands=[["true"]])
        task = await system.ended(await system.task(project, "", agent=AGENT))
    assert task["state"] == "completed", task["message"]
    own = {"PULLYARD_URL": system.coordinator.url, "PULLYARD_TOKEN": system.coordinator.token}
    shown = await asyncio.create_subprocess_exec(
        *(PROGRAM, "execution", "conversation", task["id"]),
        env=os.environ | own,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await shown.communicate()
    assert printed.isascii()
    assert b"\x1b" not in printed
    entries = [json.loads(line) for line in printed.splitlines()]
    result = next(entry for entry in entries if entry["kind"] == "tool-result")
    assert result["text"].startswith("1\tline 0 of it")
    assert "characters left out" in result["text"]
    place = result["whole"]
    whole = await system.log(task["execution_id"], place["stream"])
    found = whole[place["offset"] : place["offset"] + place["size_bytes"]].decode()
    assert found.startswith(result["text"][:16000])
    assert "\tline 900 of it" in found


async def test_a_task_is_cancelled_while_it_waits_for_an_answer(system: System) -> None:
    async with ModelServer([WRITE, ASK, DONE]) as server:
        await start_worker(system, server)
        project = await system.project(system.repository(), verify_commands=[["true"]])
        task = await system.task(project, "", agent=AGENT)
        execution = await system.until_execution(task, "waiting_input")
        await system.coordinator.post(f"/tasks/{task['id']}/cancel", {}, 200)
        assert (await system.ended(task))["state"] == "cancelled"
        ended = await system.until_execution(task, "cancelled")
    assert ended["id"] == execution["id"]
    assert ended["salvage_ref"], "what it had written is kept"
    assert len(server.model_requests()) == 2
