"""What agents are told and how they are started."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pullyard.agents.claude_program import INSTALL, find_claude
from pullyard.agents.command import ARGUMENT_LIMIT_BYTES, CommandAgent, fill_shell
from pullyard.agents.demo import LABEL
from pullyard.agents.programs import inside
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import AgentMissing, Invocation
from pullyard.agents.registry import AGENTS, check_settings
from pullyard.agents.relocate import relocate
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import TaskBrief
from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.protocol import Sandbox
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory
from tests.agent_runs import TASK, Workplace

DEMO = Path(__file__).parents[2] / "src/pullyard/agents/demo_data/repository"
HOSTILE = TaskBrief(
    id="t", number=7, title='-rf "$(touch /ws/broken)" `x` \'; {prompt_file}', description="d"
)


def command(task: TaskBrief = TASK, **settings: Any) -> Invocation:
    return CommandAgent().invocation(task, settings, inside=Path("/ws"), gateway_port=1)


def run_unittest(directory: Path) -> int:
    return subprocess.run(["python3", "-B", "-m", "unittest"], cwd=directory, capture_output=True).returncode


@pytest.mark.parametrize(
    ("name", "settings", "word"),
    [
        ("comand", {}, "choose one of"),
        ("command", {}, "argv"),
        ("command", {"argv": ["x"], "command": "y"}, "either"),
        ("command", {"argv": "x"}, "argv"),
        ("command", {"argv": ["x"], "promt": "file"}, "promt"),
        ("command", {"argv": ["x"], "prompt": "mail"}, "prompt"),
        ("command", {"argv": ["x\0"]}, "NUL"),
        ("command", {"argv": ["x"], "environment": {"A=B": "c"}}, "variable"),
        ("claude-code", {"max_turns": 0}, "max_turns"),
        ("claude-code", {"model": "--help"}, "model"),
        ("claude-code", {"cloud": "vertex"}, "model_endpoints"),
        ("claude-code", {"endpoint": "Two Words"}, "model_endpoints"),
        ("codex", {"endpoint": "../x"}, "model_endpoints"),
        ("demo", {"pace": -1}, "pace"),
        ("codex", {"effort": "most"}, "low"),
        ("codex", {"model": "claude-sonnet-4-5"}, "no models of anthropic"),
        ("gemini", {"max_turns": 0}, "max_turns"),
        ("opencode", {"model": "sonnet"}, "PROVIDER/NAME"),
        ("opencode", {"model": "openai/--help"}, "model's name"),
        ("opencode", {"extra_argv": ["x\0"]}, "NUL"),
        ("aider", {"modell": "x"}, "modell"),
        ("mini-swe-agent", {"max_turns": -1}, "max_turns"),
        ("acp", {"program": "sh"}, "gemini"),
        ("acp", {"environment": {"A": "b"}}, "argv"),
        ("acp", {"argv": ["x\0"]}, "NUL"),
        ("acp", {"argv": ["x"], "environment": {"A B": ""}}, "environment variable"),
        ("codex-acp", {}, "program=codex-acp"),
        ("acp", {"program": "gemini", "model": "gpt-5"}, "no models of openai"),
    ],
)
def test_wrong_settings_say_what_is_wrong(name: str, settings: dict[str, Any], word: str) -> None:
    with pytest.raises(RequestError) as refused:
        check_settings(name, settings)
    assert word in refused.value.message


def test_right_settings_pass() -> None:
    check_settings("command", {"command": "aider {prompt}", "environment": {"A": "b"}})
    check_settings("claude-code", {"model": "sonnet", "max_turns": 5, "extra_argv": ["--effort", "low"]})
    check_settings("claude-code", {"endpoint": "vertex-eu", "cloud": "vertex"})


def test_an_endpoint_is_asked_in_the_place_of_the_models_provider() -> None:
    for name, settings in {"codex": {"model": "openai/qwen3-coder"}, "claude-code": {}}.items():
        agent = AGENTS[name]()
        asked = agent.invocation(
            TASK, {**settings, "endpoint": "cluster"}, inside=Path("/ws"), gateway_port=1
        )
        assert asked.gateway == "cluster"
    check_settings("demo", {"pace": 0})


@pytest.mark.parametrize("name", sorted({*AGENTS} - {"command", "claude-code"}))
def test_every_path_of_an_invocation_can_be_moved(name: str) -> None:
    """Where a sandbox shows real paths, those of files and programs stand in words that can be rewritten."""
    asked = AGENTS[name]().invocation(TASK, {}, inside=Path("/ws"), gateway_port=1)
    shown = [inside(one) for one in (asked.program, *asked.further_programs) if one is not None]
    asked = replace(asked, programs={**asked.programs, **dict.fromkeys(shown, Path("/x"))})
    moved = relocate(asked, lambda path: path.replace("/opt", "/moved").replace("/task", "/moved"))
    told = [
        *moved.argv,
        *moved.environment.values(),
        *(text.decode("latin-1") for text in moved.files.values()),
    ]
    assert not [text for text in told if "/opt/pullyard" in text and "/moved/pullyard" not in text]
    assert any("/moved/" in text for text in told)


def test_the_prompt_holds_the_whole_task() -> None:
    task = TaskBrief(
        id="t",
        number=3,
        title="-x",
        description="Why.",
        acceptance_criteria=["It works"],
        target_files=["a.py"],
    )
    prompt = write_prompt(task)
    assert prompt.startswith("# Task 3: -x\n\nWhy.\n")
    assert "- It works" in prompt
    assert "- a.py" in prompt


@pytest.mark.attack("words: prompt injection", backend="bubblewrap")
@pytest.mark.parametrize("line", ["printf %s {title}", 'printf %s "{title}"', "printf %s '{title}'"])
async def test_a_title_is_never_shell_code(line: str, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path)
    run = await workplace.run(CommandAgent(), {"command": line}, HOSTILE)
    assert run.log.decode() == HOSTILE.title
    assert list(workplace.ws.iterdir()) == []


def test_a_placeholder_in_a_title_is_not_filled_in() -> None:
    assert command(HOSTILE, argv=["x", "{title}", "{other}", "n={number}"]).argv[1:] == [
        *(HOSTILE.title, "{other}", "n=7"),
    ]


@pytest.mark.parametrize("sandbox", [Bubblewrap, UnsafeDirectory])
@pytest.mark.parametrize(
    "settings",
    [
        {"argv": ["cat", "{prompt_file}"]},
        {"argv": ["cat"], "prompt": "stdin"},
        {"argv": ["printf", "%s"], "prompt": "argument"},
        {"argv": ["printf", "%s", "{prompt}"], "prompt": "argument"},
        {"command": "cat {prompt_file}"},
        {"command": "cat", "prompt": "stdin"},
        {"command": "printf %s", "prompt": "argument"},
        {"command": 'cat "$PULLYARD_PROMPT_FILE"'},
    ],
)
async def test_every_way_to_the_prompt(
    settings: dict[str, Any], sandbox: type[Sandbox], tmp_path: Path
) -> None:
    run = await Workplace(tmp_path, sandbox=sandbox).run(CommandAgent(), settings)
    assert run.log.decode() == write_prompt(TASK)


def test_a_prompt_too_long_for_an_argument_is_refused() -> None:
    task = TaskBrief(id="t", number=1, title="x", description="y" * ARGUMENT_LIMIT_BYTES)
    with pytest.raises(RequestError, match="prompt_file"):
        command(task, argv=["x", "{prompt}"])
    assert command(task, argv=["x", "{prompt_file}"]).files["prompt.md"]


def test_a_backslash_does_not_open_or_close_quotes() -> None:
    assert fill_shell(r"a \' {title}")[0] == r"""a \' "${PULLYARD_TITLE}" """.strip()
    assert fill_shell(r"'a\' {title}")[0] == r"""'a\' "${PULLYARD_TITLE}" """.strip()


