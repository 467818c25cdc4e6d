"""Whether this worker does what it was sent, and within which bounds; decided before anything is touched."""

import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from pullyard.agents.registry import acts_as
from pullyard.forges.sites import Sites
from pullyard.lifecycle.change import CHANGE_ERRANDS, ErrandKind
from pullyard.lifecycle.command_rules import CommandDecision, CommandRule, judge_command, read_rule
from pullyard.lifecycle.tool_routing import (
    ToolBounds,
    ToolDecision,
    Verdict,
    fits_any,
    fits_host,
    judge_tool,
    strictest,
)
from pullyard.lifecycle.workflows import (
    CODE_CHANGE,
    END,
    PROTECTED,
    Node,
    NodeKind,
    NodeOutcome,
    Workflow,
    walked_only,
)
from pullyard.protocol.errors import RequestError
from pullyard.protocol.isolation import HostRule, Isolation, NetworkPolicy, SandboxWish
from pullyard.protocol.signed_tasks import SignatureRefused, check_signature
from pullyard.protocol.worker import AgentSpec, Errand, Grant, TaskBrief, TextPolicy
from pullyard.sandboxes.protocol import Probe
from pullyard.worker.policy.model import Policy, Rule
from pullyard.worker.policy.nonces import Nonces
from pullyard.worker.policy.places import REFUSED, first_fit, read_place
from pullyard.worker.sandbox_choice import levels_of

NO_BACKEND = "within this worker's policy"
"""Names no sandbox, and stands in the message that there is none."""
USUAL_PORT = 443
_BOUNDED = ("cpus", "memory_bytes", "disk_bytes", "inodes", "processes")


class PolicyRefused(RequestError):
    """Its sentence says which rule refuses, and what the worker's owner would write."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=REFUSED)


class Notes(list[str]):
    """What was decided and why, for ``policy explain``."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: list[str] = []
        """Those of them that tell of less than was sent, for the execution's log."""

    def cut(self, sentence: str) -> None:
        self.append(sentence)
        self.cuts.append(sentence)


@dataclass(frozen=True)
class Permit:
    """What an execution may do: ``grant`` as it was sent, but within the owner's bounds."""

    grant: Grant
    rules: tuple[Rule, ...] = ()
    """One for each repository."""
    notes: Notes = field(default_factory=Notes)
    signed: bool = False
    """Whether a rule demanded a signature, and it was good."""

    def command(self, argv: Sequence[str]) -> CommandDecision:
        """The stricter of what the project and the worker's owner say of a command."""
        decisions = [judge_command(argv, rules) for rules in self._command_rules]
        verdict = strictest(*(one.verdict for one in decisions))
        return next(one for one in decisions if one.verdict is verdict)

    @property
    def command_texts(self) -> list[list[str]]:
        """The rules as they were written: the project's, and the owner's for each repository."""
        return [list(self.grant.isolation.tools.commands), *(list(rule.commands) for rule in self.rules)]

    @property
    def _command_rules(self) -> list[list[CommandRule]]:
        return [[read_rule(text) for text in some] for some in self.command_texts]

    def tool(self, name: str, host: str | None = None) -> ToolDecision:
        """For agents whose tools we serve: ``name`` as in ``TOOLS``, ``host`` where ``ssh_execute`` goes."""
        project = ToolBounds(self.grant.isolation.tools.verdicts)
        rules = self.rules or (Rule(match=("*",)),)
        decisions = [
            judge_tool(name, project=project, owner=ToolBounds(rule.tools, rule.ssh_hosts), host=host)
            for rule in rules
        ]
        verdict = strictest(*(one.verdict for one in decisions))
        return next(one for one in decisions if one.verdict is verdict)

    def check_image(self, name: str) -> None:
        """For an image that was found and not named by the project. Raises PolicyRefused."""
        for rule in self.rules:
            check_glob(rule, "sandbox.images", rule.sandbox.images, name, "the image")


