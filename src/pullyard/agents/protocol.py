"""What every agent offers: a command to run inside the sandbox, and how to read what it prints.

An adapter does no I/O and starts nothing: it says what to run and turns bytes into text and conversation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.conversation import Entry
from pullyard.protocol.worker import TaskBrief, Usage

TASK_DIRECTORY = "/task"
"""Where ``Invocation.files`` are seen inside."""


@dataclass(frozen=True)
class Invocation:
    """How to start the agent. Paths are as seen inside the sandbox."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Written to ``TASK_DIRECTORY`` inside, outside of the working copy, by bare name, read-only."""
    programs: Mapping[str, Path] = field(default_factory=dict)
    """Files or directories of the host that are the agent's program, by where they are seen inside."""
    program: str | None = None
    """The agent whose installed program is shown besides, as ``programs.inside`` says; None: no such."""
    further_programs: Sequence[str] = ()
    """More of them."""
    gateway: str | None = None
    """Whom the agent asks: a provider, such as ``anthropic``, or an endpoint of the worker's configuration
    that speaks as one does; None needs no model."""


@dataclass
class Output:
    """What a piece of the agent's output means. ``log`` is for people, as bytes."""

    log: bytes = b""
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """What an agent wants to know from a person."""

    text: str
    choices: Sequence[str]
    free: bool
    """Whether other words than the choices are an answer too."""
    session: str
    """What the agent needs to go on from here, as ``TaskBrief.session``; nobody else reads it."""


@dataclass(frozen=True)
class Verdict:
    """What the agent's end means; ``reason`` None lets the harvest decide."""

    reason: Reason | None = None
    message: str = ""
    question: Question | None = None
    """It ended only to ask: once there is an answer, another instance goes on."""


class Agent(Protocol):
    """One instance an execution: it may keep state between pieces of output."""

    name: str
    plain_log: bool
    """True where the output is the log as it stands, byte for byte, and ``read`` is never called."""

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        """``inside`` is the workspace as the agent sees it. Raises AgentMissing, RequestError."""
        ...

    def read(self, data: bytes, at: float) -> Output:
        """Any bytes, cut anywhere, hostile: never raises, bounded state. ``at`` is seconds since start.

        Empty ``data`` means the end of the output: what was held back comes out. Call it once before ``end``.
        """
        ...

    def end(self, exit_code: int) -> Verdict: ...

    @property
    def usage(self) -> Usage: ...


class AgentMissing(Exception):
    """The agent's program is not on this worker; the message says how to install it."""
