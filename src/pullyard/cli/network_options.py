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
    if not (allow or remove or deny or registries is not None):
        return wish
    whole = wish or (current or IsolationSettings()).model_dump(mode="json")
    hosts = [] if deny else whole["network"]["hosts"]
    gone = [_read_host(text) for text in (*remove, *allow)]
    hosts = [host for host in hosts if {"host": host["host"], "port": host["port"]} not in gone]
    hosts += [_read_host(text) for text in allow]
    chosen = not deny and whole["network"]["registries"] if registries is None else registries
    return whole | {"network": {"registries": chosen, "hosts": hosts}}


def _read_host(text: str) -> dict[str, Any]:
    place = read_place(text, HTTPS_PORT)
    if place is None:
        raise RequestError(
            f"{text[:80]!r} is no host: write a name such as git.example.org or cache.example.org:8080."
        )
    return {"host": place[0], "port": place[1]}
