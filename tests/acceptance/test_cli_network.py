"""A host that is refused, and allowed by the line that the log gives: from the command line, all for real."""

import json
import re
import threading
from typing import Any

from tests.cli_program import Program
from tests.web_host import web_host

NAME = "files.example"


def test_a_refused_host_is_allowed_by_the_line_in_the_log(program: Program) -> None:
    with web_host() as port:
        owner = {
            "PULLYARD_WORKER_NETWORK_ALLOW_PRIVATE": json.dumps([f"127.0.0.1:{port}"]),
            "PULLYARD_WORKER_NETWORK_RESOLVE": json.dumps({NAME: "127.0.0.1"}),
        }
        program.environment |= owner
        with program.up():
            url = f"http://{NAME}:{port}/list"
            program.ok(
                *("project", "add", str(program.repository()), "--verify", f"curl -sSf {url}"),
                *("--setup", f"curl -sSf {url}"),
            )
            words = ["task", "add", "shop", "Fetch", "--command", f"curl -sSf {url} > fetched", "--wait"]
            refused = program.run(*words)
            assert refused.returncode != 0
            said = program.ok("logs", "shop#1")
            (line,) = re.findall(r"pullyard (project edit \S+ --allow-host \S+)", said)
            assert program.json("execution", "show", "shop#1")["facts"]["network"][f"{NAME}:{port}"] == {
                "requests": 0,
                "refused": 1,
                "sent_bytes": 0,
                "received_bytes": 0,
            }
            program.ok(*line.split())
            program.ok(*words)
            counted = program.json("execution", "show", "shop#2")["facts"]["network"][f"{NAME}:{port}"]
            assert counted["requests"] == 4, "set-up and the agent, set-up again and verification"
            for shown in ("execution", "task"):
                assert re.search(rf"{NAME}:{port} +4 +0 ", program.ok(shown, "show", "shop#2"))


def test_what_was_reached_is_shown_while_the_task_runs(program: Program) -> None:
    gate = threading.Event()
    with web_host(gate=gate) as port:
        program.environment |= {
            "PULLYARD_WORKER_NETWORK_ALLOW_PRIVATE": json.dumps([f"127.0.0.1:{port}"]),
            "PULLYARD_WORKER_NETWORK_RESOLVE": json.dumps({NAME: "127.0.0.1"}),
        }
        with program.up():
            url, place = f"http://{NAME}:{port}", f"{NAME}:{port}"
            setup = f"curl -sSf {url}/list"
            project = ["project", "add", str(program.repository()), "--verify", "true", "--setup", setup]
            program.ok(*project, "--allow-host", place)
            program.ok("task", "add", "shop", "Fetch", "--command", f"curl -sSf {url}/wait > fetched")
            counted: dict[str, Any] = {}
            while not counted:
                # Each look is a program of its own, which takes its time.
                executions = program.json("task", "show", "shop#1")["executions"]
                counted = executions[0]["facts"].get("network", {}) if executions else {}
            assert program.json("execution", "show", "shop#1")["state"] == "implementing"
            gate.set()
            assert counted[place]["requests"] == 1


def test_the_options_of_a_project_are_kept_and_taken_back(running: Program) -> None:
    allow = ["--allow-host", "Git.Example.org", "--allow-host", "cache.example.org:8080"]
    added = running.json("project", "add", str(running.repository()), *allow, "--cpus", "1")
    network = added["isolation"]["network"]
    assert [(host["host"], host["port"]) for host in network["hosts"]] == [
        ("git.example.org", 443),
        ("cache.example.org", 8080),
    ]
    assert (network["registries"], added["isolation"]["sandbox"]["cpus"]) == (True, 1)
    edit = ["project", "edit", "shop"]
    edited = running.json(*edit, "--no-registries", "--remove-host", "git.example.org")["isolation"]
    assert (edited["network"]["registries"], len(edited["network"]["hosts"])) == (False, 1)
    assert edited["sandbox"]["cpus"] == 1
    denied = running.json(*edit, "--registries", "--deny-network")["isolation"]["network"]
    assert denied == {"registries": True, "hosts": []}
    assert running.json(*edit, "--deny-network")["isolation"]["network"]["registries"] is False
    for wrong in ("127.0.0.1", "a b", "http://x", "host:0", "x."):
        done = running.run(*edit, "--allow-host", wrong)
        assert (done.returncode, "is no host" in done.stderr) == (2, True), wrong
