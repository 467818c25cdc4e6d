"""Nothing that looks like a secret leaves in a log, wherever the pieces in which it leaves are cut."""

import base64
import json
from urllib.parse import quote

import httpx
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import NodeKind
from pullyard.protocol.worker import (
    AskRequest,
    Diffstat,
    ErrandReport,
    FileChange,
    FinishRequest,
    NodeFact,
    PhaseReport,
    PublishedChange,
    SalvageReport,
)
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.masking import REACH_BYTES, Masker, secrets_in
from tests.canaries import database_dump, leaks
from tests.system import System

KEY = "sk-ant-api03-canary-4f1c9b7723d0e6a85b-QQ"
ODD = 'pass"w\\örd/+ %&=?~canary'
OWN = [KEY, ODD, "git-canary-83a6d20f41be97c55e0d"]
TOKENS = [
    "sk-proj-A1b2C3d4E5f6G7h8I9j0K1l2M3n4",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0123456789_abcdefghijklmnop",
    "glpat-Zx9-Yw8_Vu7Ts6Rq5Po4",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA-1234567890abcdefghijklmnopqrstu",
    "xoxb-1234567890-abcdefghijkl",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ.SflKxwRJSMeKKF2QT4fwpM",
    "pyl_work_4wV0Zb1c2d3e4f5g6h7i8j9k0l1m2n3o4p5q6r7s8t9",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAA\nAAAE==\n-----END OPENSSH ",
]
PLAIN = [
    "task-with-a-very-long-name-and-no-digits-in-it-at-all",
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "AKIA is a prefix, and so are sk- and ghp_; eyJ too",
    "Progress: 10 % ... 20 %\r\x1b[31m\xff\xfe\0",
    "https://example.com/a/b?c=d&e=f",
]


def sent(data: bytes, cuts: list[int], masker: Masker) -> bytes:
    """As a log leaves: the file grows to each of these places, and what is settled by then is sent."""
    told = b""
    for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        before = data[max(0, len(told) - REACH_BYTES) : len(told)]
        told += masker.piece(before, data[len(told) : end], whole=False)
    return told + masker.piece(
        data[max(0, len(told) - REACH_BYTES) : len(told)], data[len(told) :], whole=True
    )


def in_json(text: str) -> bytes:
    return json.dumps({"kind": "message", "text": f"line\n{text}\n"}).encode()


def written(secret: str) -> list[bytes]:
    """In every way in which a program may print it, whole."""
    raw = secret.encode()
    words = [raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(), json.dumps(secret).encode()]
    for before in range(3):
        around = b"x" * before + raw + b"\n"
        words += [base64.b64encode(around), base64.urlsafe_b64encode(around)]
    return [*words, quote(secret, safe="").encode(), quote(secret).encode()]


SECRET = st.sampled_from([words for secret in OWN for words in written(secret)])
TOKEN = st.sampled_from([form for token in TOKENS for form in (b" " + token.encode(), in_json(token))])
NOISE = st.sampled_from([text.encode(errors="replace") for text in PLAIN]) | st.binary(max_size=40)


