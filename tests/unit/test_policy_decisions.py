"""A hostile coordinator sends whatever it likes, and gets nothing beyond the policy of the worker's owner."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pullyard.lifecycle.change import ErrandKind
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.tool_routing import Verdict
from pullyard.lifecycle.workflows import CODE_CHANGE, Node, NodeKind, Workflow
from pullyard.protocol.errands import TaskListErrand
from pullyard.protocol.errors import RequestError
from pullyard.protocol.isolation import HostRule, Isolation, NetworkPolicy, SandboxWish, ToolPolicy
from pullyard.protocol.signed_tasks import sign
from pullyard.protocol.signing import public_text
from pullyard.protocol.worker import AgentSpec, Errand, Grant, RepositoryGrant, RepositorySpec, TextPolicy
from pullyard.sandboxes.protocol import Probe, SandboxUnavailable
from pullyard.worker.policy.decide import Decider, Permit
from pullyard.worker.policy.load import read_policy
from pullyard.worker.policy.nonces import Nonces
from pullyard.worker.sandbox_choice import SandboxChoice
from tests.unit import test_worker_journal

SHOP = "https://git.example.com/shop/web"
POLICY = """
[[repository]]
match = ["https://git.example.com/shop/"]
forges = ["bare"]
agents = ["claude-*"]
base_branches = ["main"]
errands = ["merge", "read-task-list", "write-task-list"]
commands = ["allow npm **", "ask make **", "deny **"]
protected_paths = ["deploy/"]
tools = { create_task = "deny" }
[repository.sandbox]
backends = ["docker", "bubblewrap"]
level = "isolated"
images = ["registry.example.com/*"]
environments = ["fresh"]
cpus = 1.0
memory_bytes = 1000
disk_bytes = 1000
inodes = 1000
processes = 10
[repository.network]
registries = false
hosts = ["*.packages.example.com"]
[repository.text]
logs = false
diff = false
"""
HELD = {"escape": True}
PROBES = [
    Probe("docker", available=True, escapes={"escape": False}),
    Probe("bubblewrap", available=True, escapes=HELD),
    Probe("unsafe-directory", available=True),
]
DECIDER = Decider(read_policy(POLICY.encode(), "policy.toml"), None, PROBES)
GRANT = msgspec.structs.replace(
    test_worker_journal.GRANT,
    workflow=None,
    repository=RepositorySpec(url=SHOP),
    agent=AgentSpec(name="claude-code"),
    setup_commands=[["npm", "ci"]],
)


def sent(**fields: Any) -> Grant:
    return msgspec.structs.replace(GRANT, **fields)


def isolated(**fields: Any) -> Grant:
    return sent(isolation=Isolation(**fields))


def wish(**fields: Any) -> Grant:
    return isolated(sandbox=SandboxWish(**fields))


def step(name: str, kind: NodeKind, **fields: Any) -> Node:
    return Node(name, kind, Phase.IMPLEMENT, **fields)


def walk(*nodes: Node) -> Grant:
    return sent(workflow=Workflow("code-change", nodes))


PUBLISH = step("publish", NodeKind.PUBLISH)
EVIL_STEP = step("x", NodeKind.COMMAND, settings={"argv": ["curl", "evil"]})
EVIL_AGENT = step("x", NodeKind.AGENT, settings={"agent": {"name": "command", "settings": {}}})
SKIPPED = step("ask", NodeKind.APPROVAL, settings={"when": "never"}, next={"passed": "publish"})
EITHER = step("ask", NodeKind.APPROVAL, next={"passed": "publish", "rejected": "publish"})

REFUSED = [
    (sent(repository=RepositorySpec(url="https://git.example.com/other/web")), "has no rule for"),
    (sent(repository=RepositorySpec(url="https://git.example.com/shop")), "has no rule for"),
    (sent(repository=RepositorySpec(url="https://git.example.com.evil/shop/web")), "has no rule for"),
    (sent(repository=RepositorySpec(url="http://git.example.com/shop/web")), "has no rule for"),
    (sent(repository=RepositorySpec(url="/etc")), "has no rule for"),
    (sent(repository=RepositorySpec(url="https://git.example.com/shop/../other/web")), "unusual way"),
    (sent(repository=RepositorySpec(url="https://git.example.com/shop/%2e%2e/other")), "unusual way"),
    (sent(repository=RepositorySpec(url="https://git.example.com/shop//web")), "unusual way"),
    (sent(repository=RepositorySpec(url="https://git.example.com:443/shop/web")), "unusual way"),
    (sent(repository=RepositorySpec(url="https://git.example.com/Shop/web")), "unusual way"),
    (sent(repository=RepositorySpec(url="ext::sh -c id")), "address"),
    (sent(repository=RepositorySpec(url="")), "address"),
    (sent(repository=RepositorySpec(url=SHOP, forge="evil")), '"evil" in forges'),
    (sent(repositories=[RepositoryGrant(name="more", url="https://evil.example/x")]), "has no rule for"),
    (sent(repositories=[RepositoryGrant(name="more", url=SHOP, forge="evil")]), '"evil" in forges'),
    (sent(repositories=[RepositoryGrant(name="more", url=SHOP, verify_commands=[["curl"]])]), "denied"),
    (sent(agent=AgentSpec(name="command", settings={"command": "evil"})), '"command" in agents'),
    (walk(EVIL_AGENT), '"command" in agents'),
    (sent(agent=AgentSpec(name="acp", settings={"argv": ["evil"]})), '"command" in agents'),
    (sent(branch="main"), '"main" in branches'),
    (sent(branch="refs/heads/main"), "in branches"),
    (sent(setup_commands=[["npm", "ci"], ["curl", "evil"]]), "'curl evil' is denied"),
    (sent(verify_commands=[["sh", "-c", "npm test; curl evil"]]), "denied"),
    (sent(verify_commands=[["./npm", "test"]]), "denied"),
    (walk(EVIL_STEP), "'curl evil' is denied"),
    (walk(PUBLISH), "publishes without asking"),
    (walk(SKIPPED, PUBLISH), "publishes without asking"),
    (walk(EITHER, PUBLISH), "publishes without asking"),
    (wish(image="evil"), '"evil" in sandbox.images'),
    (wish(image="registry.example.com.evil/x"), "in sandbox.images"),
    (wish(environment="reused"), '"reused" in sandbox.environments'),
    (wish(backend="unsafe-directory"), '"unsafe-directory" in sandbox.backends'),
    (wish(backend="docker"), "wants a sandbox of the level isolated"),
]


@pytest.mark.attack("coordinator: a hostile one")
@pytest.mark.parametrize(("grant", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_allowed_is_refused_with_the_rule(grant: Grant, said: str) -> None:
    with pytest.raises(RequestError, match=said.replace("[", "\\[")):
        DECIDER.permit(grant)


def test_the_work_that_the_owner_meant_is_done() -> None:
    assert DECIDER.permit(GRANT).grant.setup_commands == [["npm", "ci"]]
    assert DECIDER.permit(walk(*CODE_CHANGE.nodes)).grant.workflow is not None
    assert DECIDER.permit(wish(image="registry.example.com/node")).grant.isolation.sandbox.image


def bounded(grant: Grant) -> tuple[Isolation, TextPolicy]:
    permit = DECIDER.permit(grant)
    return permit.grant.isolation, permit.grant.text_policy


SIZES = st.integers(0, 1 << 52)


@pytest.mark.attack("coordinator: a hostile one")
@given(
    sandbox=st.builds(
        SandboxWish,
        backend=st.sampled_from([None, "bubblewrap"]),
        cpus=st.floats(0, 1e9),
        memory_bytes=SIZES,
        disk_bytes=SIZES,
        inodes=SIZES,
        processes=SIZES,
    ),
    hosts=st.lists(st.sampled_from(["a.packages.example.com", "packages.example.com", "evil", "*", ""])),
    paths=st.lists(st.sampled_from(["deploy/", "x"])),
    text=st.builds(TextPolicy),
)
def test_no_wish_gets_more_than_the_policy_has(
    sandbox: SandboxWish, hosts: list[str], paths: list[str], text: TextPolicy
) -> None:
    network = NetworkPolicy(hosts=[HostRule(host=one) for one in hosts])
    grant = sent(
        isolation=Isolation(sandbox=sandbox, network=network, protected_paths=paths), text_policy=text
    )
    held, leaves = bounded(grant)
    given_, wanted = held.sandbox, sandbox
    for name, most in (("cpus", 1), ("memory_bytes", 1000), ("disk_bytes", 1000), ("inodes", 1000)):
        assert getattr(given_, name) == min(most, getattr(wanted, name))
    assert given_.processes == min(10, wanted.processes)
    assert given_.backend == "bubblewrap", "the only one that holds every escape"
    assert {one.host for one in held.network.hosts} <= {"a.packages.example.com"}
    assert not held.network.registries
    assert "deploy/" in held.protected_paths
    assert set(paths) <= set(held.protected_paths)
    assert (leaves.logs, leaves.diff) == (False, False)


@pytest.mark.parametrize(("wanted", "held"), [(None, 500), (10**9, 500), (5, 5)])
def test_a_task_spends_no_more_than_the_owner_lets_it(wanted: int | None, held: int) -> None:
    rules = '[[repository]]\nmatch = ["*"]\nbudget_micros = 500\n'
    task = msgspec.structs.replace(GRANT.task, budget_micros=wanted)
    permit = Decider(read_policy(rules.encode(), "policy.toml")).permit(sent(task=task))
    assert permit.grant.task.budget_micros == held
    assert bool(permit.notes.cuts) == (held != wanted)


def test_the_stricter_of_project_and_owner_judges_a_command() -> None:
    lax = DECIDER.permit(isolated(tools=ToolPolicy(commands=["allow **"])))
    strict = DECIDER.permit(isolated(tools=ToolPolicy(commands=["ask npm **"])))
    rows = {"npm ci": ("allow", "ask"), "make x": ("ask", "ask"), "curl x": ("deny", "deny")}
    for line, (one, other) in rows.items():
        assert (lax.command(line.split()).verdict, strict.command(line.split()).verdict) == (one, other)


def test_the_owner_bounds_tools_and_names_hosts_for_ssh() -> None:
    wanted = {"create_task": Verdict.ALLOW, "ssh_execute": Verdict.ALLOW}
    permit = DECIDER.permit(isolated(tools=ToolPolicy(verdicts=wanted)))
    assert permit.tool("create_task").verdict == "deny"
    assert permit.tool("ssh_execute", "git.example.com").verdict == "deny"
    assert permit.tool("read_file").verdict == "allow"


def test_images_of_the_repositorys_own_files_are_held_against_it() -> None:
    permit = DECIDER.permit(GRANT)
    permit.check_image("registry.example.com/node")
    with pytest.raises(RequestError, match=r"sandbox\.images"):
        permit.check_image("docker.io/evil")


def test_nothing_of_a_refused_grant_leaves() -> None:
    refused = DECIDER.nothing(isolated(network=NetworkPolicy(hosts=[HostRule(host="evil")])))
    no_rule = DECIDER.nothing(sent(repository=RepositorySpec(url="/etc"), text_policy=TextPolicy()))
    for text in (refused.grant.text_policy, no_rule.grant.text_policy):
        assert (text.logs, text.diff) == (False, False)
    assert (refused.grant.isolation.network.hosts, refused.grant.isolation.salvage.push) == ([], False)


@pytest.mark.attack("coordinator: a hostile one")
def test_the_work_of_a_refused_grant_is_saved_within_the_rules() -> None:
    refused = DECIDER.nothing(sent(branch="main"))
    held = refused.grant.isolation.sandbox
    assert (held.backend, held.memory_bytes, refused.signed) == ("bubblewrap", 1000, False)
    with pytest.raises(RequestError, match=r"sandbox\.images"):
        refused.check_image("docker.io/evil")
    # Where there is no such sandbox, none is taken in its place.
    held = Decider(DECIDER.policy, None, PROBES[2:]).nothing(GRANT).grant.isolation.sandbox
    with pytest.raises(SandboxUnavailable):
        SandboxChoice(PROBES).probe(held)
    elsewhere = DECIDER.nothing(sent(repository=RepositorySpec(url="/etc")))
    assert (elsewhere.rules, elsewhere.grant.isolation.sandbox.backend) == ((), None)


@pytest.mark.parametrize(
    ("pattern", "reached"),
    [
        ("a.example", ["a.example:443"]),
        ("a.example:8443", ["a.example:8443"]),
        ("*.example", ["a.example:443"]),
        ("*:8443", ["a.example:8443"]),
        ("*", ["a.example:443", "a.example:8443", "a.example:22"]),
    ],
)
def test_a_host_is_allowed_at_its_port(pattern: str, reached: list[str]) -> None:
    rules = f'[[repository]]\nmatch = ["*"]\nnetwork.hosts = ["{pattern}"]\n'
    hosts = [HostRule(host="a.example", port=port) for port in (443, 8443, 22)]
    permit = Decider(read_policy(rules.encode(), "policy.toml")).permit(
        isolated(network=NetworkPolicy(hosts=hosts))
    )
    assert [f"{one.host}:{one.port}" for one in permit.grant.isolation.network.hosts] == reached
    assert (":22" in "".join(permit.notes.cuts)) == (pattern != "*")


def errand(kind: ErrandKind, **fields: Any) -> Errand:
    usual = {"repository": RepositorySpec(url=SHOP), "branch": "pullyard/1-x-abcdef", "base_branch": "main"}
    listed = {"task_list": TaskListErrand(path="x", branch="main")} if "list" in kind else {}
    return Errand(**{"id": "e", "fence": 1, "kind": kind, **usual, **listed, **fields})


ERRANDS = [
    (errand(ErrandKind.CLOSE), '"close" in errands'),
    (errand(ErrandKind.MERGE, repository=RepositorySpec(url="https://evil.example/x")), "has no rule for"),
    (errand(ErrandKind.MERGE, repository=RepositorySpec(url=SHOP, forge="evil")), "in forges"),
    (errand(ErrandKind.MERGE, branch="main"), "in branches"),
    (errand(ErrandKind.MERGE, base_branch="production"), "in base_branches"),
    (errand(ErrandKind.MERGE, base_branch=""), "in base_branches"),
    (errand(ErrandKind.WRITE_TASK_LIST, task_list=None), "in base_branches"),
]


@pytest.mark.attack("coordinator: a hostile one")
@pytest.mark.parametrize(("given_", "said"), ERRANDS, ids=range(len(ERRANDS)))
def test_errands_are_held_against_it(given_: Errand, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        DECIDER.check_errand(given_)


def test_allowed_errands_are_done() -> None:
    for kind in (ErrandKind.MERGE, ErrandKind.READ_TASK_LIST, ErrandKind.WRITE_TASK_LIST):
        DECIDER.check_errand(errand(kind))


@pytest.mark.attack("coordinator: a hostile one")
@pytest.mark.parametrize(
    ("more", "allowed"),
    [
        ("", {"close", "look", "compare", "read-task-list"}),
        ('errands = ["merge"]', {"merge"}),
        ('[default]\nerrands = ["write-task-list"]', {"write-task-list"}),
    ],
)
def test_where_work_is_signed_merging_needs_the_owner_s_express_word(more: str, allowed: set[str]) -> None:
    key = public_text(Ed25519PrivateKey.generate().public_key())
    rules = f'[[repository]]\nmatch = ["*"]\nsigned_by = ["{key}"]\n{more}\n'
    decider = Decider(read_policy(rules.encode(), "policy.toml"))
    done: set[str] = set()
    for kind in ErrandKind:
        with suppress(RequestError):
            decider.check_errand(errand(kind))
            done.add(kind)
    assert done == allowed


def test_a_link_to_another_directory_is_that_directory(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "open" / "door").symlink_to(tmp_path / "secret")
    rules = f'[[repository]]\nmatch = ["{tmp_path}/open/"]\n'
    decider = Decider(read_policy(rules.encode(), "policy.toml"))
    with pytest.raises(RequestError, match="has no rule for"):
        decider.permit(sent(repository=RepositorySpec(url=f"{tmp_path}/open/door")))
    decider.permit(sent(repository=RepositorySpec(url=f"{tmp_path}/open/shop.git")))


@pytest.mark.attack("coordinator: a hostile one")
def test_a_signature_is_good_for_one_task_also_after_a_restart(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    rules = f'[[repository]]\nmatch = ["*"]\nsigned_by = ["{public_text(key.public_key())}"]\n'
    policy = read_policy(rules.encode(), "policy.toml")

    def permit(task: str, now: float, *, altered: bool = False) -> Permit:
        """By a worker that has just been started."""
        work = msgspec.structs.replace(GRANT.task, id=task, title="Y" if altered else "X")
        decider = Decider(policy, Nonces(tmp_path / "signatures"))
        return decider.permit(sent(task=work, signature=signature), now=now)

    signature = sign(GRANT, key, nonce="n" * 20, expires_at=1000)
    permit("task_1", 999)
    permit("task_1", 999)
    for task, now, altered, said in (
        ("task_2", 999, False, "used for another task"),
        ("task_1", 1000, False, "has expired"),
        ("task_1", 999, True, "differs: title"),
    ):
        with pytest.raises(RequestError, match=said):
            permit(task, now, altered=altered)


def test_used_signatures_are_forgotten_once_they_have_expired(tmp_path: Path) -> None:
    nonces = Nonces(tmp_path / "signatures")
    key = Ed25519PrivateKey.generate()
    rules = f'[[repository]]\nmatch = ["*"]\nsigned_by = ["{public_text(key.public_key())}"]\n'
    decider = Decider(read_policy(rules.encode(), "policy.toml"), nonces)
    for number, expires_at in enumerate((1000, 1 << 40)):
        signature = sign(GRANT, key, nonce=f"{number}" * 20, expires_at=expires_at)
        decider.permit(sent(signature=signature), now=1)
    (tmp_path / "signatures" / "rubbish.1.new").write_text("")
    nonces.forget_expired()
    assert len(list((tmp_path / "signatures").iterdir())) == 1
