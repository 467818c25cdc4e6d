"""A task list in a real repository, worked off by a real worker: unattended, and in step with its people."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.repositories import commit_files, git_in, make_bare_clone, make_repository
from tests.system import PATIENCE_SECONDS, System

# Fails for item 7, until a resolution has left its mark; and does what every other task wants.
AGENT = """\
if grep -q 'Mend what made task' "$1"; then echo mended > mended.txt; exit 0; fi
if grep -q 'Item 7\\b' "$1" && ! test -f mended.txt; then echo 'cc: no compiler' ; exit 3; fi
date +%s%N > "done-$(grep -o 'Item [0-9]*' "$1" | head -1 | tr -d ' ')-$$.txt"
"""


def listing(count: int = 20) -> str:
    return "# To do\n\n" + "".join(f"- [ ] Item {number}\n  Words.\n" for number in range(1, count + 1))


async def project_of(system: System, repository: Path, **fields: Any) -> str:
    agent = {"name": "command", "settings": {"command": "sh agent.sh {prompt_file}"}}
    wish = {"agent": agent, "verify_commands": [["true"]], "max_running": 2, **fields}
    return await system.project(repository, **wish)


def repository_with(system: System, text: str) -> tuple[Path, Path]:
    """The bare repository that the worker reaches, and a person's clone of it."""
    work = make_repository(system.root / "work", {"agent.sh": AGENT, "task_lists.md": text})
    bare = make_bare_clone(work, system.root / "bare.git")
    git_in(work, "remote", "add", "origin", str(bare))
    return bare, work


def push(work: Path, files: dict[str, str], message: str = "By hand") -> None:
    git_in(work, "pull", "-q", "--rebase", "origin", "main")
    commit_files(work, files, message)
    git_in(work, "push", "-q", "origin", "main")


def list_in(repository: Path) -> str:
    """With its line ends as they are."""
    words = ["git", "-C", str(repository), "cat-file", "blob", "main:task_lists.md"]
    return subprocess.run(words, capture_output=True, check=True).stdout.decode()


async def start(system: System, project: str) -> dict[str, Any]:
    return await system.coordinator.post(f"/projects/{project}/automation/start", status=200)


async def synced(system: System, project: str) -> dict[str, Any]:
    """The automation after the list was read once more."""
    await system.coordinator.post(f"/projects/{project}/automation/sync", status=200)
    shown = await until(system, project, lambda one: not one["task_list"]["under_way"])
    assert shown["task_list"]["state"] == "read", shown["task_list"]
    return shown


async def until(system: System, project: str, is_so: Any) -> dict[str, Any]:
    cursor = 0
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                shown = await system.coordinator.get(f"/projects/{project}/automation")
                if is_so(shown):
                    return shown
                page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=1")
                cursor = int(page["next"])
    except TimeoutError:
        pytest.fail(f"{shown}\n{system.worker_log[-3000:]}")


async def tasks_of(system: System, project: str) -> dict[str, dict[str, Any]]:
    page = await system.coordinator.get(f"/tasks?project_id={project}&limit=200")
    return {task["title"]: task for task in page["items"]}


def idle(shown: dict[str, Any]) -> bool:
    counts = shown["tasks"]
    read = shown["task_list"]["state"] == "read" and not shown["task_list"]["under_way"]
    return read and not counts["queued"] + counts["running"] + counts["pending"]


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "items"), [("stop", 9), ("skip", 9), ("resolve", 20)])
async def test_a_list_with_a_failure_in_the_middle(system: System, policy: str, items: int) -> None:
    repository, _ = repository_with(system, listing(items))
    await system.start_worker(slots="2")
    project = await project_of(system, repository, automation_policy={"on_error": policy})
    await start(system, project)
    if policy == "stop":
        shown = await until(system, project, lambda one: one["state"] == "halted" and not one["current"])
        assert shown["reason"] == "error"
        assert shown["tasks"]["failed"] == 1
        assert shown["tasks"]["completed"] in (6, 7)
        return
    shown = await until(system, project, idle)
    tasks = await tasks_of(system, project)
    failed = {title for title, task in tasks.items() if task["state"] == "failed"}
    assert failed == ({"Item 7"} if policy == "skip" else set())
    assert shown["tasks"]["completed"] == (items - 1 if policy == "skip" else items + 1)
    assert shown["state"] == "running"
    if policy == "resolve":
        resolution = next(task for task in tasks.values() if task["source"] == "resolution")
        assert "> cc: no compiler" in resolution["description"]
        assert resolution["resolves"] == tasks["Item 7"]["id"]
        change = await system.change(tasks["Item 7"])
        assert "mended.txt" in git_in(repository, "ls-tree", "--name-only", change["commit"])