@dataclass(frozen=True)
class Decider:
    """One a worker. ``probes`` are the sandboxes that it has measured, the best first."""

    policy: Policy
    nonces: Nonces | None = None
    """None keeps no book of signatures: for an explanation, and where no rule demands any."""
    probes: Sequence[Probe] = ()
    sites: Sites = field(default_factory=Sites)
    """By which the kind of forge is told where the project leaves that open."""

    def permit(self, grant: Grant, *, now: float | None = None) -> Permit:
        """Raises PolicyRefused, RequestError for no address. ``now`` is in seconds since 1970."""
        notes = Notes()
        rules = [self.rule_of(one, notes) for one in urls_of(grant)]
        bounded = grant
        for rule in rules:
            check_rule(rule, grant, self.sites)
            self._check_signed(rule, grant, time.time() if now is None else now, notes)
            bounded = self._within(rule, bounded, notes)
        signed = any(rule.signed_by for rule in rules)
        permit = Permit(bounded, tuple(rules), notes, signed)
        check_commands(permit)
        return permit

    def nothing(self, grant: Grant) -> Permit:
        """For a grant that is refused: no text of it leaves, nothing is saved outside of the worker, and
        what work there is already is saved in a sandbox of the rules that fit, or not at all.
        """
        sandbox = SandboxWish(environment=grant.isolation.sandbox.environment)
        bare = msgspec.structs.replace(
            grant, isolation=Isolation(sandbox=sandbox), text_policy=TextPolicy(logs=False, diff=False)
        )
        rules: list[Rule] = []
        for url in urls_of(grant):
            with suppress(RequestError):
                rules.append(self.rule_of(url, Notes()))
        try:
            for rule in rules:
                bare = self._within(rule, bare, Notes())
        except PolicyRefused:
            bare = msgspec.structs.replace(bare, isolation=Isolation(sandbox=SandboxWish(backend=NO_BACKEND)))
        return Permit(bare, tuple(rules))

    def check_errand(self, errand: Errand) -> None:
        """Raises PolicyRefused, RequestError for an address that is none."""
        rule = self.rule_of(errand.repository.url, Notes())
        forge = self.sites.kind(errand.repository.url, errand.repository.forge)
        check_glob(rule, "forges", rule.forges, forge, "the forge")
        if errand.kind not in rule.errands:
            raise refused(rule, f"it does not allow {errand.kind}", f'"{errand.kind}" in errands')
        if errand.kind in CHANGE_ERRANDS or errand.kind is ErrandKind.LOOK:
            check_glob(rule, "branches", rule.branches, errand.branch, "the branch")
            if errand.kind is ErrandKind.MERGE:
                check_glob(rule, "base_branches", rule.base_branches, errand.base_branch, "the base branch")
            return
        if errand.kind in (ErrandKind.READ_ISSUES, ErrandKind.COMPARE):
            # An issue is people's text, and a comparison tells names, which leave with every change.
            return
        self._check_task_list(rule, errand)

    def _check_task_list(self, rule: Rule, errand: Errand) -> None:
        if not rule.text.task_list:
            raise refused(rule, "it keeps task lists on this worker", "text.task_list = true")
        branch = errand.task_list.branch if errand.task_list else None
        if errand.kind is ErrandKind.WRITE_TASK_LIST and "*" not in rule.base_branches:
            check_glob(
                rule, "base_branches", rule.base_branches, branch or "the default branch", "the base branch"
            )

    def rule_of(self, url: str, notes: Notes) -> Rule:
        place = read_place(url)
        for rule in self.policy.rules:
            if (pattern := first_fit(rule.match, place)) is not None:
                notes.append(f"{place.shown} fits {pattern!r} of {self.policy.title}.")
                return rule
        raise PolicyRefused(
            f"This worker's policy has no rule for {place.shown[:200]!r}: its owner would add a "
            f"[[repository]] with match = [{quoted(place.shown)}]."
        )

    def _check_signed(self, rule: Rule, grant: Grant, now: float, notes: Notes) -> None:
        if not rule.signed_by:
            notes.append("No signature is asked for.")
            return
        try:
            payload = check_signature(grant.signature, grant, rule.signed_by, now)
            if self.nonces is not None:
                self.nonces.use(payload, grant.task.id)
        except SignatureRefused as error:
            raise PolicyRefused(f"This worker does only signed work for {rule.name!r}. {error}") from error
        notes.append(f"It is signed by {payload.key}.")

    def _within(self, rule: Rule, grant: Grant, notes: Notes) -> Grant:
        isolation = grant.isolation
        bounded = msgspec.structs.replace(
            isolation,
            sandbox=self._sandbox(rule, isolation.sandbox, notes),
            network=within_network(rule, isolation.network, notes),
            protected_paths=[
                *isolation.protected_paths,
                *(path for path in rule.protected_paths if path not in isolation.protected_paths),
            ],
        )
        text = TextPolicy(
            logs=grant.text_policy.logs and rule.text.logs, diff=grant.text_policy.diff and rule.text.diff
        )
        tell = notes.append if text == grant.text_policy else notes.cut
        tell(f"Logs {'may' if text.logs else 'must not'} leave, diffs {may(text.diff)}.")
        task = within_budget(rule, grant.task, notes)
        return msgspec.structs.replace(grant, isolation=bounded, text_policy=text, task=task)

    def _sandbox(self, rule: Rule, wish: SandboxWish, notes: Notes) -> SandboxWish:
        bounds = rule.sandbox
        if wish.environment not in bounds.environments:
            raise refused(
                rule,
                f"it does not allow {wish.environment} environments",
                f"{quoted(wish.environment)} in sandbox.environments",
            )
        if wish.image is not None:
            check_glob(rule, "sandbox.images", bounds.images, wish.image, "the image")
        limits = {
            name: limit
            for name in _BOUNDED
            if (limit := getattr(bounds, name)) is not None and limit < getattr(wish, name)
        }
        for name, limit in limits.items():
            notes.cut(f"{name} is cut to {limit}.")
        chosen = msgspec.structs.replace(wish, backend=self._backend(rule, wish), **limits)
        notes.append(f"Sandbox: {chosen.backend or 'the best that is measured here'}.")
        return chosen

    def _backend(self, rule: Rule, wish: SandboxWish) -> str | None:
        bounds, wanted = rule.sandbox, wish.backend
        if wanted is not None:
            check_glob(rule, "sandbox.backends", bounds.backends, wanted, "the sandbox")
        if bounds.level is None and "*" in bounds.backends:
            return wanted
        levels = [level for level in (bounds.level, wish.level) if level]
        fit = [
            probe.name
            for probe in self.probes
            if fits_any(bounds.backends, probe.name)
            and wanted in (None, probe.name)
            and set(levels) <= set(levels_of(probe))
        ]
        if not fit:
            level = f" of the level {' and '.join(dict.fromkeys(levels))}" if levels else ""
            raise refused(
                rule,
                f"it wants a sandbox{level} among {', '.join(bounds.backends)}, and none was measured here",
                "another sandbox.level or sandbox.backends, or mend what 'pullyard doctor' shows",
            )
        return fit[0]


