"""One execution's network: what its commands are told of the proxy, and the proxy while one of them runs.

Set-up, agent, steps and verification all have the same, in every kind of sandbox. ``unsafe-directory`` has
the host's own network besides: there the proxy counts and refuses what asks it, and holds nothing back.
"""

import random
import re
import resource
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pullyard.git.addresses import read_url
from pullyard.git.reach import SETTING, Reach
from pullyard.protocol.public_addresses import read_private_place
from pullyard.protocol.worker import Grant
from pullyard.sandboxes.protocol import Process, SandboxUnavailable
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory
from pullyard.worker.gateway.counts import Counts
from pullyard.worker.gateway.egress import Egress
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.pinned import Dialer, read_known, read_proxy
from pullyard.worker.gateway.rules import Bound, allowed, owner_bound
from pullyard.worker.gateway.serve import Gateway
from pullyard.worker.gateway.upstream import Upstream
from pullyard.worker.logs import LogFile
from pullyard.worker.settings import WorkerSettings

GATEWAY_PORT = 7421
"""On the loopback of every sandbox: the model provider's API and the proxy."""
OPEN_FILES = 1 << 16
_HOST_PORTS = range(21_000, 32_000)
"""Of ``unsafe-directory``, whose loopback is the host's: below those that the system gives to connections."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OWN = "localhost,127.0.0.1,::1"


@dataclass(frozen=True)
class Model:
    """The model provider that an agent's gateway leads to."""

    provider: str
    upstream: Upstream
    ledger: Ledger


@dataclass
class Network:
    egress: Egress
    port: int = GATEWAY_PORT
    """To be opened in the sandbox of every command that may use the network."""
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    """The execution's; it gets ``network``."""
    own: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables of the repository's ``devcontainer.json``; the proxy's stand over them."""

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self.own, **proxy_environment(self.port)}

    @asynccontextmanager
    async def serving(
        self, process: Process, log: LogFile, model: Model | None = None
    ) -> AsyncIterator[None]:
        """Until the block ends, and with it every connection. Refused hosts are told in ``log``."""
        if process.listener is None:
            yield
            return
        self.egress.tell = log.line
        gateway = Gateway(process.listener, egress=self.egress)
        if model is not None:
            gateway = Gateway(process.listener, model.provider, model.upstream, model.ledger, self.egress)
        try:
            async with gateway:
                yield
        finally:
            if counted := self.egress.counts.facts():
                self.facts["network"] = counted


def network_of(
    grant: Grant,
    backend: str,
    dialer: Dialer,
    *bounds: Bound,
    counts: Counts | None = None,
    facts: dict[str, Any] | None = None,
) -> Network:
    """``backend`` is the sandbox's name. ``bounds`` are the owner's, and a policy's where there is one.

    ``counts`` holds what a worker before this one counted, and goes on.
    """
    project = grant.project_name if _NAME.fullmatch(grant.project_name) else grant.project_id
    rules = allowed(grant.isolation.network, *bounds, project=project)
    port = free_port() if backend == UnsafeDirectory.name else GATEWAY_PORT
    egress = Egress(rules, dialer, counts or Counts())
    return Network(egress, port, {} if facts is None else facts)


def free_port() -> int:
    """One of the host's that is free now; executions beside this one have others."""
    for port in random.sample(_HOST_PORTS, k=len(_HOST_PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise SandboxUnavailable("No port of this host is free for the proxy: end what holds them.")


def raise_file_limit() -> None:
    """A tunnel takes seven, and a sandbox may have many: more than a program usually begins with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def dialer_of(settings: WorkerSettings) -> Dialer:
    """Raises RequestError for a setting that can't be read."""
    return Dialer(
        private=[read_private_place(text) for text in settings.network_allow_private],
        known=read_known(settings.network_resolve),
        upstream_proxy=None if settings.upstream_proxy is None else read_proxy(settings.upstream_proxy),
    )


def reach_of(settings: WorkerSettings) -> Reach | None:
    """Where repositories may be. Raises RequestError for a setting that can't be read."""
    places = settings.git_allow_private
    if places is None and settings.local_coordinator:
        # Whoever names repositories is on this machine, and reaches what it reaches.
        return None
    private = tuple(read_private_place(text, SETTING) for text in places or ())
    apis = {read_url(one.api_url).host for one in settings.forges.values() if one.api_url}
    return Reach(private, named=frozenset({*settings.git_credentials, *settings.forges, *apis}))


def bound_of(settings: WorkerSettings) -> Bound:
    """Raises RequestError for a setting that can't be read."""
    return owner_bound(network=settings.network, hosts=settings.network_hosts)


def proxy_environment(port: int) -> dict[str, str]:
    """What curl, git, pip, npm, pnpm, yarn, cargo, go, gem, Maven, Gradle and Node look at."""
    address = f"http://127.0.0.1:{port}"
    java = " ".join(
        f"-D{scheme}.proxyHost=127.0.0.1 -D{scheme}.proxyPort={port}" for scheme in ("http", "https")
    )
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    return {
        **dict.fromkeys(names, address),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _OWN),
        "npm_config_noproxy": _OWN,
        "YARN_HTTP_PROXY": address,
        "YARN_HTTPS_PROXY": address,
        "CARGO_HTTP_PROXY": address,
        # Cargo's own git ignores the proxy's list of exceptions.
        "CARGO_NET_GIT_FETCH_WITH_CLI": "true",
        "NODE_USE_ENV_PROXY": "1",
        "MAVEN_OPTS": java,
        "GRADLE_OPTS": java,
    }
