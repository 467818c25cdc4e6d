"""The worker's forges: from its settings, and which of them a repository is on."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path

from pullyard.forges.access import Access
from pullyard.forges.protocol import Forge
from pullyard.forges.registry import FORGES
from pullyard.forges.sites import App, Site, Sites
from pullyard.git.addresses import Login
from pullyard.git.program import Author, GitSettings
from pullyard.protocol.errors import RequestError
from pullyard.worker.context import Tools
from pullyard.worker.network import reach_of
from pullyard.worker.settings import ForgeSettings, WorkerSettings


def open_access(settings: WorkerSettings) -> Access:
    """Raises RequestError for a setting that can't be used; the caller closes it."""
    sites = {host.lower(): site_of(host, one) for host, one in settings.forges.items()}
    return Access(Sites(sites, reach_of(settings), settings.allow_plain_http))


def git_settings(settings: WorkerSettings, access: Access) -> GitSettings:
    sites: Mapping[str, Site] = access.sites.by_host
    return GitSettings(
        logins={
            host: Login(credential.username, credential.token.get_secret_value(), credential.plain_http)
            for host, credential in settings.git_credentials.items()
        },
        find_login=access.login,
        authorities={host: site.ca_file for host, site in sites.items() if site.ca_file},
        proxies={host: site.proxy for host, site in sites.items() if site.proxy},
        author=Author(settings.commit_name, settings.commit_email),
        signing_key=settings.commit_signing_key,
        plain_http=settings.allow_plain_http,
        reach=reach_of(settings),
    )


async def check_signing(key: Path | None) -> None:
    """Raises RequestError where commits could not be signed: told at the start, and not by the first task."""
    if key is None:
        return
    try:
        # With an empty passphrase, which a key that has one does not take.
        words = ("ssh-keygen", "-y", "-P", "", "-f", str(key))
        process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    except FileNotFoundError as error:
        raise RequestError("There is no ssh-keygen here, which signs commits: install OpenSSH.") from error
    _, said = await process.communicate()
    if process.returncode:
        reason = said.decode("utf-8", "replace").strip()[:200]
        raise RequestError(
            f"commit_signing_key can't be used ({reason}): give a private SSH key without a passphrase."
        )


def site_of(host: str, one: ForgeSettings) -> Site:
    token = one.token.get_secret_value().strip() if one.token else None
    if one.token_file:
        token = read_secret(host, one.token_file)
    app = None
    if one.app_id:
        if one.app_key_file is None:
            raise RequestError(f'forges."{host}" has an app_id and no app_key_file: give both.')
        app = App(one.app_id, read_secret(host, one.app_key_file), one.app_installation)
    if one.ca_file and not one.ca_file.is_file():
        raise RequestError(f'forges."{host}".ca_file: there is no file {one.ca_file}.')
    return Site(
        kind=one.kind,
        api_url=one.api_url,
        token=token or None,
        username=one.username,
        app=app,
        ca_file=one.ca_file,
        proxy=one.proxy,
    )


def read_secret(host: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f'forges."{host}": {path} can\'t be read: {error}.') from error


def open_forge(tools: Tools, url: str, wish: str) -> Forge:
    """``wish`` is the project's. Raises RequestError where this worker can't reach the forge."""
    tools.access.sites.check(url, wish)
    kind = tools.access.sites.kind(url, wish)
    if kind not in FORGES:
        raise RequestError(
            f"This worker knows no forge {kind[:40]!r}: choose one of {', '.join(sorted(FORGES))}.",
            code="unknown-forge",
        )
    return FORGES[kind](tools.git, tools.access)
