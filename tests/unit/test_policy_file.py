"""``policy.toml`` is understood whole or not at all, and what is wrong with it is said with its line."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.worker.policy.load import PolicyInvalid, find_policy, load_policy, read_policy
from pullyard.worker.policy.model import Policy

RULE = '[[repository]]\nmatch = ["*"]\n'


def policy(text: str) -> Policy:
    return read_policy(text.encode(), "policy.toml")


WRONG = [
    ("x = = 1", "policy.toml is not TOML: .*line 1"),
    ("repository = 1", "line 1: repository: write it as \\[\\[repository\\]\\]"),
    ('[repository]\nmatch = ["*"]', "line 1: repository: write it as \\[\\[repository\\]\\]"),
    ("default = 1", "line 1: default: write it as a table"),
    ("[defaults]", "line 1: defaults: unknown key 'defaults': write \\[default\\] or"),
    ('[default]\nmatch = ["*"]', "line 2: default.match: it belongs to a \\[\\[repository\\]\\]"),
    ('[[repository]]\nagents = ["x"]', "line 1: repository: match is missing"),
    ("[[repository]]\nmatch = []", "line 2: repository.match: name at least one repository"),
    ('[[repository]]\nmatch = ["shop"]', "line 2: repository.match: "),
    ('[[repository]]\nmatch = ["/srv/../etc"]', "line 2: repository.match: .*holds '.' or '..'"),
    (RULE + 'agnets = ["x"]', "line 3: repository.agnets: unknown key 'agnets': 'agents' is perhaps meant"),
    (RULE + 'agents = "x"', "line 3: repository.agents: expected 'array', got 'str'"),
    (RULE + "[repository.text]\nlog = false", "line 4: repository.text.log: unknown key 'log'"),
    (RULE + "text.logs = true\ntext.diff = 1", "line 4: repository.text.diff: expected 'bool', got 'int'"),
    (RULE + "text = { logs = 1 }", "line 3: repository.text.logs: expected 'bool'"),
    (RULE + 'commands = [\n  "allow make",\n  "permit x",\n]', "line 5: repository.commands: 'permit x' is"),
    (RULE + 'signed_by = ["ed25519:x"]', "line 3: repository.signed_by: 'ed25519:x' is no public key"),
    (RULE + 'ssh_hosts = ["a b"]', "line 3: repository.ssh_hosts: 'a b' is no host"),
    (RULE + 'tools = { reed_file = "ask" }', "line 3: repository.tools: There is no tool 'reed_file'"),
    (RULE + 'tools.read_file = "yes"', "line 3: repository.tools.*: invalid enum value 'yes'"),
    (RULE + "[repository.sandbox]\ncpus = 0", "line 4: repository.sandbox.cpus: write a number above 0"),
    (RULE + 'sandbox.level = "good"', "line 3: repository.sandbox.level: invalid enum value 'good'"),
    (RULE + 'network.hosts = ["a.example:0"]', "line 3: repository.network.hosts: "),
    (RULE + 'network.hosts = ["*.*"]', "line 3: repository.network.hosts: "),
    (RULE + RULE + 'errands = ["steal"]', "line 5: repository.errands: invalid enum value 'steal'"),
    (RULE + "budget_micros = -1", "line 3: repository.budget_micros: write 0 or more"),
    ("[default]\ncolour = 1\n" + RULE, "line 2: default.colour: unknown key 'colour'"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_not_understood_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(PolicyInvalid, match=said) as caught:
        policy(text)
    assert caught.value.message.endswith(".")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_policy_or_a_sentence(content: bytes) -> None:
    try:
        found = read_policy(content, "policy.toml")
    except PolicyInvalid:
        return
    assert found.rules == ()


def test_too_much_is_refused() -> None:
    for content in (b"#" * (1 << 20) + b"##", (RULE * 1001).encode(), b"x = " + b"[" * 5000):
        with pytest.raises(PolicyInvalid):
            read_policy(content, "policy.toml")


def test_a_rule_takes_the_place_of_the_default_key_by_key() -> None:
    found = policy(
        '[default]\nagents = ["a"]\nsigned_by = []\ntext.logs = false\n'
        + (RULE + 'text.diff = false\n[[repository]]\nmatch = ["/**"]\nagents = ["b"]\n')
    )
    one, other = found.rules
    assert (one.agents, one.text.logs, one.text.diff) == (("a",), False, False)
    assert (other.agents, other.text.logs, other.text.diff) == (("b",), False, True)


def test_a_file_that_others_may_have_written_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(RULE)
    assert len(load_policy(path, local_coordinator=False).rules) == 1
    path.chmod(0o646)
    with pytest.raises(PolicyInvalid, match="chmod o-w"):
        load_policy(path, local_coordinator=False)
    if os.geteuid() == 0:
        path.chmod(0o644)
        os.chown(path, 12345, 12345)
        with pytest.raises(PolicyInvalid, match="another account's"):
            load_policy(path, local_coordinator=False)


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="is not there"):
        find_policy(tmp_path / "none.toml", tmp_path)
    (tmp_path / "policy.toml").write_text(RULE)
    assert find_policy(None, tmp_path) == tmp_path / "policy.toml"


def test_a_policy_that_can_not_be_read_is_not_passed_over(tmp_path: Path) -> None:
    link, directory, pipe = (tmp_path / name for name in ("link", "directory", "pipe"))
    for place in (link, directory, pipe):
        place.mkdir()
    (link / "policy.toml").symlink_to(tmp_path / "nowhere")
    (directory / "policy.toml").mkdir()
    os.mkfifo(pipe / "policy.toml")
    for place in (link, directory, pipe):
        with pytest.raises(PolicyInvalid, match=r"can't be read|is no file"):
            load_policy(find_policy(None, place), local_coordinator=True)


def test_rules_that_never_decide_are_told() -> None:
    found = policy(
        "".join(
            f"[[repository]]\nmatch = {patterns}\n"
            for patterns in (
                '["https://a.example/x"]',
                '["*"]',
                '["https://a.example/y"]',
                '["/srv/", "https://a.example/z"]',
                '["/srv/"]',
            )
        )
    )
    assert [sentence.split("'")[1] for sentence in found.unreachable()] == ["https://a.example/y", "/srv/"]
