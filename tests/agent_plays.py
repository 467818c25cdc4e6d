"""What a scripted model says for each agent to mend a greeting, in the tests and in the benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pullyard.agents.claude_code import ClaudeCodeAgent
from pullyard.agents.protocol import Agent
from pullyard.agents.registry import AGENTS
from tests.claude_code_program import install_claude_code
from tests.model_server import Text, ToolUse, Turn

LOOK = (
    "cat /proc/*/environ /proc/*/cmdline > .git/environment; "
    "tar --ignore-failed-read -cf .git/files -C / tmp task; env; ls /tmp /ws"
)
"""Where it leaves what it saw the repository's own files are not looked for."""
FIX = "sed -i s/helo/hello/ greeting.txt"
DONE = Text("Fixed the greeting.", 1200, 10)
BLOCK = "greeting.txt\n```\n<<<<<<< SEARCH\nhelo world\n=======\nhello world\n>>>>>>> REPLACE\n```\n"


@dataclass(frozen=True)
class Play:
    """What the model says for an agent to do the task: its words differ by the tools that it is given."""

    provider: str
    fix: Sequence[Turn]
    done: Sequence[Turn] = (DONE,)
    look: ToolUse | None = None
    """Runs ``LOOK``; None for an agent that runs nothing."""
    closed: ToolUse | None = None
    """A call that it must refuse."""
    settings: Mapping[str, str] = field(default_factory=dict)
    programs: Sequence[str] = ()
    """That it needs besides its own."""
    counts: bool = True
    """False where it does not tell the tokens of all its requests."""
    resumed: Sequence[Turn] = ()
    """What it asks the model besides before it goes on with a session."""
    resumes: bool = True
    """False where it may begin anew if a person is asked before it said anything: it writes sessions late."""


PLAYS = {
    # By the agent's name, with what it runs behind it where there is a choice.
    "codex": Play(
        "openai",
        [ToolUse("exec_command", {"cmd": FIX})],
        look=ToolUse("exec_command", {"cmd": LOOK}),
        closed=ToolUse("web_search", {"query": "x"}),
    ),
    "gemini": Play(
        "gemini",
        [ToolUse("run_shell_command", {"command": FIX})],
        look=ToolUse("run_shell_command", {"command": LOOK}),
        closed=ToolUse("web_fetch", {"prompt": "Read http://example.com"}),
    ),
    "opencode": Play(
        "anthropic",
        [ToolUse("bash", {"command": FIX, "description": "x"})],
        look=ToolUse("bash", {"command": LOOK, "description": "x"}),
        closed=ToolUse("webfetch", {"url": "http://example.com", "format": "text"}),
    ),
    "mini-swe-agent": Play(
        "anthropic",
        [ToolUse("bash", {"command": FIX})],
        [ToolUse("bash", {"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"})],
        look=ToolUse("bash", {"command": LOOK}),
        closed=ToolUse("web", {"url": "http://example.com"}),
    ),
    "claude-code": Play(
        "anthropic",
        [ToolUse("Bash", {"command": FIX, "description": "x"})],
        look=ToolUse("Bash", {"command": LOOK, "description": "x"}),
        closed=ToolUse("WebFetch", {"url": "http://example.com", "prompt": "x"}),
    ),
    "pullyard": Play(
        "anthropic",
        [ToolUse("run_command", {"command": FIX})],
        look=ToolUse("run_command", {"command": LOOK}),
        closed=ToolUse("web_fetch", {"url": "http://example.com"}),
    ),
    "acp gemini": Play(
        "gemini",
        [ToolUse("run_shell_command", {"command": FIX})],
        look=ToolUse("run_shell_command", {"command": LOOK}),
        closed=ToolUse("web_fetch", {"prompt": "Read http://example.com"}),
        settings={"program": "gemini"},
        programs=["gemini"],
        counts=False,
        resumes=False,
    ),
    "acp opencode": Play(
        "anthropic",
        [ToolUse("bash", {"command": FIX, "description": "x"})],
        look=ToolUse("bash", {"command": LOOK, "description": "x"}),
        closed=ToolUse("webfetch", {"url": "http://example.com", "format": "text"}),
        settings={"program": "opencode"},
        programs=["opencode"],
        counts=False,
    ),
    "acp claude-agent-acp": Play(
        "anthropic",
        [ToolUse("Bash", {"command": FIX, "description": "x"})],
        look=ToolUse("Bash", {"command": LOOK, "description": "x"}),
        closed=ToolUse("WebFetch", {"url": "http://example.com", "prompt": "x"}),
        settings={"program": "claude-agent-acp"},
        programs=["claude-agent-acp"],
        counts=False,
        resumed=[Text("Hi")],
    ),
    "acp codex-acp": Play(
        "openai",
        [ToolUse("exec_command", {"cmd": FIX})],
        look=ToolUse("exec_command", {"cmd": LOOK}),
        closed=ToolUse("web_search", {"query": "x"}),
        settings={"program": "codex-acp"},
        programs=["codex-acp"],
        counts=False,
    ),
    "aider": Play("anthropic", [Text("greeting.txt"), Text(BLOCK)], []),
}


def agent_called(name: str) -> Agent:
    """With the program that this machine has for tests."""
    if name == "claude-code":
        return ClaudeCodeAgent(find_program=install_claude_code)
    return AGENTS[name.partition(" ")[0]]()


def programs_for(name: str) -> list[str]:
    if name == "claude-code":
        return []
    return [name.partition(" ")[0], *PLAYS[name].programs]
