"""``pullyard receipt`` without a coordinator: what it takes, and the sentence for what it does not."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from pullyard.cli.main import app
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.receipt_text import BEGIN, END
from pullyard.protocol.signing import public_text
from pullyard.worker.receipt_key import NAME, load_key, show_key
from tests.unit.test_receipts import FOREIGN, TRUSTED, block_of, signed

WHOLE = "\n\n" + block_of(signed(passed=True)) + "\n"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PULLYARD_URL", "PULLYARD_DATA", "PULLYARD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def run(*arguments: str, text: str = "") -> Any:
    return CliRunner().invoke(app, ["receipt", *arguments], input=text, obj=Terminal())


def test_a_key_by_hand_needs_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# ours\n\n{FOREIGN} of a neighbour\n{TRUSTED}\n")
    (tmp_path / "body").write_text(WHOLE)
    for arguments in (("-", "--key", TRUSTED), (str(tmp_path / "body"), "--key", str(tmp_path / "keys"))):
        done = run("verify", *arguments, text=WHOLE)
        assert (done.exit_code, done.exception) == (0, None)
        assert "3 passed, 1 failed, 2 skipped" in done.output
        assert TRUSTED in done.output


def test_a_genuine_receipt_of_a_failure_fails() -> None:
    done = run("verify", "--key", TRUSTED, text=block_of(signed()))
    assert done.exit_code == 1
    assert "genuine" in done.stderr
    both = WHOLE + block_of(signed())
    assert run("verify", "--key", TRUSTED, text=both).exit_code == 1, "each of them has to hold"


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (("-", "--key", FOREIGN), WHOLE, "none of the keys"),
        (("-", "--key", "ed25519:AAAA"), WHOLE, "no public key"),
        (("-", "--key", "/nowhere"), WHOLE, "no file of keys"),
        (("-", "--key", "/dev/null"), WHOLE, "one a line"),
        (("-", "--key", "\0"), WHOLE, "no file of keys"),
        (("-",), WHOLE, "--key"),
        (("-", "--key", TRUSTED), "Fixes #12", "no receipt"),
        (("-", "--key", TRUSTED), WHOLE.replace(END, "="), "no end"),
        (("-", "--key", TRUSTED), WHOLE + f"{BEGIN}\n{END}", "damaged"),
        (("-", "--key", TRUSTED, "--commit", "5" * 40), WHOLE, "another commit"),
        (("-", "--key", TRUSTED, "--commit", "1" * 12), WHOLE, "whole id"),
        (("nowhere", "--key", TRUSTED), "", "no file"),
        (("/", "--key", TRUSTED), "", "no file"),
        (("shop#1", "--key", TRUSTED), "", "No coordinator"),
    ],
    ids=range(14),
)
def test_what_can_not_be_used_is_said_in_a_sentence(arguments: tuple[str, ...], text: str, said: str) -> None:
    done = run("verify", *arguments, text=text)
    assert isinstance(done.exception, PullyardError), done.output
    assert said in done.exception.message
    assert "\n" not in done.exception.message


def test_a_worker_s_key_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with pytest.raises(PullyardError, match="first start"):
        show_key(tmp_path)
    first = load_key(tmp_path)
    path.chmod(0o644)
    assert load_key(tmp_path).public == first.public == show_key(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    other = Ed25519PrivateKey.generate()
    assert public_text(other.public_key()) != first.public
    for rubbish in (b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 10_000):
        path.write_bytes(rubbish)
        with pytest.raises(PullyardError, match="no Ed25519 key"):
            load_key(tmp_path)
        assert path.read_bytes() == rubbish, "nothing is made in the place of what a person may mend"