def may(allowed: bool) -> str:  # noqa: FBT001
    # The one argument says all.
    return "may too" if allowed else "must not"


def urls_of(grant: Grant) -> list[str]:
    return [grant.repository.url, *(one.url for one in grant.repositories)]


def check_rule(rule: Rule, grant: Grant, sites: Sites) -> None:
    for one in (grant.repository, *grant.repositories):
        check_glob(rule, "forges", rule.forges, sites.kind(one.url, one.forge), "the forge")
    for agent in agents_of(grant):
        check_glob(rule, "agents", rule.agents, agent, "the agent")
    check_glob(rule, "branches", rule.branches, grant.branch, "the branch")
    if rule.protected_paths and publishes_unasked(grant.workflow or CODE_CHANGE):
        raise refused(
            rule,
            "it protects paths, and the workflow that was sent publishes without asking a person of them",
            "no protected_paths, or update the coordinator",
        )


def agents_of(grant: Grant) -> list[str]:
    """The task's, and those of the project's own steps."""
    own = [
        msgspec.convert(node.settings["agent"], AgentSpec)
        for node in (grant.workflow or CODE_CHANGE).nodes
        if node.settings.get("agent")
    ]
    return [name for spec in (grant.agent, *own) for name in acts_as(spec)]


def publishes_unasked(workflow: Workflow) -> bool:
    """Whether a node that publishes can be reached without the question about protected paths."""
    nodes = {node.name: node for node in workflow.nodes}
    seen: set[str] = set()
    following = [workflow.nodes[0].name] if workflow.nodes else []
    while following:
        name = following.pop()
        node = nodes.get(name)
        if node is None or name in seen or asks_of_paths(node):
            continue
        seen.add(name)
        if node.kind is NodeKind.PUBLISH:
            return True
        following += [one for one in node.next.values() if one != END]
    return False


