"""Agents that fail, flood, hang, linger and attack git: a clear end, the work kept, nothing left behind."""

import json
from pathlib import Path
from typing import Any

from tests.bad_runs import Run, Wish, kept, linger, nothing_left, processes, run_all, untouched
from tests.model_server import ModelServer, Text
from tests.repositories import branches_of, git_in
from tests.system import System

EVERY_BYTE = bytes(range(256))
FILES: dict[str, str | bytes] = {
    "README.md": "hello\n",
    "src/app.txt": "code\n",
    ".gitattributes": "*.txt text\n",
    "bytes.bin": EVERY_BYTE,
}
HALF = "echo half > half.txt"

ASKS_AND_STAYS = """#!/usr/bin/python3
import re, sys, time, urllib.error, urllib.request
base = re.search(r"http://127[.]0[.]0[.]1:[0-9]+/v1", " ".join(sys.argv))[0]
asked = b'{"model": "gpt-5.2", "input": "Hello.", "store": false, "max_output_tokens": 1000}'
for _ in range(2):
    request = urllib.request.Request(base + "/responses", asked, {"content-type": "application/json"})
    try:
        print(urllib.request.urlopen(request).status, flush=True)
    except urllib.error.HTTPError as error:
        print(error, error.read(), flush=True)
time.sleep(3600)
"""


def install_as_codex(system: System, script: str) -> None:
    program = system.worker_data / "agents/codex/1/bin/codex"
    program.parent.mkdir(parents=True)
    (program.parents[1] / "about.json").write_text("{}")
    (program.parents[2] / "current").symlink_to("1")
    program.write_text(script)
    program.chmod(0o755)


def is_one_commit_on_base(repository: Path, branch: str) -> bool:
    return git_in(repository, "rev-list", f"main..{branch}").count("\n") == 0 and (
        git_in(repository, "rev-parse", f"{branch}^") == git_in(repository, "rev-parse", "main")
    )


async def test_an_agent_that_fails_is_missing_or_does_nothing(system: System) -> None:
    repository = system.repository(FILES)
    before = branches_of(repository)
    await system.start_worker(slots="4")
    argv = {"agent": {"name": "command", "settings": {"argv": ["/opt/no such agent"]}}}
    wishes = [
        Wish(f"{HALF}; exit 3"),
        Wish(f"{HALF}; kill -KILL $$"),
        Wish("no-such-agent"),
        Wish(task=argv),
        Wish("true"),
        Wish("touch README.md; echo I thought about it"),
    ]
    runs = await run_all(system, repository, wishes)
    failed, killed, missing, no_program, silent, idle = runs
    assert failed.ending == killed.ending == ("failed", "failed", "agent_failed")
    assert failed.says("exit code 3", "log"), failed.task["message"]
    assert killed.says("SIGKILL"), killed.task["message"]
    assert missing.ending == no_program.ending == ("failed", "failed", "agent_missing")
    assert missing.says("not found", "install"), missing.task["message"]
    assert no_program.says("/opt/no such agent", "install"), no_program.task["message"]
    assert silent.ending == idle.ending == ("failed", "failed", "no_change")
    assert silent.says("without changing"), silent.task["message"]
    assert [kept(system, run, "half.txt") for run in (failed, killed)] == ["half\n"] * 2
    assert [run.execution["salvage_ref"] for run in (missing, no_program, silent, idle)] == [None] * 4
    assert untouched(repository, before)
    await nothing_left(system)


async def test_what_an_agent_says_that_it_spent_spends_no_budget(system: System) -> None:
    usage = {"input_tokens": 2**53, "output_tokens": 2**53}
    item = {"type": "agent_message", "id": "1", "text": "Done."}
    said = [{"type": "item.completed", "item": item}, {"type": "turn.completed", "usage": usage}]
    lines = "\n".join(json.dumps(line) for line in said)
    install_as_codex(system, f"#!/bin/sh\n{HALF}\ncat <<'END'\n{lines}\nEND\n")
    wish = {"scope": "tenant", "period": "day", "limit_micros": 1_000_000, "limit_tokens": 1_000_000}
    assert (await system.coordinator.http.put("/api/v1/budgets", json=wish)).status_code == 200
    await system.start_worker(openai_api_key="sk-canary-8")
    agent = {"agent": {"name": "codex", "settings": {}}}
    (run,) = await run_all(system, system.repository(FILES), [Wish(task=agent)])
    assert run.ending == ("completed", "succeeded", None), run.task["message"]
    assert (run.execution["input_tokens"], run.execution["cost_micros"]) == (0, 0)
    (budget,) = (await system.coordinator.get("/budgets"))["items"]
    assert (budget["spent_micros"], budget["spent_tokens"]) == (0, 0)


