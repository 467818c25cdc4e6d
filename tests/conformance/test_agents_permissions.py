"""What agents behind the Agent Client Protocol ask leave for: the rules say it, or a person does."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from pullyard.lifecycle.tool_routing import Verdict
from pullyard.protocol.worker import Answer, TaskBrief
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream
from tests.agent_plays import FIX, PLAYS, agent_called, programs_for
from tests.agent_programs import shelf_with
from tests.agent_runs import TASK, Run, Workplace
from tests.model_server import ModelServer, Turn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAMES = [name for name in PLAYS if name.startswith("acp ")]
ASKING = msgspec.structs.replace(TASK, command_rules=[["ask sed **"], []])


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def workplace(name: str, tmp_path: Path) -> Workplace:
    workplace = Workplace(tmp_path, shelf=shelf_with(*programs_for(name)))
    (workplace.ws / "greeting.txt").write_text("helo world\n")
    return workplace


async def work(name: str, workplace: Workplace, task: TaskBrief, script: Sequence[Turn]) -> tuple[Run, str]:
    """The run, and the first that it said to the model."""
    for left in ("task", "work", "output"):
        path = workplace.root / left
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    async with ModelServer(script) as server:
        upstream = open_upstream(
            {PLAYS[name].provider: ProviderSettings(SecretStr("sk-canary-0123"), server.base_url)}
        )
        async with upstream.client:
            workplace.upstream = upstream
            run = await workplace.run(agent_called(name), PLAYS[name].settings, task)
        assert len(server.model_requests()) == len(script), run.output
        return run, server.model_requests()[-1].body.decode()


def greeting(workplace: Workplace) -> str:
    return (workplace.ws / "greeting.txt").read_text()


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("acp opencode", {"command_rules": [["deny sed **"], []]}),
        ("acp codex-acp", {"tools": {"run_command": Verdict.DENY}}),
    ],
    indirect=["name"],
)
async def test_what_is_denied_is_not_done_and_the_work_goes_on(
    name: str, workplace: Workplace, rules: dict[str, object]
) -> None:
    play = PLAYS[name]
    task = msgspec.structs.replace(TASK, **rules)
    run, _ = await work(name, workplace, task, [*play.fix, *play.done])
    assert (run.verdict.reason, run.verdict.question) == (None, None), run.output
    assert greeting(workplace) == "helo world\n"
    assert f"Refused: {FIX}" in run.log.decode()


async def test_a_person_is_asked_and_the_session_goes_on_with_the_answer(
    name: str, workplace: Workplace
) -> None:
    play = PLAYS[name]
    asked, _ = await work(name, workplace, ASKING, play.fix)
    question = asked.verdict.question
    assert question is not None, asked.output
    assert question.text.splitlines()[-1].strip("'").endswith(FIX), "all that is to be allowed is shown"
    assert (question.choices, question.free) == (["approve", "reject"], False)
    assert greeting(workplace) == "helo world\n"
    answers = [Answer(question=question.text, answer="approve")]
    task = msgspec.structs.replace(ASKING, session=question.session, answers=answers)
    run, told = await work(name, workplace, task, [*play.resumed, *play.fix, *play.done])
    assert (run.verdict.reason, run.verdict.question) == (None, None), run.output
    assert greeting(workplace) == "hello world\n"
    assert "Fix the greeting" in told
    assert "A person allows this" in told or not play.resumes


@pytest.mark.parametrize("name", ["acp codex-acp"], indirect=True)
async def test_what_a_person_rejects_is_not_done(name: str, workplace: Workplace) -> None:
    play = PLAYS[name]
    asked, _ = await work(name, workplace, ASKING, play.fix)
    question = asked.verdict.question
    assert question is not None, asked.output
    answers = [Answer(question=question.text, answer="reject")]
    task = msgspec.structs.replace(ASKING, session=question.session, answers=answers)
    run, told = await work(name, workplace, task, [*play.fix, *play.done])
    assert greeting(workplace) == "helo world\n"
    assert run.verdict.reason is None, run.output
    assert "not allowed here" in told