@pytest.mark.attack("secrets: masking of streams")
@settings(max_examples=250, deadline=None)
@given(
    parts=st.lists(st.tuples(NOISE, SECRET | TOKEN), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 4000), max_size=12),
)
@example(parts=[(b"", in_json(TOKENS[7]))], cuts=[35, 60])
def test_no_cut_lets_a_secret_through(parts: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    data = b"".join(noise + b" " + secret + b" " for noise, secret in parts)
    told = sent(data, cuts, Masker(lambda: OWN))
    assert len(told) == len(data)
    assert leaks(OWN, {"what was sent": told}) == []
    for token in TOKENS:
        parts_of_it = [token.encode()[place : place + 16] for place in range(len(token) - 15)]
        assert [one for one in parts_of_it if one in told] == []
    assert told.count(b"\n") == data.count(b"\n")


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(NOISE, max_size=8), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_all_else_stays_byte_for_byte(parts: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(parts)
    assert sent(data, cuts, Masker(lambda: OWN)) == data


@given(st.integers(0, 40), st.integers(0, 40))
def test_base64_is_seen_wherever_the_secret_stands_in_it(before: int, after: int) -> None:
    whole = base64.b64encode(b"x" * before + ODD.encode() + b"y" * after)
    told = Masker(lambda: OWN).masked(whole)
    # What is left shows three bytes of it at most.
    assert ODD.encode()[4:-4] not in base64.b64decode(told.replace(b"*", b"A") + b"==")


def test_an_endless_token_is_not_waited_for() -> None:
    masker = Masker(lambda: OWN)
    data = b"sk-" + b"a1" * (REACH_BYTES * 2)
    assert len(masker.piece(b"", data, whole=False)) >= len(data) - REACH_BYTES
    assert masker.piece(b"", b"ghp_abc", whole=False) == b""
    assert masker.piece(b"", b"ghp_abc", whole=True) == b"ghp_abc"


def test_a_secret_that_is_renewed_is_masked_too() -> None:
    current = ["first-credential-canary"]
    masker = Masker(lambda: current)
    assert masker.text("a first-credential-canary") == f"a {'*' * 23}"
    current[0] = "second-credential-canary"
    assert masker.text("a second-credential-canary") == f"a {'*' * 24}"


def test_every_secret_of_nested_settings_is_found() -> None:
    class Inner(BaseModel):
        token: SecretStr

    class Outer(BaseModel):
        key: SecretStr | None
        places: dict[str, Inner]
        more: list[Inner]

    one, two = Inner(token=SecretStr("one")), Inner(token=SecretStr("two"))
    assert secrets_in(Outer(key=SecretStr("key"), places={"a": one}, more=[two])) == {"key", "one", "two"}


@pytest.mark.attack("secrets: masking of streams")
async def test_a_workers_key_that_lies_in_a_repository_does_not_leave_in_a_log(
    system: System,
) -> None:
    repository = system.repository({"leak.txt": f"key={OWN[2]}\n", "token.txt": f"{TOKENS[1]}\n"})
    await system.start_worker(anthropic_api_key=OWN[2])
    show = "cat leak.txt token.txt; base64 -w0 leak.txt; echo; head -c 20 leak.txt; tail -c +21 leak.txt"
    project = await system.project(
        repository, setup_commands=[["cat", "leak.txt"]], verify_commands=[["true"]]
    )
    task = await system.ended(await system.task(project, f"{show}; cp leak.txt new.txt"))
    assert task["state"] == "completed", task["message"]
    logs = {name: await system.log(task["execution_id"], name) for name in ("prepare", "implement")}
    assert leaks([OWN[2], TOKENS[1]], logs) == []
    assert b"key=***" in logs["implement"]
    assert b"key=***" in logs["prepare"]
    stored = await database_dump(system.coordinator.served.services.database)
    assert b"+key=***" in stored
    assert leaks([OWN[2], TOKENS[1]], {"the database": stored}) == []


@pytest.mark.attack("secrets: masking of streams")
async def test_no_request_about_an_execution_or_errand_brings_a_secret_to_the_coordinator() -> None:
    said = f"remote: {KEY} and {in_json(TOKENS[1]).decode()}"
    told: dict[str, bytes] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        told[request.url.path] = request.content
        return httpx.Response(200, json={"ok": True})

    node = NodeFact(name="agent", kind=NodeKind.AGENT, phase=Phase.IMPLEMENT, message=said)
    node.facts = {"questions": [{said: said}]}
    change = PublishedChange(
        branch="pullyard/key",
        base_branch="main",
        base_commit="a" * 40,
        commit="b" * 40,
        title=said,
        body=said,
        diff=f"+{said}\n",
        diffstat=Diffstat(files=[FileChange(path=said, status="added")], additions=1, deletions=0),
    )
    facts = {"salvage": {"repositories": [said]}}
    client = CoordinatorClient("http://coordinator", transport=httpx.MockTransport(answer))
    client.masker = Masker(lambda: [KEY])
    finish = FinishRequest(fence=1, message=said, change=change, facts=facts, nodes=[node])
    await client.finish("one", finish)
    await client.phase("one", PhaseReport(fence=1, phase=Phase.IMPLEMENT, nodes=[node], facts=facts))
    await client.ask("one", AskRequest(fence=1, question_id="q", node="agent", question=said, choices=[said]))
    await client.salvaged("one", SalvageReport(fence=1, salvage_ref="refs/x", salvage=facts))
    await client.errand("two", ErrandReport(fence=1, done=False, message=said))
    await client.close()
    assert len(told) == 5
    assert leaks([KEY, TOKENS[1]], told) == []
    sent_back = msgspec.json.decode(told["/worker/v1/executions/one/finish"], type=FinishRequest)
    assert sent_back.change is not None
    assert sent_back.change.branch == change.branch
    assert len(sent_back.message) == len(said)
    assert sent_back.nodes[0].kind is NodeKind.AGENT
