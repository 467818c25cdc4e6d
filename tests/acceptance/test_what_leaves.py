"""What leaves the worker's network: a recording of every byte between worker and coordinator."""

from typing import Any

from tests.canaries import everything_sent
from tests.system import System

SECRET_SOURCE = "canary_7f3a_never_printed"
PRINTED = "canary_51bc_printed_by_the_agent"
ADDED = "canary_90de_added_by_the_agent"


async def run_task(system: System, **policy: Any) -> bytes:
    repository = system.repository({"secret.py": f"KEY = '{SECRET_SOURCE}'\n", "old.txt": "old\n"})
    await system.start_worker()
    project = await system.project(repository, verify_commands=[["true"]], text_policy=policy)
    task = await system.ended(
        await system.task(project, f"echo {PRINTED}; echo {ADDED} | rev | rev > new.txt")
    )
    assert task["state"] == "completed", task["message"]
    return everything_sent(system)


async def test_unprinted_and_unchanged_source_never_leaves(system: System) -> None:
    sent = await run_task(system, logs=True, diff=True)
    assert SECRET_SOURCE.encode() not in sent
    assert PRINTED.encode() in sent
    assert ADDED.encode() in sent


async def test_a_strict_policy_keeps_logs_and_diffs_at_home(system: System) -> None:
    sent = await run_task(system, logs=False, diff=False)
    for canary in (SECRET_SOURCE, PRINTED, ADDED):
        assert canary.encode() not in sent
    assert b"new.txt" in sent
    (kept,) = system.worker_data.glob("logs/exec_*/implement.log")
    assert PRINTED in kept.read_text()
