"""A change that another overtook is brought up to date by itself, and stays as it was where that fails."""

import asyncio
from pathlib import Path
from typing import Any

from tests.cli_program import Program
from tests.repositories import branches_of, git_in
from tests.system import PATIENCE_SECONDS, System

LINES = [f"line {number}" for number in range(1, 10)]
FILES: dict[str, str | bytes] = {"shared.txt": "\n".join(LINES) + "\n", "alone.txt": "x\n"}
EDIT = "sed -i 's/^line {}$/{}/' shared.txt"
# Edits at first, and where it finds a conflict does what is asked for then.
EITHER = "if grep -q '^<<<<<<<' shared.txt; then {solve}; else {edit}; fi"
KEEP_BOTH = (
    "git status --short | grep -q '^UU shared.txt' && git log -1 --format=%s MERGE_HEAD "
    '&& grep -q "^- shared.txt$" "$PULLYARD_PROMPT_FILE" '
    "&& sed -i '/^<<<<<<< /d;/^=======$/d;/^>>>>>>> /d' shared.txt"
)


async def opened(system: System, repository: Path, *commands: str, **fields: Any) -> list[dict[str, Any]]:
    wish = {"verify_commands": [["true"]], "change_rules": {"overlap": "update"}, **fields}
    project = await system.project(repository, **wish)
    ended = [await system.ended(await system.task(project, command)) for command in commands]
    return [await system.change(task) for task in ended]


async def merge(system: System, *changes: dict[str, Any]) -> None:
    for change in changes:
        await system.coordinator.post(f"/changes/{change['id']}/merge", status=202)


async def updated(system: System, change: dict[str, Any], *because_of: dict[str, Any]) -> dict[str, Any]:
    """The change, once the task that is to bring it up to date because of these has ended."""
    cursor, wanted = 0, {one["id"] for one in because_of}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await system.coordinator.get(f"/changes/{change['id']}")
            update = found["update"] or {"because_of": [], "state": ""}
            told = {one["change_id"] for one in update["because_of"]}
            if wanted <= told and update["state"] in ("completed", "failed"):
                return found
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])


async def steps(system: System, change: dict[str, Any]) -> list[str]:
    """That were walked, in order."""
    [execution] = await system.executions({"id": change["update"]["task_id"]})
    page = await system.coordinator.get(f"/executions/{execution['id']}/nodes")
    return [node["name"] for node in page["items"]]


def shown(repository: Path, commit: str) -> list[str]:
    return git_in(repository, "show", f"{commit}:shared.txt").splitlines()


async def test_what_goes_together_is_merged_and_proved_without_an_agent(system: System) -> None:
    await system.start_worker()
    repository = system.repository(FILES)
    step = {"name": "format", "after": "implement", "kind": "command", "settings": {"argv": ["true"]}}
    commands = EDIT.format(1, "A"), EDIT.format(9, "B"), "echo y > alone.txt"
    first, late, apart = await opened(system, repository, *commands, workflow_nodes=[step])
    await merge(system, first)
    now = await updated(system, late, first)
    assert now["update"]["state"] == "completed"
    assert now["attention"] is None
    assert await steps(system, now) == ["prepare", "merge", "format", "verify", "publish"]
    main = branches_of(repository)["main"]
    assert branches_of(repository)[late["branch"]] == now["commit"] != late["commit"]
    assert git_in(repository, "show", "-s", "--format=%P", now["commit"]).split() == [late["commit"], main]
    assert shown(repository, now["commit"]) == ["A", *LINES[1:8], "B"]
    # It is shown against the base branch as it is now, and proved as it is now.
    assert (now["base_commit"], now["receipt"]["base_commit"]) == (main, main)
    assert (now["diffstat"]["additions"], now["diffstat"]["deletions"]) == (1, 1)
    assert now["receipt"]["commit"] == now["commit"]
    assert "Made by Pullyard itself" in now["body"]
    left = await system.coordinator.get(f"/changes/{apart['id']}")
    assert (left["update"], left["commit"]) == (None, apart["commit"])


async def test_conflicts_are_solved_by_the_changes_agent(system: System, program: Program) -> None:
    await system.start_worker()
    repository = system.repository(FILES)
    edits = f"{EDIT.format(5, 'B')}; echo z > alone.txt"
    first, late = await opened(
        system, repository, EDIT.format(5, "A"), EITHER.format(solve=KEEP_BOTH, edit=edits)
    )
    await merge(system, first)
    now = await updated(system, late, first)
    assert (now["update"]["state"], now["attention"]) == ("completed", None)
    assert await steps(system, now) == ["prepare", "merge", "implement", "verify", "publish"]
    main = branches_of(repository)["main"]
    assert git_in(repository, "show", "-s", "--format=%P", now["commit"]).split() == [late["commit"], main]
    assert shown(repository, now["commit"]) == [*LINES[:4], "B", "A", *LINES[5:]]
    assert git_in(repository, "show", f"{now['commit']}:alone.txt") == "z"
    assert "Made by the agent `command`" in now["body"]
    program.environment |= {
        "PULLYARD_URL": system.coordinator.url,
        "PULLYARD_TOKEN": system.coordinator.token,
    }
    told = await asyncio.to_thread(program.ok, "change", "show", late["id"])
    lines = [line.split() for line in told.splitlines()]
    assert ["3", "completed", "1", *first["title"].split()] in lines
    await merge(system, now)
    assert (await system.change_in_state({"change_id": now["id"]}, "merged"))["merged_commit"]


async def test_a_change_stays_as_it_was_where_it_can_not_be_brought_up_to_date(system: System) -> None:
    await system.start_worker()
    both = "grep -q ^A$ shared.txt && grep -q ^B$ shared.txt && exit 1; exit 0"
    scenes = {
        "left": (5, "sed -i '/^=======$/d' shared.txt && mv shared.txt moved.txt", "agent_failed"),
        "nothing": (5, "true", "no_change"),
        "unproved": (9, "true", "verify_failed"),
    }
    for name, (line, solve, reason) in scenes.items():
        repository = system.repository(FILES, name)
        first, late = await opened(
            system,
            repository,
            EDIT.format(5, "A"),
            EITHER.format(solve=solve, edit=EDIT.format(line, "B")),
            verify_commands=[["sh", "-c", both]],
        )
        await merge(system, first)
        now = await updated(system, late, first)
        task = await system.coordinator.get(f"/tasks/{now['update']['task_id']}")
        assert (name, task["state"], task["reason"]) == (name, "failed", reason)
        assert now["attention"].startswith(
            "Task #3, which was to bring it up to date, did not get to its end"
        )
        assert branches_of(repository)[late["branch"]] == now["commit"] == late["commit"]


async def test_of_several_that_are_merged_at_once_none_is_missed(system: System) -> None:
    await system.start_worker()
    repository = system.repository(FILES)
    one, other, late = await opened(
        system, repository, EDIT.format(1, "A"), EDIT.format(5, "B"), EDIT.format(9, "C"), max_running=3
    )
    await merge(system, one, other)
    # It is not up to date before it has both, by one execution or by two after each other.
    now = late
    async with asyncio.timeout(PATIENCE_SECONDS):
        while shown(repository, now["commit"]) != ["A", *LINES[1:4], "B", *LINES[5:8], "C"]:
            now = await updated(system, late, *([one] if now["commit"] == late["commit"] else [other]))
    assert branches_of(repository)[late["branch"]] == now["commit"] != late["commit"]
