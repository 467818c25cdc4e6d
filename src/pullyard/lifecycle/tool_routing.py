"""Where each tool that we serve to an agent runs, how much it may do, and whether it may be called.

A tool that is not in ``TOOLS`` is not served. A project may be stricter than the table's own verdict, or
looser, within what the worker's owner allows; ``ssh_execute`` needs the owner's word for its host.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class Verdict(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    """A person is asked first, and the work waits."""
    DENY = "deny"


_STRICTNESS = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.DENY: 2}


def strictest(*verdicts: Verdict) -> Verdict:
    """``allow`` where there are none."""
    return max(verdicts, key=_STRICTNESS.__getitem__, default=Verdict.ALLOW)


class Place(StrEnum):
    SANDBOX = "sandbox"
    WORKER = "worker"
    COORDINATOR = "coordinator"


class Security(StrEnum):
    """What a call can reach at worst, the least first."""

    CONFINED = "confined"
    """The working copy, which is thrown away or harvested with checks."""
    MEDIATED = "mediated"
    """Outside of the sandbox, through code of ours that checks every argument."""
    EXTERNAL = "external"
    """What others see or what can't be undone."""


@dataclass(frozen=True)
class Route:
    place: Place
    security: Security
    verdict: Verdict
    why: str


def _inside(why: str) -> Route:
    return Route(Place.SANDBOX, Security.CONFINED, Verdict.ALLOW, why)


TOOLS: Mapping[str, Route] = {
    "read_file": _inside("A hostile link in the repository leads nowhere but inside the sandbox."),
    "write_file": _inside("What is written is harvested with checks, or thrown away."),
    "edit_file": _inside("What is written is harvested with checks, or thrown away."),
    "list_files": _inside("Names are the repository's, and so hostile."),
    "search_files": _inside("A pattern may be made to take for ever; the sandbox has limits."),
    "run_command": _inside("It runs any code; each command is held against the command rules first."),
    "git_status": _inside("Git runs filters and hooks of a repository that an agent could write to."),
    "git_diff": _inside("Git runs filters and hooks of a repository that an agent could write to."),
    "git_log": _inside("Git runs filters and hooks of a repository that an agent could write to."),
    "fetch_url": Route(
        Place.WORKER,
        Security.MEDIATED,
        Verdict.ALLOW,
        "The sandbox has no network; the gateway lets through what the project's list of hosts names.",
    ),
    "verify": Route(
        Place.WORKER,
        Security.MEDIATED,
        Verdict.ALLOW,
        "The worker makes a clean checkout and a fresh sandbox; the agent chooses no command.",
    ),
    "publish_change": Route(
        Place.WORKER,
        Security.EXTERNAL,
        Verdict.ASK,
        "Only the worker has the forge's credential; others see what is pushed.",
    ),
    "ask_person": Route(
        Place.COORDINATOR, Security.MEDIATED, Verdict.ALLOW, "People are where the coordinator is."
    ),
    "read_task": Route(
        Place.COORDINATOR, Security.MEDIATED, Verdict.ALLOW, "It tells of tasks of the same project only."
    ),
    "create_task": Route(
        Place.COORDINATOR,
        Security.EXTERNAL,
        Verdict.ASK,
        "A task spends money, and an agent that was led astray would make many.",
    ),
    "ssh_execute": Route(
        Place.WORKER,
        Security.EXTERNAL,
        Verdict.DENY,
        "It runs with the worker's own keys on another machine, where no sandbox holds.",
    ),
}


@dataclass(frozen=True)
class ToolBounds:
    """What one side says of tools. ``ssh_hosts`` counts only where the worker's owner says it."""

    verdicts: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])
    ssh_hosts: Sequence[str] = ()
    """Exact names, or ``*.`` and the end of one."""


@dataclass(frozen=True)
class ToolDecision:
    verdict: Verdict
    why: str


def judge_tool(name: str, *, project: ToolBounds, owner: ToolBounds, host: str | None = None) -> ToolDecision:
    """What becomes of a call. ``host`` is the machine that ``ssh_execute`` names.

    The project's word takes the place of the table's verdict; the owner's is an upper bound of both.
    """
    route = TOOLS.get(name)
    if route is None:
        return ToolDecision(Verdict.DENY, f"There is no tool {name[:60]!r}.")
    if name == "ssh_execute" and not any(fits_host(one, host or "") for one in owner.ssh_hosts):
        return ToolDecision(
            Verdict.DENY, f"The worker's policy has no ssh_hosts entry for {(host or 'no host')[:120]!r}."
        )
    wished = project.verdicts.get(name, route.verdict)
    bound = owner.verdicts.get(name, Verdict.ALLOW)
    verdict = strictest(wished, bound)
    if verdict is not wished:
        return ToolDecision(verdict, f"The worker's policy says {bound} for {name}.")
    if name in project.verdicts:
        return ToolDecision(verdict, f"The project says {wished} for {name}.")
    return ToolDecision(verdict, route.why)


def fits_host(pattern: str, host: str) -> bool:
    """``*`` is every host, ``*.example.com`` all below it, anything else exactly itself, in any case."""
    pattern, host = pattern.lower(), host.lower().rstrip(".")
    if not host:
        return False
    if pattern == "*":
        return True
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else pattern == host


def fits_any(patterns: Sequence[str], text: str) -> bool:
    """Whether one of the glob patterns is for the whole of ``text``; case matters."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)
