"""The worker's way into its forges: one pool of connections for each host, and the credentials for it."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from pullyard.forges.api import Answers, Api
from pullyard.forges.errors import ForgeNotConfigured
from pullyard.forges.github_app import AppTokens, statement
from pullyard.forges.sites import AUTO, Place, Site, Sites, git_name, is_plain
from pullyard.forges.transport import open_client
from pullyard.git.addresses import Address, Login, Transport, read_address

# Without it, a later version's answers may come.
_GITHUB: Mapping[str, str] = {"x-github-api-version": "2022-11-28"}


@dataclass
class Access:
    """Made once a worker, closed at its end."""

    sites: Sites = field(default_factory=Sites)
    pause: Callable[[float], Awaitable[Any]] = field(default=asyncio.sleep, repr=False)
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict[str, httpx.AsyncClient], repr=False)
    _limits: dict[str, float] = field(default_factory=dict[str, float], repr=False)
    _answers: Answers = field(default_factory=Answers, repr=False)
    _turns: dict[str, int] = field(default_factory=dict[str, int], repr=False)
    _tokens: dict[str, AppTokens] = field(default_factory=dict[str, AppTokens], repr=False)

    def turn(self, url: str) -> int:
        """How often this was asked before of the repository."""
        self._turns[url] = self._turns.get(url, -1) + 1
        return self._turns[url]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def secrets(self) -> set[str]:
        """All that must be shown nowhere, the tokens that an App has now included."""
        sites = self.sites.by_host.values()
        own = {one.token for one in sites if one.token} | {one.app.key for one in sites if one.app}
        return own.union(*(tokens.held() for tokens in self._tokens.values()))

    def open(self, kind: str, url: str) -> tuple[Api, Place]:
        """The API of a repository's forge. Raises RequestError where the owner has to configure something."""
        self.sites.check(url, kind)
        address = read_address(url)
        place = self.sites.place(kind, address)
        return self._api(kind, address, lambda: self._headers(kind, address)), place

    async def login(self, address: Address) -> Login | None:
        """For git over HTTP, where the owner gave a credential for the forge and none for git alone."""
        if address.transport not in (Transport.HTTP, Transport.HTTPS):
            return None
        site = self.sites.of(address)
        if not (site.token or site.app):
            return None
        kind = self.sites.kind(address.url, AUTO)
        return Login(git_name(kind, site), await self._secret(kind, address, site), is_plain(site))

    async def _secret(self, kind: str, address: Address, site: Site) -> str:
        if site.app is None:
            return site.token or ""
        if kind != "github":
            raise ForgeNotConfigured("Only GitHub has Apps: give a token for the other forges.")
        app = site.app
        tokens = self._tokens.setdefault(address.host, AppTokens(app))

        async def stated() -> Mapping[str, str]:
            return {"authorization": f"Bearer {statement(app, time.time())}", **_GITHUB}

        return await tokens.token(self._api(kind, address, stated), self.sites.place(kind, address))

    async def _headers(self, kind: str, address: Address) -> Mapping[str, str]:
        site = self.sites.of(address)
        secret = await self._secret(kind, address, site)
        if kind == "bitbucket" and site.username:
            pair = base64.b64encode(f"{site.username}:{secret}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        shown = {"authorization": f"{'token' if kind == 'gitea' else 'Bearer'} {secret}"}
        return {**shown, **_GITHUB} if kind == "github" else shown

    def _api(self, kind: str, address: Address, headers: Callable[[], Awaitable[Mapping[str, str]]]) -> Api:
        url, site = self.sites.api_url(kind, address), self.sites.of(address)
        if url not in self._clients:
            self._clients[url] = open_client(url, site, self.sites.reach)
        return Api(
            url, address.hostname, self._clients[url], headers, self.pause, self._limits, self._answers
        )