PAUSED = """\
# Plan
- [ ] One {#one}
  First words.
- [ ] Two
  - after: one
- [ ] Three
- [x] Done by hand
"""


async def followed(system: System, text: str, **fields: Any) -> tuple[str, Path, Path]:
    """A project whose list was read once, and whose tasks wait: nothing runs while it is paused."""
    bare, work = repository_with(system, text)
    await system.start_worker()
    project = await project_of(system, bare, labels=["nobody"], **fields)
    await start(system, project)
    await until(system, project, lambda one: not one["task_list"]["under_way"])
    return project, bare, work


async def test_the_tasks_follow_the_list(system: System) -> None:
    project, _, work = await followed(system, PAUSED)
    tasks = await tasks_of(system, project)
    assert set(tasks) == {"One", "Two", "Three"}
    assert tasks["One"]["list_key"] == "one"
    assert tasks["Two"]["depends_on"] == [tasks["One"]["id"]]
    assert "Part of: Plan." in tasks["One"]["description"]
    text = PAUSED.replace("First words.", "Other words.").replace("Two\n  - after: one", "Two")
    push(work, {"task_lists.md": text.replace("- [ ] Three", "- [ ] Four\n- [-] Three")})
    shown = await synced(system, project)
    tasks = await tasks_of(system, project)
    assert tasks["One"]["description"].startswith("Other words.")
    assert (tasks["Two"]["state"], tasks["Two"]["depends_on"]) == ("queued", [])
    assert tasks["Three"]["state"] == "cancelled"
    assert [task["title"] for task in shown["next"]] == ["One", "Two", "Four"]
    assert (shown["task_list"]["items"], shown["task_list"]["done"]) == (5, 1)
    push(work, {"task_lists.md": "- [x] One {#one}\n- [ ] Four\n- [ ] Three\n"})
    shown = await synced(system, project)
    tasks = await tasks_of(system, project)
    assert [task["title"] for task in shown["next"]] == ["Four", "Three"]
    assert [tasks[title]["state"] for title in ("One", "Two")] == ["cancelled", "cancelled"]


async def test_a_new_order_of_the_file_is_the_new_order_of_the_queue(system: System) -> None:
    project, _, work = await followed(system, listing(5))
    titles = [f"Item {number}" for number in range(1, 6)]
    tasks = await tasks_of(system, project)
    injected = {"tasks": [{"title": "injected"}], "place": "after", "task_id": tasks["Item 2"]["id"]}
    await system.coordinator.post(f"/projects/{project}/automation/inject", injected)
    await system.coordinator.post(f"/tasks/{tasks['Item 5']['id']}/move", {"place": "front"}, status=200)
    push(work, {"task_lists.md": listing(5) + "- [ ] Item 6\n"})
    shown = await synced(system, project)
    assert shown["task_list"]["items"] == 6, shown["task_list"]
    by_hand = ["Item 5", "Item 6", "Item 1", "Item 2", "injected", "Item 3", "Item 4"]
    assert [task["title"] for task in shown["next"]] == by_hand
    push(
        work, {"task_lists.md": "".join(f"- [ ] {title}\n  Words.\n" for title in ("New", *reversed(titles)))}
    )
    shown = await synced(system, project)
    ours = [task["title"] for task in shown["next"] if task["title"] != "injected"]
    assert ours == ["New", *reversed(titles)]


