"""HTTP to a forge's API: only to addresses that were judged as git's are, and by its owner's proxy."""

import ssl
import urllib.request
from urllib.parse import urlsplit

import httpx

from pullyard.forges.errors import ForgeNotConfigured
from pullyard.forges.sites import Site
from pullyard.git.addresses import read_url
from pullyard.git.reach import Reach, find_addresses

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0


class JudgedTransport(httpx.AsyncBaseTransport):
    """Of one host. A name is resolved once for each connection, and what is connected to was looked at."""

    def __init__(self, inner: httpx.AsyncBaseTransport, reach: Reach, *, proxied: bool) -> None:
        self._inner = inner
        self._reach = reach
        self._proxied = proxied

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        named = request.url
        found = await find_addresses(read_url(str(named)), self._reach, proxied=self._proxied)
        if not found or self._proxied:
            # A proxy is told the name, as git's is.
            return await self._inner.handle_async_request(request)
        request.extensions = {**request.extensions, "sni_hostname": named.host}
        failed: httpx.TransportError = httpx.ConnectError("no address")
        for address in found:
            request.url = named.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
            finally:
                request.url = named
        raise failed

    async def aclose(self) -> None:
        await self._inner.aclose()


def proxy_for(url: str, site: Site) -> str | None:
    """The owner's for this forge, else the environment's, as git looks at it."""
    if site.proxy:
        return site.proxy
    parts = urlsplit(url)
    found = urllib.request.getproxies()
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return found.get(parts.scheme) or found.get("all")


def open_client(url: str, site: Site, reach: Reach | None) -> httpx.AsyncClient:
    """Raises ForgeNotConfigured where the authorities can't be read. The caller closes it."""
    try:
        trust = ssl.create_default_context(cafile=site.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ForgeNotConfigured(f"The authorities in {site.ca_file} can't be read: {error}.") from error
    proxy = proxy_for(url, site)
    transport: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(verify=trust, proxy=proxy)
    if reach is not None:
        transport = JudgedTransport(transport, reach, proxied=proxy is not None)
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)
