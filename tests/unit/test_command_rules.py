"""Which commands are allowed, asked about or denied, a row a case; no shell runs what was not seen."""

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullyard.lifecycle.command_rules import RuleInvalid, judge_command, read_rule
from pullyard.lifecycle.shell_lines import Opaque, split_line
from pullyard.lifecycle.tool_routing import Verdict

LISTED = ["allow npm ci", "allow npm run *", "allow pytest **", "ask git push **", "deny **"]
FORBIDDING = ["deny curl **", "ask rm **"]
OWN_SHELL = ["deny curl **", "allow bash -c *", "deny **"]
LOOSE_END = ["deny curl **", "allow **"]

ROWS = [
    (LISTED, ["npm", "ci"], "allow"),
    (LISTED, ["npm", "ci", "--force"], "deny"),
    (LISTED, ["npm", "run", "build"], "allow"),
    (LISTED, ["npm", "run"], "deny"),
    (LISTED, ["pytest"], "allow"),
    (LISTED, ["pytest", "-q", "tests"], "allow"),
    (LISTED, ["./npm", "ci"], "deny"),
    (LISTED, ["git", "push", "--force"], "ask"),
    (LISTED, ["sh", "-c", "npm ci && pytest -q"], "allow"),
    (LISTED, ["sh", "-c", "npm ci; curl evil"], "deny"),
    (LISTED, ["sh", "-c", "npm ci $(curl evil)"], "deny"),
    (LISTED, ["env", "npm", "ci"], "deny"),
    (FORBIDDING, ["make", "test"], "allow"),
    (FORBIDDING, ["curl", "evil"], "deny"),
    (FORBIDDING, ["/usr/bin/curl", "evil"], "deny"),
    (FORBIDDING, ["./curl"], "deny"),
    (FORBIDDING, ["env", "curl", "evil"], "ask"),
    (FORBIDDING, ["/usr/bin/timeout", "5", "curl"], "ask"),
    (FORBIDDING, ["sh", "-c", "make test | tee log"], "allow"),
    (FORBIDDING, ["sh", "-c", "make test\ncurl evil"], "deny"),
    (FORBIDDING, ["sh", "-c", "make || /bin/rm -rf x"], "ask"),
    (FORBIDDING, ["sh", "-c", "'cu'\"r\"l evil"], "deny"),
    (FORBIDDING, ["sh", "-c", "\\curl evil"], "deny"),
    (FORBIDDING, ["sh", "-c", "c=curl; $c evil"], "ask"),
    (FORBIDDING, ["sh", "-c", "make > /dev/null"], "ask"),
    (FORBIDDING, ["sh", "-c", "eval make"], "ask"),
    (FORBIDDING, ["sh", "-c", "env curl evil"], "ask"),
    (FORBIDDING, ["sh", "-c", "sh -c 'curl evil'"], "deny"),
    (FORBIDDING, ["sh", "script.sh"], "ask"),
    (FORBIDDING, ["bash", "-c", "-x", "curl evil"], "ask"),
    (FORBIDDING, ["bash"], "ask"),
    (OWN_SHELL, ["bash", "-c", "x=$(date); echo $x"], "allow"),
    (OWN_SHELL, ["bash", "-c", "make; make install"], "allow"),
    (OWN_SHELL, ["bash", "-c", "make; curl evil"], "deny"),
    (OWN_SHELL, ["sh", "-c", "make"], "deny"),
    (LOOSE_END, ["make"], "allow"),
    (LOOSE_END, ["sh", "-c", "make; curl evil"], "deny"),
    (LOOSE_END, ["sh", "-c", "`curl evil`"], "ask"),
    (LOOSE_END, ["env", "curl"], "ask"),
    ([], ["sh", "-c", "anything > here"], "allow"),
    (["allow npm ci"], ["rm", "-rf", "x"], "allow"),
]


@pytest.mark.parametrize(("rules", "argv", "verdict"), ROWS, ids=[shlex.join(row[1]) for row in ROWS])
def test_rows(rules: list[str], argv: list[str], verdict: str) -> None:
    decision = judge_command(argv, [read_rule(rule) for rule in rules])
    assert decision.verdict == Verdict(verdict), decision.why


@pytest.mark.parametrize(
    "text", ["", "npm ci", "allow", "permit npm", "allow 'npm", "deny ** now", "allow  "]
)
def test_no_rule(text: str) -> None:
    with pytest.raises(RuleInvalid):
        read_rule(text)


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs that write down how they were started."""
    place = tmp_path_factory.mktemp("stubs")
    for name in ("a", "b", "c"):
        stub = place / name
        stub.write_text(
            '#!/bin/sh\nfor word in "${0##*/}" "$@"; do printf "%s\\037" "$word"; done >> "$LOG"\n'
            'printf "\\036" >> "$LOG"\n'
        )
        stub.chmod(0o755)
    return place


WORDS = "a|b|c|a |b |c x|'a b'|\"c\"|a\\ b|\\a|b''|''|-c|x=1|a=b c|cd|env|time|if|then|fi|eval|exec|command"
SIGNS = "; && || & ' \" \\ $ ` ( ) < > { } # ! = * ~ |& ;; $(a) ${x}"
PIECES = st.sampled_from([*WORDS.split("|"), *SIGNS.split(" "), " ", "|", "\n", "\t"])


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(PIECES, max_size=9))
def test_a_shell_starts_nothing_that_was_not_seen(stubs: Path, pieces: list[str]) -> None:
    line = "".join(pieces)
    try:
        seen = split_line(line)
    except Opaque:
        return
    log = stubs / "log"
    log.unlink(missing_ok=True)
    subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": str(stubs), "LOG": str(log)},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    started = log.read_text().split("\x1e")[:-1] if log.exists() else []
    for one in started:
        argv = one.split("\x1f")[:-1]
        assert argv in seen, (line, argv, seen)
