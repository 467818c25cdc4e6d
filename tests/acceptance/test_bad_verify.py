"""Verification that fails, hangs, is missing or misbehaves: the work is kept, and nothing is published."""

import pytest

from tests.bad_runs import Wish, kept, linger, nothing_left, processes, run_all, untouched
from tests.repositories import branches_of, git_in
from tests.system import System

WORK = "echo done > result.txt"


def verified_by(*argv: str, **limits: float) -> dict[str, object]:
    return {"verify_commands": [["true"], list(argv), ["echo", "never reached"]], "limits": limits}


async def test_a_failed_verification_keeps_the_work_and_publishes_nothing(system: System) -> None:
    repository = system.repository()
    before = branches_of(repository)
    await system.start_worker(slots="3")
    wishes = [
        Wish(WORK, verified_by("sh", "-c", "echo it is wrong; exit 7")),
        Wish(WORK, verified_by("no-such-checker", "--all")),
        Wish(WORK, verified_by("sh", "-c", "kill -SEGV $$")),
    ]
    runs = await run_all(system, repository, wishes)
    assert [run.ending for run in runs] == [("failed", "failed", "verify_failed")] * 3
    failed, missing, crashed = runs
    assert failed.says("exit code 7", "it is wrong"), failed.task["message"]
    assert missing.says("no-such-checker", "not found", "install"), missing.task["message"]
    assert crashed.says("kill -SEGV"), crashed.task["message"]
    for run in runs:
        receipt = run.execution["receipt"]
        assert [command["outcome"] for command in receipt["commands"]] == ["passed", "failed"]
        assert not receipt["passed"]
        assert kept(system, run, "result.txt") == "done\n"
    log = await system.log(failed.execution["id"], "verify")
    assert b"it is wrong\n" in log
    assert b"never reached" not in log.replace(b"'never reached'", b"")
    assert untouched(repository, before)
    await nothing_left(system)


async def test_a_verification_that_hangs_is_stopped_at_its_limit(system: System) -> None:
    repository, stays = system.repository(), linger()
    before = branches_of(repository)
    await system.start_worker()
    deaf = f"trap '' TERM INT HUP; (setsid {stays} &); {stays}"
    wish = Wish(WORK, verified_by("sh", "-c", deaf, verify_seconds=2))
    (run,) = await run_all(system, repository, [wish])
    assert run.ending == ("failed", "timed_out", "verify_timed_out")
    assert run.says("time limit"), run.task["message"]
    assert run.execution["receipt"]["commands"][-1]["outcome"] == "timed-out"
    assert kept(system, run, "result.txt") == "done\n"
    assert processes(stays) == []
    assert untouched(repository, before)
    await nothing_left(system)


async def test_a_missing_verification_is_skipped_with_a_warning(system: System) -> None:
    await system.start_worker(slots="2")
    wishes = [Wish(WORK, {"verify_commands": nothing}) for nothing in (None, [])]
    runs = await run_all(system, system.repository(), wishes)
    for run in runs:
        assert run.ending == ("completed", "succeeded", None)
        receipt = (await system.change(run.task))["receipt"]
        assert (receipt["commands"], receipt["passed"]) == ([], False)
        assert "nothing was verified" in receipt["warning"]
        assert "verify_commands" in receipt["warning"]
        assert b"nothing was verified" in await system.log(run.execution["id"], "verify")


@pytest.mark.attack("verify: tests tampered with", backend="bubblewrap")
async def test_what_verification_does_to_its_checkout_is_no_part_of_the_change(system: System) -> None:
    repository, stays = system.repository(), linger()
    await system.start_worker()
    mess = f"rm README.md; echo built > built.txt; git add -A; git commit -qm x; {stays} & exit 0"
    (run,) = await run_all(system, repository, [Wish(WORK, verified_by("sh", "-c", mess))])
    assert run.ending == ("completed", "succeeded", None), run.task["message"]
    change = await system.change(run.task)
    names = git_in(repository, "ls-tree", "--name-only", change["branch"]).split()
    assert names == ["README.md", "result.txt"]
    assert change["receipt"]["commit"] == branches_of(repository)[change["branch"]]
    assert processes(stays) == []
    await nothing_left(system)


@pytest.mark.attack("verify: tests tampered with", backend="bubblewrap")
async def test_an_agent_can_not_choose_its_own_verification(system: System) -> None:
    repository = system.repository({"Makefile": "test:\n\ttest -e proof.txt\n"})
    await system.start_worker()
    cheat = 'printf \'{"scripts": {"test": "true"}}\' > package.json'
    (run,) = await run_all(system, repository, [Wish(cheat, {"verify_commands": None})])
    assert run.ending == ("failed", "failed", "verify_failed")
    assert run.execution["receipt"]["commands"][0]["argv"] == ["make", "test"]