async def test_an_agent_that_goes_on_without_money_is_stopped(system: System) -> None:
    install_as_codex(system, ASKS_AND_STAYS)
    wish = {"scope": "tenant", "period": "day", "limit_micros": 1}
    assert (await system.coordinator.http.put("/api/v1/budgets", json=wish)).status_code == 200
    async with ModelServer([Text("Hello.", 1000, 1000)]) as server:
        await system.start_worker(openai_api_key="sk-canary-9", openai_base_url=f"{server.base_url}/v1")
        project = await system.project(system.repository(FILES), verify_commands=[["true"]])
        task = await system.coordinator.task(project, agent={"name": "codex", "settings": {}})
        await system.until(task["id"], "waiting")
        (execution,) = await system.executions(task)
        await system.coordinator.post(f"/executions/{execution['id']}/answer", {"answer": "stop"}, 200)
        ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "budget_spent"), ended["message"]
    await nothing_left(system)


async def test_every_byte_of_output_arrives(system: System) -> None:
    await system.start_worker()
    command = f"cat bytes.bin; printf '\\303\\050 \\360\\237\\222' >&2; {HALF}"
    (run,) = await run_all(system, system.repository(FILES), [Wish(command)])
    assert run.ending == ("completed", "succeeded", None)
    assert EVERY_BYTE + b"\xc3\x28 \xf0\x9f\x92" in await system.log(run.execution["id"])


async def test_a_hundred_megabytes_in_one_line_are_cut_and_cost_no_memory(system: System) -> None:
    limit = 2 << 20
    await system.start_worker(log_limit_bytes=str(limit))
    repository = system.repository(FILES)
    wishes = [Wish(HALF), Wish(f"head -c 100000000 /dev/zero | tr '\\0' x; {HALF}")]
    (calm,) = await run_all(system, repository, wishes[:1])
    before = peak_memory_bytes(system)
    (flood,) = await run_all(system, repository, wishes[1:])
    assert flood.ending == calm.ending == ("completed", "succeeded", None)
    log = await system.log(flood.execution["id"])
    assert log[:limit].endswith(b"x" * 100_000)
    assert b"limit" in log[limit:]
    assert len(log) < limit + 1000
    assert peak_memory_bytes(system) - before < 32 << 20
    await nothing_left(system)


async def test_an_agent_that_prints_without_end_is_stopped(system: System) -> None:
    repository, stays = system.repository(FILES), linger()
    before = branches_of(repository)
    await system.start_worker(output_limit_bytes=str(4 << 20))
    (run,) = await run_all(system, repository, [Wish(f"{HALF}; {stays} & yes")])
    assert run.ending == ("failed", "failed", "output_too_large")
    assert run.says("4 MiB"), run.task["message"]
    assert kept(system, run, "half.txt") == "half\n"
    assert processes(stays) == []
    assert untouched(repository, before)
    await nothing_left(system)


async def test_an_agent_that_never_ends_is_stopped_at_its_limit(system: System) -> None:
    repository, stays = system.repository(FILES), linger()
    before = branches_of(repository)
    await system.start_worker()
    deaf = f"{HALF}; trap '' TERM INT HUP; (setsid {stays} &); {stays}"
    (run,) = await run_all(system, repository, [Wish(deaf, {"limits": {"implement_seconds": 2}})])
    assert run.ending == ("failed", "timed_out", "agent_timed_out")
    assert run.says("implement", "2 seconds"), run.task["message"]
    assert kept(system, run, "half.txt") == "half\n"
    assert processes(stays) == []
    assert untouched(repository, before)
    await nothing_left(system)


async def test_daemons_end_with_their_agent(system: System) -> None:
    stays = linger()
    await system.start_worker(slots="2")
    wishes = [
        Wish(f"{HALF}; {stays} & {stays} & exit 0"),
        Wish(f"{HALF}; (setsid nohup {stays} </dev/null >/dev/null 2>&1 &) ; exit 0"),
    ]
    runs = await run_all(system, system.repository(FILES), wishes)
    assert [run.ending for run in runs] == [("completed", "succeeded", None)] * 2
    assert processes(stays) == []
    await nothing_left(system)


