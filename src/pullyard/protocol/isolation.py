"""What a project demands of the place its code runs in: the sandbox, its bounds, its network, guarded paths.

People write it as ``isolation`` of a project; a grant carries the same words to the worker.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, cast

import msgspec
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from pullyard.lifecycle.command_rules import MAX_RULE_CHARACTERS, MAX_RULES, RuleInvalid, read_rule
from pullyard.lifecycle.tool_routing import TOOLS, Verdict
from pullyard.protocol.fields import Input
from pullyard.protocol.hosts import HOST_CHARACTERS, HOST_PATTERN


class Level(StrEnum):
    """What a worker's sandbox must have been measured to hold, the weaker first."""

    ISOLATED = "isolated"
    """Every escape that was tried on that machine was held."""
    HARDENED = "hardened"
    """Isolated, and memory, processors, processes and disk are bounded by the kernel for each execution."""


DEFAULT_PROTECTED_PATHS = (
    ".github/workflows/",
    ".github/actions/",
    ".gitlab-ci.yml",
    ".gitea/",
    ".forgejo/",
    ".circleci/",
    ".buildkite/",
    ".drone.yml",
    "azure-pipelines.yml",
    "Jenkinsfile",
    ".woodpecker/",
    ".woodpecker.yml",
    ".travis.yml",
    "bitbucket-pipelines.yml",
    "CODEOWNERS",
    ".gitmodules",
    ".gitattributes",
    ".lfsconfig",
)
"""A change of these runs with rights of its own once it is merged, or decides on who has to look at it.

As in a ``.gitignore``: one without a slash but at its end is meant in every directory, any other from the top
of the repository on. ``*`` and ``?`` stand for letters of one name. Letters' case does not matter.
"""


class SandboxWish(msgspec.Struct, kw_only=True):
    backend: str | None = None
    """None is the best that the worker has."""
    level: Level | None = None
    """None asks for none; the worker looks at what it has measured, whatever label brought the task to it."""
    image: str | None = None
    """For backends with images; None is found by ``devcontainer.json`` and the repository's files."""
    environment: str = "fresh"
    platform: str | None = None
    """Such as ``linux/arm64``; None is the worker's own."""
    cpus: float = 2.0
    memory_bytes: int = 4 << 30
    disk_bytes: int = 10 << 30
    inodes: int = 1_000_000
    processes: int = 512


class HostRule(msgspec.Struct, kw_only=True):
    host: str
    port: int = 443
    methods: list[str] = []
    """None given: every method, and CONNECT."""
    paths: list[str] = []
    """What the path begins with; none given: every path."""


class NetworkPolicy(msgspec.Struct, kw_only=True):
    registries: bool = True
    hosts: list[HostRule] = []


class ToolPolicy(msgspec.Struct, kw_only=True):
    commands: list[str] = []
    """Rules for set-up, verify and step commands, and for commands of an agent that asks us: the first that
    fits wins, see ``lifecycle.command_rules``. Where none fits, a command is allowed."""
    verdicts: dict[str, Verdict] = {}
    """By the tool's name, instead of the verdict of ``lifecycle.tool_routing.TOOLS``."""


class SalvagePolicy(msgspec.Struct, kw_only=True):
    push: bool = False
    """Unfinished work goes to the repository too, as ``refs/pullyard/salvage/<execution>``."""


class Isolation(msgspec.Struct, kw_only=True):
    sandbox: SandboxWish = msgspec.field(default_factory=SandboxWish)
    network: NetworkPolicy = msgspec.field(default_factory=NetworkPolicy)
    salvage: SalvagePolicy = msgspec.field(default_factory=SalvagePolicy)
    protected_paths: list[str] = msgspec.field(default_factory=lambda: list(DEFAULT_PROTECTED_PATHS))
    tools: ToolPolicy = msgspec.field(default_factory=ToolPolicy)


def check_rule(text: str) -> str:
    """Raises ValueError, which pydantic turns into the request's error."""
    try:
        return read_rule(text).text
    except RuleInvalid as error:
        raise ValueError(str(error)) from error


def check_tool(name: str) -> str:
    if name not in TOOLS:
        raise ValueError(f"there is no tool {name[:60]!r}: choose one of {', '.join(TOOLS)}")
    return name


