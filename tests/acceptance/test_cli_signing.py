"""A worker that does only what its owner signed, and asks before some commands: by the program alone."""

import stat

from tests.acceptance.test_cli_steps import until_state
from tests.cli_program import Program

ADD = ("task", "add", "shop", "Say more", "--command", "echo more >> README.md")
POLICY = """
[[repository]]
match = ["{repository}"]
agents = ["command"]
commands = ["ask touch **"]
signed_by = ["{public}"]
"""


def test_a_worker_does_only_what_its_owner_has_signed(program: Program) -> None:
    repository = program.repository()
    made = program.json("sign", "keygen")
    assert stat.S_IMODE((program.home / ".config/pullyard/signing-key.pem").stat().st_mode) == 0o600
    file = program.data / "worker" / "policy.toml"
    file.parent.mkdir(parents=True)
    program.data.chmod(0o711)
    file.write_text(POLICY.format(repository=repository, public=made["public"]))
    with program.up():
        program.ok("project", "add", str(repository), "--verify", "true")
        assert "is not signed" in program.run(*ADD, "--wait").stderr
        assert "is not signed" in program.run("worker", "policy", "explain", "shop#1").stderr
        # What the coordinator adds to the person's own words is shown, and not signed unseen.
        unseen = program.run(*ADD, "--sign")
        assert (unseen.returncode, "Nothing was signed" in unseen.stderr) == (2, True)
        assert "verify_commands" in unseen.stdout
        assert "Say more" not in unseen.stdout
        program.ok(*ADD, "--sign", "--yes", "--wait")
        # The same settings again need no yes; changed ones do, and they spoil what was signed before.
        program.ok(*ADD, "--sign", "--draft")
        program.ok("project", "edit", "shop", "--setup", "touch /tmp/x")
        assert "this differs: setup_commands." in program.run("sign", "check", "shop#3").stderr
        changed = program.run(*ADD, "--sign")
        assert changed.returncode == 2
        assert ("touch" in changed.stdout, "verify_commands" in changed.stdout) == (True, False)
        program.ok("task", "ready", "shop#3")
        assert f"by {made['public']}, until 20" in program.ok("task", "show", "shop#3")
        program.run("logs", "shop#3", "--follow")
        refused = program.json("task", "show", "shop#3")["task"]
        assert (refused["reason"], "this differs: setup_commands." in refused["message"]) == (
            "policy_refused",
            True,
        )
        # It is not lost: signed as it is now and tried again, it asks about the command, and goes on.
        assert program.run("sign", "task", "shop#3", "--retry").returncode == 2
        said = program.ok("sign", "task", "shop#3", "--retry", "--yes")
        assert "Say more" in said
        until_state(program, "shop#3", "waiting")
        assert "touch /tmp/x" in program.ok("execution", "question", "shop#3")
        program.ok("execution", "answer", "shop#3", "approve")
        program.ok("logs", "shop#3", "--follow")
        assert program.json("task", "show", "shop#3")["task"]["state"] == "completed"


def test_a_policy_is_checked_shown_and_tried_without_a_worker(program: Program) -> None:
    file = program.place / "policy.toml"
    words = ("worker", "policy")
    file.write_text('[[repository]]\nmatch = ["https://git.example.com/shop/"]\nagnets = ["x"]\n')
    wrong = program.run(*words, "check", "--file", str(file))
    assert wrong.returncode == 2
    assert f"{file}, line 3: repository.agnets: unknown key 'agnets'" in wrong.stderr
    # A system whose worker would not start is not started either.
    refused = program.run("up", "--port", "0", PULLYARD_WORKER_POLICY_FILE=str(file))
    assert (refused.returncode, refused.stderr) == (2, wrong.stderr)
    file.write_text(
        '[[repository]]\nmatch = ["*"]\ncommands = ["ask make **", "deny **"]\n'
        '[[repository]]\nmatch = ["https://git.example.com/shop/"]\n'
    )
    checked = program.json(*words, "check", "--file", str(file))
    assert checked["rules"] == 2
    assert "never decides" in checked["warnings"][0]
    shown = program.json(*words, "show", "--file", str(file))["rules"][0]
    assert (shown["branches"], shown["text"]["diff"]) == (["pullyard/*"], True)
    url = "https://git.example.com/shop/web"
    line = "sh -c 'make; curl evil'"
    assert program.json(*words, "command", url, line, "--file", str(file))["verdict"] == "deny"
    table = {row["tool"]: row for row in program.json(*words, "tools", "--file", str(file))}
    assert (table["read_file"]["place"], table["ssh_execute"]["verdict"]) == ("sandbox", "deny")
