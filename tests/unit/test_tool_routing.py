"""The routing matrix row by row, and who may loosen or tighten it."""

import pytest

from pullyard.lifecycle.tool_routing import (
    TOOLS,
    Place,
    Security,
    ToolBounds,
    Verdict,
    fits_host,
    judge_tool,
    strictest,
)

NOTHING = ToolBounds()
ALLOW, ASK, DENY = Verdict.ALLOW, Verdict.ASK, Verdict.DENY

MATRIX = {
    "read_file": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "write_file": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "edit_file": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "list_files": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "search_files": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "run_command": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "git_status": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "git_diff": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "git_log": (Place.SANDBOX, Security.CONFINED, ALLOW),
    "fetch_url": (Place.WORKER, Security.MEDIATED, ALLOW),
    "verify": (Place.WORKER, Security.MEDIATED, ALLOW),
    "publish_change": (Place.WORKER, Security.EXTERNAL, ASK),
    "ask_person": (Place.COORDINATOR, Security.MEDIATED, ALLOW),
    "read_task": (Place.COORDINATOR, Security.MEDIATED, ALLOW),
    "create_task": (Place.COORDINATOR, Security.EXTERNAL, ASK),
    "ssh_execute": (Place.WORKER, Security.EXTERNAL, DENY),
}


@pytest.mark.parametrize("name", sorted(TOOLS.keys() | MATRIX.keys()))
def test_a_row_of_the_matrix(name: str) -> None:
    route = TOOLS[name]
    assert (route.place, route.security, route.verdict) == MATRIX[name]
    assert route.why.endswith(".")
    assert judge_tool(name, project=NOTHING, owner=NOTHING).verdict is route.verdict


@pytest.mark.parametrize("name", sorted(TOOLS))
@pytest.mark.parametrize("owner", [None, *Verdict])
@pytest.mark.parametrize("project", [None, *Verdict])
def test_the_owner_bounds_what_the_project_says(
    name: str, project: Verdict | None, owner: Verdict | None
) -> None:
    hosts = ("*",) if name == "ssh_execute" else ()
    decision = judge_tool(
        name,
        project=ToolBounds({} if project is None else {name: project}),
        owner=ToolBounds({} if owner is None else {name: owner}, hosts),
        host="build.example.com",
    )
    assert decision.verdict is strictest(project or TOOLS[name].verdict, owner or ALLOW)


@pytest.mark.parametrize("name", ["", "rm", "READ_FILE", "read_file "])
def test_an_unknown_tool_is_denied_whatever_is_said(name: str) -> None:
    bounds = ToolBounds({name: ALLOW}, ("*",))
    assert judge_tool(name, project=bounds, owner=bounds).verdict is DENY


SSH = [
    ((), "build.example.com", DENY),
    (("build.example.com",), "build.example.com", ALLOW),
    (("BUILD.example.com",), "build.EXAMPLE.com.", ALLOW),
    (("*.example.com",), "build.example.com", ALLOW),
    (("*.example.com",), "example.com", DENY),
    (("*.example.com",), "evilexample.com", DENY),
    (("build.example.com",), "build.example.com.evil.net", DENY),
    (("*",), "", DENY),
    (("*",), None, DENY),
]


@pytest.mark.parametrize(("hosts", "host", "verdict"), SSH)
def test_ssh_needs_the_owners_word_for_the_host(
    hosts: tuple[str, ...], host: str | None, verdict: Verdict
) -> None:
    wish = ToolBounds({"ssh_execute": ALLOW}, ("*",))
    owner = ToolBounds(ssh_hosts=hosts)
    assert judge_tool("ssh_execute", project=wish, owner=owner, host=host).verdict is verdict


def test_a_host_pattern_is_no_glob() -> None:
    assert not fits_host("b*", "build")
