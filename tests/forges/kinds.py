"""The servers of ours, by the name of the forge that they stand for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pullyard.forges.access import Access
from pullyard.forges.sites import Site, Sites
from tests.forges import bitbucket, gitea, github, gitlab
from tests.forges.server import TOKEN, ForgeServer

KINDS = {
    "github": (github.answer, github.API),
    "gitlab": (gitlab.answer, gitlab.API),
    "gitea": (gitea.answer, gitea.API),
    "bitbucket": (bitbucket.answer, bitbucket.API),
}


def make_server(kind: str, root: Path) -> ForgeServer:
    answer, api = KINDS[kind]
    return ForgeServer(root, answer, api)


async def at_once(seconds: float) -> None:
    """In place of a pause."""


def access_to(kind: str, server: ForgeServer, pause: Callable[[float], Any] = at_once, **more: Any) -> Access:
    """A worker's, configured for the server alone."""
    wish: dict[str, Any] = {"kind": kind, "token": TOKEN}
    wish["api_url"] = f"{server.scheme}://{server.host}{server.api}"
    return Access(Sites({server.host: Site(**(wish | more))}), pause)
