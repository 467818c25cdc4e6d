"""The options of ``pullyard project`` about what the sandboxes of its tasks may reach."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from pullyard.protocol.errors import RequestError
from pullyard.protocol.hosts import read_place
from pullyard.protocol.isolation import IsolationSettings

HTTPS_PORT = 443

AllowHost = Annotated[
    list[str],
    typer.Option(metavar="HOST[:PORT]", help="Sandboxes may reach it; port 443 by default. Repeatable."),
]
RemoveHost = Annotated[list[str], typer.Option(metavar="HOST[:PORT]", help="No longer. Repeatable.")]
Registries = Annotated[
    bool | None, typer.Option(help="Sandboxes may reach the usual package registries, as is the default.")
]
DenyNetwork = Annotated[
    bool,
    typer.Option("--deny-network", help="Sandboxes reach nothing: no registry, and no host allowed before."),
]


def with_network(
    wish: dict[str, Any] | None,
    current: IsolationSettings | None,
    *,
    allow: Sequence[str] = (),
    remove: Sequence[str] = (),
    registries: bool | None = None,
    deny: bool = False,
) -> dict[str, Any] | None:
    """``wish`` with what was typed of the network in its place; ``wish`` where nothing was."""
    typed = (allow, remove, deny, registries is not None)
    if not any(typed):
        return wish
    whole = wish or (current or IsolationSettings()).model_dump(mode="json")
    before: dict[str, Any] = {"registries": False, "hosts": []} if deny else whole["network"]
    return whole | {
        "network": {
            "registries": before["registries"] if registries is None else registries,
            "hosts": _edited(before["hosts"], allow, () if deny else remove),
        }
    }


def _edited(hosts: list[dict[str, Any]], allow: Sequence[str], remove: Sequence[str]) -> list[dict[str, Any]]:
    """One that is allowed anew comes last, with nothing of what was said of it before."""
    known = [{"host": host["host"], "port": host["port"]} for host in hosts]
    added = [_read_host(text) for text in allow]
    gone = [_read_host(text) for text in remove]
    for host in gone:
        if host not in known:
            allowed = ", ".join(f"{one['host']}:{one['port']}" for one in known) or "none"
            raise RequestError(
                f"{host['host']}:{host['port']} is not among the hosts that the project allows: {allowed}."
            )
    return [host for host, place in zip(hosts, known, strict=True) if place not in [*added, *gone]] + added


def _read_host(text: str) -> dict[str, Any]:
    place = read_place(text, HTTPS_PORT)
    if place is None:
        raise RequestError(
            f"{text[:80]!r} is no host: write a name such as git.example.org or cache.example.org:8080."
        )
    return {"host": place[0], "port": place[1]}
