"""A signed receipt: what it covers, what is refused and with which words, and its way through texts."""

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pullyard.protocol.receipt_text import BEGIN, END, find_receipts, write_block
from pullyard.protocol.receipts import Digest, Envelope, ReceiptRefused, Statement, Subject, seal
from pullyard.protocol.signed_receipts import SignedReceipt, check_receipt
from pullyard.protocol.signing import public_text
from pullyard.protocol.worker import CommandResult, Receipt, Tally

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
TRUSTED, FOREIGN = public_text(KEY.public_key()), public_text(OTHER.public_key())
COMMIT, TREE = "1" * 40, "2" * 40
RECEIPT = Receipt(
    commit=COMMIT,
    tree=TREE,
    base_commit="3" * 40,
    commands=[
        CommandResult(argv=["npm", "ci"], exit_code=0, seconds=2.0, outcome="passed", flaky=True),
        CommandResult(
            argv=["npm", "test"],
            exit_code=1,
            seconds=0.25,
            outcome="failed",
            tests=Tally(framework="tap", passed=3, failed=1, skipped=2),
        ),
    ],
    passed=False,
    seconds=2.5,
    tries=2,
    sandbox={
        "name": "bubblewrap",
        "level": "isolated",
        "own_account": True,
        "image": None,
        "network": "4" * 64,
    },
    warning="'npm ci' is flaky",
    worker_id="wrk_1",
    verified_at="2026-01-02T03:04:05Z",
)
ABOUT = {"execution_id": "exec_1", "task_id": "task_1", "repository": None}


def signed(by: Ed25519PrivateKey = KEY, *, named: str | None = None, **fields: Any) -> dict[str, Any]:
    """A receipt as the API shows it; ``fields`` replace some of what is signed and shown."""
    said = {**msgspec.to_builtins(RECEIPT), **ABOUT, **fields}
    del said["envelope"]
    subject = Subject(digest=Digest(git_commit=COMMIT, git_tree=TREE))
    envelope = seal(
        Statement(subject=[subject], predicate=said), named or public_text(by.public_key()), by.sign
    )
    shown = {name: value for name, value in said.items() if name not in ABOUT}
    return shown | {"envelope": msgspec.to_builtins(envelope)}


NO_RECEIPT = ("receipt-altered", "receipt-refused")


def refused(given: Any, *keys: str) -> ReceiptRefused:
    with pytest.raises(ReceiptRefused) as caught:
        check_receipt(given, keys or [TRUSTED])
    message = caught.value.message
    assert message.endswith(".")
    assert "\n" not in message
    return caught.value