MEBIBYTE = 1 << 20
RuleText = Annotated[
    str,
    StringConstraints(max_length=MAX_RULE_CHARACTERS, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"),
    AfterValidator(check_rule),
]
ToolName = Annotated[str, AfterValidator(check_tool)]
Host = Annotated[str, StringConstraints(max_length=HOST_CHARACTERS, to_lower=True, pattern=HOST_PATTERN)]
Method = Annotated[str, StringConstraints(max_length=20, pattern=r"^[A-Z]+$")]
UrlPath = Annotated[str, StringConstraints(max_length=1000, pattern=r"^/[\x21-\x7e]*$")]
ImageName = Annotated[str, StringConstraints(max_length=300, pattern=r"^[a-z0-9][A-Za-z0-9._:/@-]*$")]
GuardedPath = Annotated[
    str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f\\]+$")
]


REUSED_BOUNDS: dict[str, Any] = {"cpus": 1.0, "memory_bytes": 1 << 30}


class SandboxSettings(Input):
    backend: Literal["docker", "bubblewrap", "unsafe-directory"] | None = Field(
        default=None, description="null: the best that the worker has"
    )
    level: Level | None = Field(
        default=None,
        description="what the sandbox must have been measured to hold; null: what the worker's owner allows",
    )
    image: ImageName | None = Field(
        default=None, description="of `docker`; null: by `devcontainer.json` or the repository's files"
    )
    environment: Literal["fresh", "reused"] = Field(
        default="fresh",
        description="`reused` keeps one container and one volume for the project, with 1 processor and 1 GiB "
        "of memory where it names no others",
    )
    platform: Literal["linux/amd64", "linux/arm64", "linux/riscv64"] | None = None
    cpus: float = Field(default=2.0, ge=0.1, le=256)
    memory_bytes: int = Field(default=4 << 30, ge=64 * MEBIBYTE, le=1 << 42)
    disk_bytes: int = Field(default=10 << 30, ge=16 * MEBIBYTE, le=1 << 44)
    inodes: int = Field(default=1_000_000, ge=1000, le=1 << 32)
    processes: int = Field(default=512, ge=16, le=1 << 20)

    @model_validator(mode="before")
    @classmethod
    def keep_small(cls, given: Any) -> Any:
        """What stays on a worker between tasks is small, unless it is wanted larger."""
        if not isinstance(given, dict):
            return given
        named = cast("dict[str, Any]", given)
        return {**REUSED_BOUNDS, **named} if named.get("environment") == "reused" else named


class HostSettings(Input):
    host: Host
    port: int = Field(default=443, ge=1, le=65535)
    methods: list[Method] = Field(default_factory=list, max_length=20, description="empty: every method")
    paths: list[UrlPath] = Field(
        default_factory=list, max_length=100, description="what the path begins with; empty: every path"
    )


class NetworkSettings(Input):
    registries: bool = Field(default=True, description="the usual package registries may be read")
    hosts: list[HostSettings] = Field(default=[], max_length=500)


class ToolSettings(Input):
    commands: list[RuleText] = Field(
        default=[],
        max_length=MAX_RULES,
        description="such as `allow npm ci`, `ask git push **`, `deny curl **`; the first that fits wins, "
        "and where none fits a command is allowed",
    )
    verdicts: dict[ToolName, Verdict] = Field(
        default={}, description="by tool, `allow`, `ask` or `deny` instead of its usual verdict"
    )


class SalvageSettings(Input):
    push: bool = Field(
        default=False,
        description="push unfinished work to the repository, as `refs/pullyard/salvage/EXECUTION`; "
        "false: it stays on its worker",
    )


class IsolationSettings(Input):
    sandbox: SandboxSettings = SandboxSettings()
    network: NetworkSettings = NetworkSettings()
    salvage: SalvageSettings = SalvageSettings()
    protected_paths: list[GuardedPath] = Field(
        default=list(DEFAULT_PROTECTED_PATHS),
        max_length=500,
        description="a change of these waits for a person; a path that ends in / is a whole directory; "
        "one without another slash is meant in every directory",
    )
    tools: ToolSettings = ToolSettings()