async def test_the_demo_mends_its_repository_and_says_what_it_is(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path)
    for path in sorted(DEMO.rglob("*")):
        target = workplace.ws / path.relative_to(DEMO)
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    before = run_unittest(workplace.ws)
    run = await workplace.run(AGENTS["demo"](), {"pace": 0})
    assert (before, run.exit_code, run_unittest(workplace.ws)) == (1, 0, 0), run.log.decode()
    assert run.entries[0].text == LABEL
    assert run.log.decode().startswith(f"[{LABEL}]")
    assert run.kinds().count("tool-call") == run.kinds().count("tool-result") == 5
    assert [entry.is_error for entry in run.entries if entry.kind == "tool-result"].count(True) == 1


async def test_the_demo_fits_no_other_repository(tmp_path: Path) -> None:
    run = await Workplace(tmp_path).run(AGENTS["demo"](), {"pace": 0})
    assert "another agent" in run.verdict.message


def test_claude_code_that_is_not_installed_says_how(tmp_path: Path) -> None:
    with pytest.raises(AgentMissing, match=INSTALL[:40]):
        find_claude({"PATH": str(tmp_path)})
    with pytest.raises(AgentMissing, match="no program"):
        find_claude({"PATH": "", "PULLYARD_CLAUDE_CODE": str(tmp_path / "gone")})


def test_claude_code_is_the_native_program_behind_links_and_stubs(tmp_path: Path) -> None:
    package = tmp_path / "node_modules/@anthropic-ai/claude-code/bin"
    native = tmp_path / "node_modules/@anthropic-ai/claude-code-linux-x64"
    package.mkdir(parents=True)
    native.mkdir()
    (package / "claude.exe").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "claude").symlink_to(package / "claude.exe")
    (package / "claude.exe").chmod(0o755)
    with pytest.raises(AgentMissing, match="is a script"):
        find_claude({"PATH": str(tmp_path)})
    (native / "claude").write_bytes(b"\x7fELF")
    (native / "claude").chmod(0o755)
    assert find_claude({"PATH": str(tmp_path)}) == native / "claude"