async def test_an_agent_that_deletes_everything_makes_a_change_that_says_so(system: System) -> None:
    # A person is asked about .gitattributes, as about each path that a project protects.
    files = {name: text for name, text in FILES.items() if name != ".gitattributes"}
    repository = system.repository(files)
    before = branches_of(repository)
    await system.start_worker(slots="2")
    everything = "find . -mindepth 1 -delete; ls -A"
    verified = {"verify_commands": [["test", "-e", "README.md"]]}
    unguarded, guarded = await run_all(system, repository, [Wish(everything), Wish(everything, verified)])
    assert unguarded.ending == ("completed", "succeeded", None)
    change = await system.change(unguarded.task)
    assert {file["path"] for file in change["diffstat"]["files"]} == set(files)
    assert change["diffstat"]["additions"] == 0
    assert git_in(repository, "ls-tree", "-r", "--name-only", change["branch"]) == ""
    assert guarded.ending == ("failed", "failed", "verify_failed")
    assert untouched(repository, {**before, change["branch"]: change["commit"]})
    await nothing_left(system)


async def test_file_names_that_no_commit_can_have_are_named(system: System) -> None:
    repository = system.repository(FILES)
    await system.start_worker(slots="2")
    wishes = [Wish("touch 'new\nline'"), Wish(f"{HALF}; touch \"$(printf 'not\\377utf8')\"")]
    refused, taken = await run_all(system, repository, wishes)
    assert refused.ending == ("failed", "failed", "harvest_refused")
    assert refused.says("line", "rename"), refused.task["message"]
    assert taken.ending == ("completed", "succeeded", None), taken.task["message"]
    assert await system.stop_worker() == 0
    # What can't be a commit can't be salvaged as one either: its directory stays for a person.
    assert refused.execution["id"] in {left.name for left in system.worker_data.glob("executions/exec_*")}


ATTACKS = {
    "commits": "echo a > a.txt; git add -A; git commit -qm mine; echo b > b.txt; git add b.txt; "
    "git commit -qm more; git tag v9; git branch side",
    "head": "echo a > a.txt; git checkout -q --orphan other; git add -A; git commit -qm orphan; "
    "git update-ref refs/heads/main HEAD; git symbolic-ref HEAD refs/heads/nowhere",
    "broken": "echo a > a.txt; echo garbage > .git/HEAD; echo garbage > .git/index; "
    "echo garbage > .git/packed-refs; rm -rf .git/objects",
    "gone": "echo a > a.txt; rm -rf .git; ln -s /etc .git",
}
HOOKS = """
echo a > a.txt; echo '*.txt filter=evil diff=evil' > .git/info/attributes
mkdir -p .git/hooks
for hook in pre-commit post-checkout pre-push reference-transaction post-index-change fsmonitor; do
  printf '#!/bin/sh\\ntouch MARKER-%s\\n' $hook > .git/hooks/$hook; chmod 755 .git/hooks/$hook
done
cat >> .git/config <<'END'
[core]
  fsmonitor = touch MARKER-fsmonitor
  sshCommand = touch MARKER-ssh
  hooksPath = .git/hooks
  pager = touch MARKER-pager
  worktree = /
[filter "evil"]
  clean = touch MARKER-clean; cat
  smudge = touch MARKER-smudge; cat
[diff "evil"]
  textconv = touch MARKER-textconv; cat
[include]
  path = /etc/passwd
END
"""


async def test_an_agents_own_git_has_no_say(system: System) -> None:
    repository = system.repository(FILES)
    before = branches_of(repository)
    open_to_all = system.root / "marks"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    await system.start_worker(slots="3")
    commands = [*ATTACKS.values(), HOOKS.replace("MARKER", str(open_to_all / "mark"))]
    runs = await run_all(system, repository, map(Wish, commands))
    changes = await changes_of(system, runs)
    assert list(open_to_all.iterdir()) == []
    for change in changes:
        assert git_in(repository, "show", f"{change['branch']}:a.txt") == "a"
        assert git_in(repository, "show", f"{change['branch']}:README.md") == "hello"
        assert is_one_commit_on_base(repository, change["branch"])
    assert untouched(repository, {**before, **{change["branch"]: change["commit"] for change in changes}})
    assert git_in(repository, "tag") == ""
    await nothing_left(system)


async def changes_of(system: System, runs: list[Run]) -> list[dict[str, Any]]:
    for run in runs:
        assert run.ending == ("completed", "succeeded", None), run.task["message"]
    return [await system.change(run.task) for run in runs]


def peak_memory_bytes(system: System) -> int:
    status = Path(f"/proc/{system.worker.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10