async def test_a_merge_checks_the_item_beside_what_others_pushed(system: System) -> None:
    repository, work = repository_with(system, "# Plan\r\n- [ ] Item 1\r\n\r\n- [ ] Item 2\r\n  Words. \r\n")
    await system.start_worker()
    project = await project_of(system, repository)
    await start(system, project)
    await until(system, project, lambda one: one["done"] == 2)
    tasks = await tasks_of(system, project)
    assert set(tasks) == {"Item 1", "Item 2"}
    push(work, {"task_lists.md": "Nobody knows.\r\n- [ ] Item 2\r\n  Other words.\r\n- [ ] Item 1\r\n"})
    await system.coordinator.post(f"/changes/{tasks['Item 1']['change_id']}/merge", status=202)
    change = await system.change_in_state(tasks["Item 1"], "merged")
    shown = await until(system, project, lambda one: one["task_list"]["done"] == 1)
    written = list_in(repository)
    day = tasks["Item 1"]["finished_at"][:10]
    merged = f"merged as {change['merged_commit'][:12]}"
    status = f"- status: done by task #{tasks['Item 1']['number']}, {merged}, {day}"
    before = "Nobody knows.\r\n- [ ] Item 2\r\n  Other words.\r\n"
    assert written == f"{before}- [x] Item 1\r\n  {status}\r\n"
    assert git_in(repository, "log", "-1", "--format=%s", "main") == "Check 1 item off the task list"
    assert shown["tasks"]["completed"] == 2


async def test_a_list_that_is_not_there_or_must_not_leave_is_told(system: System) -> None:
    bare, work = repository_with(system, "- [ ] One\n")
    await system.start_worker()
    project = await project_of(system, bare, labels=["nobody"])
    path = f"/projects/{project}/automation/start"
    await system.coordinator.post(path, {"task_list": "docs/plan.md"}, status=200)
    shown = await until(system, project, lambda one: one["task_list"]["state"] == "missing")
    assert shown["tasks"]["queued"] == 0
    push(work, {"docs/plan.md": "- [ ] Planned\n"})
    await synced(system, project)
    assert set(await tasks_of(system, project)) == {"Planned"}
    private = await project_of(system, bare, text_policy={"task_list": False})
    shown = await start(system, private)
    assert (shown["task_list"]["state"], shown["task_list"]["under_way"]) == ("withheld", False)


async def test_a_path_that_leads_out_of_the_repository_is_refused(system: System) -> None:
    bare, work = repository_with(system, "- [ ] One\n")
    (work / "link.md").symlink_to("/etc/passwd")
    commit_files(work, {}, "A link")
    push(work, {})
    await system.start_worker()
    for path in ("../../etc/passwd", "link.md", "agent.sh/x", ".git/config", "."):
        project = await project_of(system, bare)
        await system.coordinator.post(
            f"/projects/{project}/automation/start", {"task_list": path}, status=200
        )
        shown = await until(system, project, lambda one: not one["task_list"]["under_way"])
        assert shown["task_list"]["state"] in ("failed", "missing"), shown["task_list"]
        assert await tasks_of(system, project) == {}


async def test_an_empty_repository_has_no_list(system: System) -> None:
    bare = system.root / "empty.git"
    git_in(system.root, "init", "-q", "--bare", str(bare))
    await system.start_worker()
    project = await project_of(system, bare)
    await start(system, project)
    await until(system, project, lambda one: one["task_list"]["state"] == "missing")
    assert await tasks_of(system, project) == {}


async def test_a_list_of_any_bytes_is_read(system: System) -> None:
    content = b"\xff\xfe\x00- [ ] \xc3\x28\n- [ ] Good\n" + bytes(range(256)) * 50
    bare, work = repository_with(system, "")
    commit_files(work, {"task_lists.md": content}, "Any bytes")
    push(work, {})
    await system.start_worker()
    project = await project_of(system, bare, labels=["nobody"])
    await start(system, project)
    shown = await until(system, project, lambda one: one["task_list"]["state"] == "read")
    assert "Good" in await tasks_of(system, project)
    assert shown["task_list"]["warnings"]


@pytest.mark.slow
async def test_kills_and_many_merges_at_once_leave_no_item_behind(system: System) -> None:
    repository, _ = repository_with(system, listing(6))
    await system.start_worker(slots="2")
    project = await project_of(system, repository)
    await start(system, project)
    await until(system, project, lambda one: one["done"] >= 2)
    await system.kill_worker()
    await system.start_worker(slots="2")
    await until(system, project, lambda one: one["done"] == 6)
    tasks = await tasks_of(system, project)
    assert len(tasks) == 6
    for task in tasks.values():
        await system.coordinator.post(f"/changes/{task['change_id']}/merge", status=202)
    await until(system, project, lambda one: one["task_list"]["done"] >= 1)
    await system.kill_worker()
    await system.start_worker()
    await until(system, project, lambda one: one["task_list"]["done"] == 6)
    assert list_in(repository).count("- status: done by task #") == 6
