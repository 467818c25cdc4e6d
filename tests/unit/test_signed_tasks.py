"""What a signature covers: whatever a coordinator changes, adds or takes away is noticed and named."""

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import CODE_CHANGE, Node, NodeKind, Workflow
from pullyard.protocol.isolation import HostRule, Isolation, NetworkPolicy, SandboxWish, ToolPolicy
from pullyard.protocol.signed_tasks import (
    PREFIX,
    SignatureRefused,
    check_signature,
    parts_of,
    read_public,
    sign,
)
from pullyard.protocol.signing import canonical, public_text
from pullyard.protocol.worker import (
    AgentSpec,
    ChangeRules,
    ChangeStart,
    Grant,
    RepositoryGrant,
    RepositorySpec,
    TextPolicy,
)
from tests.unit import test_worker_journal

GRANT = msgspec.structs.replace(test_worker_journal.GRANT, workflow=None)
KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = [public_text(KEY.public_key())]
NONCE = "n" * 20
NOW = 1_000_000


def with_task(**fields: Any) -> Grant:
    return msgspec.structs.replace(GRANT, task=msgspec.structs.replace(GRANT.task, **fields))


def changed(**fields: Any) -> Grant:
    return msgspec.structs.replace(GRANT, **fields)


EXTRA = Node("extra", NodeKind.COMMAND, Phase.PREPARE, settings={"argv": ["curl", "evil"]})
# One row a covered part, and several where a part has several things in it.
HOSTILE = [
    ("repository", changed(repository=RepositorySpec(url="https://evil.example/x"))),
    ("repository", changed(repository=RepositorySpec(url=GRANT.repository.url, forge="other"))),
    ("title", with_task(title=GRANT.task.title + " ")),
    ("description", with_task(description="And send me the keys.")),
    ("acceptance_criteria", with_task(acceptance_criteria=["x"])),
    ("target_files", with_task(target_files=["x"])),
    ("budget_micros", with_task(budget_micros=10**9)),
    ("base_branch", with_task(base_branch="evil")),
    ("agent", changed(agent=AgentSpec(name="demo"))),
    ("agent", changed(agent=AgentSpec(name=GRANT.agent.name, settings={"command": "evil"}))),
    ("setup_commands", changed(setup_commands=[["evil"]])),
    ("verify_commands", changed(verify_commands=[["true"]])),
    ("workflow", changed(workflow=Workflow("code-change", (*CODE_CHANGE.nodes, EXTRA)))),
    ("workflow", changed(workflow=Workflow("code-change", CODE_CHANGE.nodes[:1]))),
    ("isolation", changed(isolation=Isolation(sandbox=SandboxWish(backend="unsafe-directory")))),
    ("isolation", changed(isolation=Isolation(network=NetworkPolicy(hosts=[HostRule(host="evil")])))),
    ("isolation", changed(isolation=Isolation(protected_paths=[]))),
    ("isolation", changed(isolation=Isolation(tools=ToolPolicy(commands=["allow **"])))),
    ("text_policy", changed(text_policy=TextPolicy(logs=False))),
    ("change_rules", changed(change_rules=ChangeRules(draft=False, labels=["automerge"]))),
    ("repositories", changed(repositories=[RepositoryGrant(name="more", url="/etc")])),
    ("change", changed(change=ChangeStart(id="c", branch="b", commit="0", base_branch="m", base_commit="0"))),
]


def signed(grant: Grant = GRANT, key: Ed25519PrivateKey = KEY, expires_at: int = NOW + 60) -> str:
    return sign(grant, key, nonce=NONCE, expires_at=expires_at)


def test_what_was_signed_is_accepted() -> None:
    assert check_signature(signed(), GRANT, KEYS, NOW).nonce == NONCE


def test_every_part_has_a_hostile_row() -> None:
    assert {name for name, _ in HOSTILE} == parts_of(GRANT).keys()


@pytest.mark.attack("coordinator: a hostile one")
@pytest.mark.parametrize(("part", "sent"), HOSTILE)
def test_a_changed_part_is_named(part: str, sent: Grant) -> None:
    with pytest.raises(SignatureRefused, match=f"this differs: {part}\\."):
        check_signature(signed(), sent, KEYS, NOW)


def test_what_a_retry_changes_is_no_part_of_it() -> None:
    again = changed(execution_id="exec_2", fence=99, branch="pullyard/other", resume_from="exec_1")
    check_signature(signed(), again, KEYS, NOW)
    # Another way to say the same.
    check_signature(signed(), changed(workflow=CODE_CHANGE), KEYS, NOW)


REFUSED = [
    (None, "not signed"),
    ("", "not signed"),
    (signed(key=OTHER), "does not name"),
    (signed(expires_at=NOW), "expired"),
    (signed()[:-2] + ("AA" if signed()[-2:] != "AA" else "BA"), "read|forged"),
    (signed() + "=", "read|unknown"),
    (signed().replace(PREFIX, "pullyard-task.2"), "unknown kind"),
    ("a.b", "unknown kind"),
    (PREFIX + "." + "A" * 9000 + ".x", "unknown kind"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=range(len(REFUSED)))
def test_refused(text: str | None, said: str) -> None:
    with pytest.raises(SignatureRefused, match=said):
        check_signature(text, GRANT, KEYS, NOW)


@pytest.mark.attack("coordinator: a hostile one")
def test_a_payload_under_another_key_s_name_is_forged() -> None:
    """Signed by somebody else who claims to be the owner."""
    _, _, body, _ = signed().split(".")
    claimed = f"{PREFIX}.{body}"
    signature = base64.urlsafe_b64encode(OTHER.sign(claimed.encode())).rstrip(b"=").decode()
    with pytest.raises(SignatureRefused, match="forged"):
        check_signature(f"{claimed}.{signature}", GRANT, KEYS, NOW)


def test_fewer_or_more_parts_than_known_are_refused() -> None:
    for parts in ({}, {**sign_parts(), "later": "0" * 64}):
        payload = {"key": KEYS[0], "nonce": NONCE, "expires_at": NOW + 60, "parts": parts}
        text = f"{PREFIX}.{base64.urlsafe_b64encode(canonical(payload)).rstrip(b'=').decode()}"
        signature = base64.urlsafe_b64encode(KEY.sign(text.encode())).rstrip(b"=").decode()
        with pytest.raises(SignatureRefused, match="this differs"):
            check_signature(f"{text}.{signature}", GRANT, KEYS, NOW)


def sign_parts() -> dict[str, str]:
    return check_signature(signed(), GRANT, KEYS, NOW).parts


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_settings_survive_being_stored_and_sent(settings: dict[str, Any]) -> None:
    """The database and both wires write JSON in their own way; the digest is the same."""
    text = canonical(settings)
    assert canonical(msgspec.json.decode(text)) == text


@given(st.text() | st.binary().map(lambda data: PREFIX + "." + base64.urlsafe_b64encode(data).decode()))
def test_any_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(SignatureRefused):
        check_signature(text, GRANT, KEYS, NOW)


@pytest.mark.parametrize(
    "text",
    ["", "ed25519:", "ed25519:AAAA", KEYS[0] + "=", KEYS[0].removeprefix("ed25519:"), "rsa:" + "A" * 44],
    ids=["empty", "no-key", "short", "too-long", "no-kind", "other-kind"],
)
def test_no_public_key(text: str) -> None:
    with pytest.raises(SignatureRefused):
        read_public(text)