def asks_of_paths(node: Node) -> bool:
    only_passed = set(node.next) <= {NodeOutcome.PASSED}
    return node.kind is NodeKind.APPROVAL and walked_only(node) in (None, PROTECTED) and only_passed


def within_budget(rule: Rule, task: TaskBrief, notes: Notes) -> TaskBrief:
    most = rule.budget_micros
    if most is None or (task.budget_micros is not None and task.budget_micros <= most):
        return task
    notes.cut(f"The task's budget is cut to {most} micros.")
    return msgspec.structs.replace(task, budget_micros=most)


def within_network(rule: Rule, wish: NetworkPolicy, notes: Notes) -> NetworkPolicy:
    """The project's hosts that the owner allows too; what is left out is told."""
    hosts = [one for one in wish.hosts if any(fits_place(two, one) for two in rule.network.hosts)]
    left_out = [
        one.host if one.port == USUAL_PORT else f"{one.host}:{one.port}"
        for one in wish.hosts
        if one not in hosts
    ]
    if left_out:
        notes.cut(f"Not reached, as network.hosts does not name them: {', '.join(left_out)}.")
    registries = wish.registries and rule.network.registries
    tell = notes.append if registries == wish.registries else notes.cut
    tell(f"Package registries {'can' if registries else 'can not'} be reached.")
    return NetworkPolicy(registries=registries, hosts=hosts)


def fits_place(pattern: str, wanted: HostRule) -> bool:
    """``*`` is every host at every port; any other without a port means the usual one."""
    host, _, port = pattern.partition(":")
    return pattern == "*" or (fits_host(host, wanted.host) and wanted.port == int(port or USUAL_PORT))


def check_commands(permit: Permit) -> None:
    """Those that are known before the start; what is found on the base branch is judged when it is found."""
    grant = permit.grant
    nodes = (grant.workflow or CODE_CHANGE).nodes
    known = [
        *grant.setup_commands,
        *(grant.verify_commands or []),
        *(argv for one in grant.repositories for argv in one.verify_commands or []),
        *(argv_of(node) for node in nodes if node.kind is NodeKind.COMMAND),
    ]
    for argv in known:
        decision = check_command(permit, argv)
        if decision.verdict is Verdict.ASK:
            permit.notes.append(f"A person is asked before '{shlex.join(argv)[:200]}'. {decision.why}")


def check_command(permit: Permit, argv: Sequence[str]) -> CommandDecision:
    """Allowed, or to be asked about. Raises PolicyRefused for a command that is denied."""
    decision = permit.command(argv)
    if decision.verdict is Verdict.DENY:
        raise PolicyRefused(
            f"The command '{shlex.join(argv)[:200]}' is denied. {decision.why} Change the command, or allow "
            "it before that rule, in the project's isolation.tools.commands or the worker's policy."
        )
    return decision


def argv_of(node: Node) -> list[str]:
    return [str(word) for word in node.settings["argv"]]


def check_glob(rule: Rule, key: str, patterns: Sequence[str], name: str, what: str) -> None:
    if not fits_any(patterns, name):
        raise refused(rule, f"{what} {name[:100]!r} is none that it allows", f"{quoted(name)} in {key}")


def refused(rule: Rule, why: str, remedy: str) -> PolicyRefused:
    return PolicyRefused(
        f"This worker's policy refuses it by its rule for {rule.name!r}: {why}. Its owner would write "
        f"{remedy}."
    )


def quoted(text: str) -> str:
    """A TOML string on one line, whatever the text holds."""
    return msgspec.json.encode(text[:200]).decode()
