"""What the sandboxes of one execution may reach: the project's wishes within the worker's owner's bounds.

Nothing is allowed that is not named: exact hosts and ports, and methods and paths where a rule gives them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pullyard.protocol.errors import RequestError
from pullyard.protocol.hosts import read_place
from pullyard.protocol.isolation import HostRule, NetworkPolicy
from pullyard.worker.gateway.registries import PORT, REGISTRY_HOSTS

REGISTRIES_WORD = "registries"
CONNECT = "CONNECT"
HTTP_PORT = 80
_AMBIGUOUS = re.compile(r"(^|/)\.{1,2}(/|;|$)|//|\\|%(2e|2f|5c|00|25)", re.IGNORECASE)
"""What a server may read as another path than the one that was compared."""

Place = tuple[str, int]
"""A host's name in lower case and a port."""


@dataclass(frozen=True)
class Bound:
    """What the owner of a worker lets any project reach at most. Several hold all at once."""

    network: bool = True
    """False: nothing at all."""
    places: frozenset[Place] | None = None
    """None is whatever a project asks for."""
    source: str = "network_hosts"
    """The setting that says so, for messages."""

    def lets(self, place: Place) -> bool:
        return self.network and (self.places is None or place in self.places)


NO_BOUND = Bound()


def owner_bound(*, network: bool, hosts: Sequence[str] | None, source: str = "network_hosts") -> Bound:
    """``hosts`` are ``host``, ``host:port`` or the word ``registries``. Raises RequestError for others."""
    if hosts is None:
        return Bound(network=network, source=source)
    places: set[Place] = set()
    for text in hosts:
        if text == REGISTRIES_WORD:
            places |= {(host, PORT) for host in REGISTRY_HOSTS}
            continue
        place = read_place(text, PORT)
        if place is None:
            raise RequestError(f"{text[:80]!r} in {source} is no host: write host, host:port or registries.")
        places.add(place)
    return Bound(network=network, places=frozenset(places), source=source)


@dataclass(frozen=True)
class Refusal:
    """Why a request may not pass; the sentence says who can change it."""

    message: str


@dataclass(frozen=True)
class Rules:
    rules: dict[Place, list[HostRule]] = field(default_factory=dict[Place, list[HostRule]])
    bounds: Sequence[Bound] = ()
    project: str = "PROJECT"
    """How the project is named in the line that allows a host."""

    def refuse(self, method: str, place: Place, path: str | None) -> Refusal | None:
        """None where it may pass. ``path`` is None for a tunnel, in which no path can be seen."""
        for bound in self.bounds:
            if not bound.lets(place):
                return Refusal(_beyond(bound, place))
        rules = self.rules.get(place)
        if not rules:
            return Refusal(
                f"{shown(place)} is not among the hosts of this project. To allow it: {self.line(place)}"
            )
        if path is None:
            return self._refuse_tunnel(place, rules)
        if any(_matches(rule, method, path) for rule in rules):
            return None
        return Refusal(f"{method} of this path is not allowed at {shown(place)}: see the project's network.")

    def _refuse_tunnel(self, place: Place, rules: Sequence[HostRule]) -> Refusal | None:
        if place[1] == HTTP_PORT:
            # Networks that serve many hosts at one address go by a request's Host, which could be another.
            return Refusal(
                f"A tunnel to {shown(place)} would hide which host is asked for: let the program ask the "
                "proxy for http:// addresses itself, or use https://."
            )
        if any(is_plain(rule) for rule in rules):
            return None
        return Refusal(
            f"{shown(place)} is allowed for certain methods or paths, which can't be seen inside TLS: "
            f"allow the whole host by {self.line(place)}, or use http:// where the host has that."
        )

    def line(self, place: Place) -> str:
        """The command that lets a project reach a host."""
        host, port = place
        return f"pullyard project edit {self.project} --allow-host {host if port == PORT else shown(place)}"


def allowed(policy: NetworkPolicy, *bounds: Bound, project: str = "PROJECT") -> Rules:
    """The project's policy within every one of the bounds. What a bound refuses stays refused and is told."""
    registries = [HostRule(host=host, port=PORT) for host in sorted(REGISTRY_HOSTS)]
    rules: dict[Place, list[HostRule]] = {}
    for rule in [*policy.hosts, *(registries if policy.registries else ())]:
        # A coordinator is not believed to have checked the names.
        place = read_place(f"{rule.host}:{rule.port}")
        if place is not None:
            rules.setdefault(place, []).append(rule)
    return Rules(rules, bounds, project)


def shown(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def is_plain(rule: HostRule) -> bool:
    """Whether it lets all of a host pass, so that nothing has to be seen."""
    return not rule.paths and (not rule.methods or CONNECT in rule.methods)


def _matches(rule: HostRule, method: str, path: str) -> bool:
    if rule.methods and method not in rule.methods:
        return False
    return not rule.paths or (_begins(path, rule.paths) and not _AMBIGUOUS.search(path.partition("?")[0]))


def _begins(path: str, prefixes: Iterable[str]) -> bool:
    return path.startswith(tuple(prefixes))


def _beyond(bound: Bound, place: Place) -> str:
    if not bound.network:
        return "The owner of this worker lets sandboxes reach no network."
    return f"The owner of this worker lets no sandbox reach {shown(place)}: the setting is {bound.source}."