def reseal(shown: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """The same envelope around other bytes."""
    return shown["envelope"] | {"payload": base64.b64encode(payload).decode()}


def payload_of(shown: dict[str, Any]) -> bytes:
    return base64.b64decode(shown["envelope"]["payload"])


def test_a_receipt_says_what_was_signed_and_by_whom() -> None:
    for shown in (signed(), signed()["envelope"]):
        assert check_receipt(shown, [FOREIGN, TRUSTED]) == SignedReceipt(
            RECEIPT, "exec_1", "task_1", None, TRUSTED
        )


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value is, those of lists and objects too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from leaves(one, (*path, name))
    if path:
        yield path


def altered(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return document


OTHERS: tuple[Any, ...] = ("x", 7, None, True, [], {}, 0.5)


@pytest.mark.attack("words: forged receipts")
@pytest.mark.parametrize("path", list(leaves(json.loads(payload_of(signed())))), ids=str)
def test_no_field_of_what_is_signed_can_be_another(path: tuple[Any, ...]) -> None:
    shown = signed()
    for value in OTHERS:
        statement = altered(json.loads(payload_of(shown)), path, value)
        changed = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
        if changed != payload_of(shown):
            assert refused(reseal(shown, changed)).code == "receipt-altered"


def shown_leaves() -> list[tuple[Any, ...]]:
    return [path for path in leaves(signed()) if path[0] != "envelope"]


@pytest.mark.attack("words: forged receipts")
@pytest.mark.parametrize("path", shown_leaves(), ids=str)
def test_what_is_shown_beside_the_envelope_has_to_be_the_same(path: tuple[Any, ...]) -> None:
    for value in OTHERS:
        shown = altered(signed(), path, value)
        if shown != signed():
            assert refused(shown).code in NO_RECEIPT


@pytest.mark.attack("words: forged receipts")
def test_no_letter_of_an_envelope_can_be_another() -> None:
    envelope = signed()["envelope"]
    for path in (("payload",), ("signatures", 0, "sig")):
        text = envelope[path[0]] if len(path) == 1 else envelope["signatures"][0]["sig"]
        for place in {*range(0, len(text), 97), *range(len(text) - 4, len(text))}:
            other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
            assert refused(altered(envelope, path, other)).code in NO_RECEIPT
    for bent_envelope in (
        envelope | {"payloadType": "text/plain"},
        envelope | {"signatures": []},
        envelope | {"signatures": envelope["signatures"] * 11},
    ):
        assert refused(bent_envelope).code in NO_RECEIPT


def test_the_words_tell_an_altered_receipt_from_an_unknown_key() -> None:
    assert refused(signed(OTHER)).code == "receipt-key-unknown"
    assert FOREIGN in refused(signed(OTHER)).message
    # It names a key that is trusted, and another one signed.
    assert refused(signed(OTHER, named=TRUSTED)).code == "receipt-altered"
    assert refused(signed(OTHER, named="nobody")).code == "receipt-altered"
    assert refused(signed(), "ed25519:rubbish").code == "receipt-key-wrong"
    # Which key an envelope names is a hint, and no part of the proof.
    assert check_receipt(signed(named=FOREIGN), [TRUSTED]).key == TRUSTED


def test_what_is_signed_and_is_no_receipt() -> None:
    assert "two commits" in refused(signed(commit="5" * 40)).message
    assert "update" in refused(signed(commands="all of them")).message
    assert "never signed" in refused(signed() | {"envelope": None}).message
    statement = Statement(subject=[], predicate={})
    assert "no receipt" in refused(msgspec.to_builtins(seal(statement, TRUSTED, KEY.sign))).message
    for payload in (b"{}", b"[" * 100_000, b"\xff"):
        sealed = msgspec.to_builtins(sealed_bytes(payload))
        assert "signed" in refused(sealed).message


def sealed_bytes(payload: bytes) -> Envelope:
    kind = b"application/vnd.in-toto+json"
    signature = KEY.sign(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    whole = seal(Statement(subject=[], predicate={}), TRUSTED, lambda _: signature)
    return msgspec.structs.replace(whole, payload=base64.b64encode(payload).decode())


def test_fields_of_another_version_are_no_forgery() -> None:
    """A coordinator of another version fills fields in, and leaves those out that it does not know."""
    older = {name: value for name, value in signed(new="x").items() if name != "new"}
    assert check_receipt(older, [TRUSTED]).receipt == RECEIPT
    assert check_receipt(signed() | {"new": "x"}, [TRUSTED]).receipt == RECEIPT


def block_of(shown: dict[str, Any]) -> str:
    return write_block(msgspec.convert(shown["envelope"], Envelope))


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "Words before.\n\n```text\n{}\n```\nand after",
        "> > {}",
        "\ufeff{}\r\n",
    ],
)
def test_a_receipt_is_found_in_a_text(around: str) -> None:
    block = block_of(signed())
    quoted = block.replace("\n", "\n> > ") if around.startswith(">") else block.replace("\n", "\r\n")
    (found,) = find_receipts(around.format(quoted))
    assert check_receipt(found, [TRUSTED]).receipt == RECEIPT
    assert max(map(len, block.splitlines())) <= 76


def test_all_receipts_of_a_text_are_found_and_so_are_those_in_json() -> None:
    both = block_of(signed()) + "\n" + block_of(signed(OTHER))
    assert [one["signatures"][0]["keyid"] for one in find_receipts(both)] == [TRUSTED, FOREIGN]
    shown = {"id": "exec_1", "receipt": signed(), "body": both}
    for document in (signed(), signed()["envelope"], shown, {"body": block_of(signed()), "receipt": None}):
        (found,) = find_receipts(json.dumps(document))
        assert check_receipt(found, [TRUSTED]).receipt == RECEIPT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with"),
        ("Fixes #12", "begins with"),
        ("[1, 2]", "begins with"),
        ('{"body": 7, "receipt": 7}', "begins with"),
        ("[" * 100_000, "begins with"),
        (BEGIN, "no end"),
        (f"{BEGIN}\nabcd\n", "no end"),
        (f"{BEGIN}\n%%%\n{END}", "damaged"),
        (f"{BEGIN}\n{END}", "damaged"),
        (f"{BEGIN}\n{base64.b64encode(b'[' * 100_000).decode()}\n{END}", "damaged"),
        (f"{BEGIN}e30={END}" * 101, "more than 100"),
        ("x" * (9 << 20), "longer than"),
    ],
    ids=range(12),
)
def test_rubbish_is_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ReceiptRefused, match=said):
        find_receipts(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
bent = st.fixed_dictionaries(
    {"payloadType": st.just("application/vnd.in-toto+json") | json_values},
    optional={
        "payload": st.binary(max_size=50).map(lambda raw: base64.b64encode(raw).decode()) | json_values,
        "signatures": st.lists(
            st.fixed_dictionaries({"keyid": st.text(max_size=50), "sig": st.text(max_size=90)}) | json_values,
            max_size=3,
        ),
    },
)


@given(json_values | bent | st.fixed_dictionaries({"envelope": bent | json_values}))
def test_no_shape_of_data_is_anything_but_refused(given_data: Any) -> None:
    assert refused(given_data).code in NO_RECEIPT


@given(st.text(max_size=200), st.binary(max_size=100))
def test_no_text_is_anything_but_refused(text: str, raw: bytes) -> None:
    for words in (text, BEGIN + text + END, f"{BEGIN}{base64.b64encode(raw).decode()}{END}"):
        try:
            found = find_receipts(words)
        except ReceiptRefused:
            continue
        for one in found:
            assert refused(one).code in NO_RECEIPT
