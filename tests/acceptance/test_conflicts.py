"""Open changes that can't both be merged are found by a worker that tries it, and only names come back."""

import asyncio
from pathlib import Path
from typing import Any

from tests.cli_program import Program
from tests.repositories import branches_of
from tests.system import PATIENCE_SECONDS, System

HOSTILE = "a b $(touch x);*\u200b\u2066.txt"
FILES: dict[str, str | bytes] = {"shared.txt": "one\ntwo\nthree\n", HOSTILE: "one\n", "alone.txt": "x\n"}


async def until_conflicts(system: System, change_id: str, *wanted: tuple[str | None, list[str]]) -> None:
    """With whom, and in what, in the order in which they are shown."""
    cursor, seen = 0, None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while seen != list(wanted):
            change = await system.coordinator.get(f"/changes/{change_id}")
            seen = [(one["change_id"], one["files"]) for one in change["conflicts"]]
            if seen != list(wanted):
                page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
                cursor = int(page["next"])


async def changes_of(system: System, repository: Path, *commands: str) -> list[dict[str, Any]]:
    project = await system.project(repository, verify_commands=[["true"]])
    tasks = [await system.task(project, command) for command in commands]
    return [await system.change(await system.ended(task)) for task in tasks]


async def test_two_branches_that_collide_are_told_on_both_and_then_on_the_one_that_is_left(
    system: System, program: Program
) -> None:
    await system.start_worker()
    repository = system.repository(FILES)
    edit = 'for f in a*; do echo {0} > "$f"; done; sed -i s/two/{0}/ shared.txt'
    one, other, apart = await changes_of(
        system, repository, edit.format("2"), edit.format("II"), "echo y > new.txt"
    )
    names = [HOSTILE, "alone.txt", "shared.txt"]
    await until_conflicts(system, one["id"], (other["id"], names))
    await until_conflicts(system, other["id"], (one["id"], names))
    await until_conflicts(system, apart["id"])
    told = [
        event["payload"]
        for event in await system.coordinator.events(one["project_id"])
        if event["kind"] == "change.conflicts"
    ]
    assert {event["change_id"] for event in told} == {one["id"], other["id"]}
    assert told[-1]["conflicts"][0]["total"] == len(names)
    program.environment |= {
        "PULLYARD_URL": system.coordinator.url,
        "PULLYARD_TOKEN": system.coordinator.token,
    }
    shown = await asyncio.to_thread(program.ok, "change", "show", one["id"])
    row = next(line for line in shown.splitlines() if line.startswith(other["id"]))
    assert "$(touch x);*.txt, alone.txt, shared.txt" in row
    assert row.isprintable()
    # Nothing of the merges stays, here or there.
    assert len(branches_of(repository)) == 4
    # With the first one merged, the other can't be merged into the base branch any more.
    await system.coordinator.post(f"/changes/{one['id']}/merge", status=202)
    await until_conflicts(system, other["id"], (None, names))
    await until_conflicts(system, one["id"])
    await until_conflicts(system, apart["id"])
