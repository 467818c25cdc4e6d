"""Ways past the list of hosts, each tried against the proxy on its socket. No server may see a connection."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullyard.protocol.errors import RequestError
from pullyard.protocol.isolation import HostRule
from pullyard.protocol.public_addresses import METADATA, is_public, read_private_place
from pullyard.worker.gateway.pinned import Dialer, Unreachable, read_proxy
from tests.egress import HOST, Host, ask, egress_at, opened

EVIL = "evil.example"

# {0} is the port of an open server on this machine, whose name evil.example is; files.example is listed.
REQUESTS = [
    "GET http://evil.example:{0}/ HTTP/1.1\r\nHost: evil.example:{0}\r\n\r\n",
    "CONNECT evil.example:{0} HTTP/1.1\r\nHost: evil.example:{0}\r\n\r\n",
    # A second name, and two of them.
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: evil.example:{0}\r\n\r\n",
    "GET http://evil.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nHost: evil.example:{0}\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/1.1\r\n\r\n",
    # Accounts, escapes, NUL, and what some parsers take for the end of a name.
    "GET http://files.example:{0}@evil.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET http://evil.example:{0}#@files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET http://evil.example:{0}\\@files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET http://evil.example%00.files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET http://evil.example\0.files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT evil.example\0.files.example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT user@files.example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT files.example.:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT .files.example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT files..example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT files%2eexample:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT files\u3002example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT \u24d5iles.example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT -files.example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    # Ports.
    "CONNECT files.example HTTP/1.1\r\nHost: files.example\r\n\r\n",
    "CONNECT files.example: HTTP/1.1\r\nHost: files.example\r\n\r\n",
    "CONNECT files.example:0{0} HTTP/1.1\r\nHost: files.example:0{0}\r\n\r\n",
    "CONNECT files.example:+{0} HTTP/1.1\r\nHost: files.example:+{0}\r\n\r\n",
    "CONNECT files.example:{0}:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "CONNECT files.example:65536 HTTP/1.1\r\nHost: files.example:65536\r\n\r\n",
    "CONNECT files.example:-1 HTTP/1.1\r\nHost: files.example:-1\r\n\r\n",
    "CONNECT files.example:22 HTTP/1.1\r\nHost: files.example:22\r\n\r\n",
    # Addresses, in every spelling that a resolver knows.
    *(
        f"CONNECT {name}:{{0}} HTTP/1.1\r\nHost: {name}:{{0}}\r\n\r\n"
        for name in (
            *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
            *("017700000001", "0x7F.1", "127.0.0.1.", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"),
            *("[::ffff:7f00:1]", "[::]", "[::1%25lo]", "::1", "[64:ff9b::7f00:1]", "localhost"),
            *("169.254.169.254", "2852039166", "0xa9fea9fe", "[fd00:ec2::254]", "metadata.google.internal"),
        )
    ),
    "GET http://127.0.0.1:{0}/ HTTP/1.1\r\nHost: 127.0.0.1:{0}\r\n\r\n",
    "GET http://[::ffff:127.0.0.1]:{0}/ HTTP/1.1\r\nHost: [::ffff:127.0.0.1]:{0}\r\n\r\n",
    "GET http://2130706433:{0}/ HTTP/1.1\r\nHost: 2130706433:{0}\r\n\r\n",
    # Other schemes and forms.
    "GET https://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET ftp://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET file:///etc/passwd HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET HTTP://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET //files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET files.example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET http://files.example:{0}?x HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    # What two readers would cut in two places.
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nContent-Length: 1\r\n"
    "Content-Length: 2\r\n\r\nab",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nTransfer-Encoding: x\r\n\r\n",
    "POST http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nContent-Length: 5\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nTransfer-Encoding: chunked\r\n"
    "Content-Length: 5\r\n\r\n0\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n"
    "Transfer-Encoding: x, chunked\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nContent-Length: +1\r\n\r\na",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nX: a\0b\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nX: a\rHost: evil.example\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/1.1 HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/2.0\r\nHost: files.example:{0}\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\n" + "X: a\r\n" * 9_000 + "\r\n",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost : files.example:{0}\r\n\r\n",
    "CONNECT files.example:{0} HTTP/1.1\r\nHost: files.example:{0}\r\nContent-Length: 3\r\n\r\nabc",
    "GET http://files.example:{0}/ HTTP/1.1\r\nHost: files.example:{0}\r\nX: " + "a" * 70_000 + "\r\n\r\n",
    "GET http://files.example:{0}/" + "a" * 9_000 + " HTTP/1.1\r\nHost: files.example:{0}\r\n\r\n",
]


@pytest.mark.attack("egress: a host that is not listed")
@pytest.mark.parametrize(
    "request_text", REQUESTS, ids=lambda text: text[:60].encode().decode("ascii", "ignore")
)
async def test_what_is_not_exactly_listed_connects_to_nothing(request_text: str) -> None:
    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port)
        dialer = opened(host.port, HOST, EVIL, "localhost")
        async with egress_at(rule, dialer=dialer) as (gateway, _):
            answer = await ask(gateway.port, request_text.format(host.port).encode())
    assert host.connections == 0
    assert answer[9:12] in (b"400", b"403", b"404", b"414", b"431", b"501", b"505"), answer[:200]


@pytest.mark.attack("egress: private ranges", "egress: IPv6")
@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.1"),
        *("192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "168.63.129.16", "100.100.100.200", "::", "::1", "::7f00:1", "::ffff:8.8.8.8"),
        *("64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fc00::1"),
        *("3fff::1", "5f00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"),
    ],
)
async def test_a_name_that_leads_to_a_private_address_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(Unreachable) as refused:
        await Dialer(known={HOST: ("93.184.216.34", address)}).addresses((HOST, 443))
    assert refused.value.status == 403


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "2a00:1450::1"])
async def test_a_public_address_is_not(address: str) -> None:
    assert await Dialer(known={HOST: (address,)}).addresses((HOST, 443)) == [ip_address(address)]


@pytest.mark.attack("egress: metadata address")
@pytest.mark.parametrize("address", sorted(map(str, METADATA)))
async def test_no_setting_opens_a_cloud_s_metadata(address: str) -> None:
    everything = [read_private_place("0.0.0.0/0:80"), read_private_place("[::/0]:80")]
    with pytest.raises(Unreachable, match="metadata"):
        await Dialer(private=everything, known={HOST: (address,)}).addresses((HOST, 80))


async def test_an_opened_private_place_is_that_port_of_that_network_alone() -> None:
    dialer = Dialer(private=[read_private_place("10.1.0.0/16:443")], known={HOST: ("10.1.2.3",)})
    assert await dialer.addresses((HOST, 443))
    with pytest.raises(Unreachable):
        await dialer.addresses((HOST, 80))
    with pytest.raises(Unreachable):
        await Dialer(private=dialer.private, known={HOST: ("10.2.0.1",)}).addresses((HOST, 443))


@pytest.mark.parametrize("text", ["", "10.0.0.0/8", "localhost:80", "10.0.0.1/8:443", "10.0.0.1:0", ":443"])
def test_a_private_place_is_written_exactly(text: str) -> None:
    with pytest.raises(RequestError):
        read_private_place(text)


@pytest.mark.parametrize("text", ["https://p:1", "http://u:p@h:1", "http://h", "p:3128", "http://h:1/x"])
def test_an_upstream_proxy_is_written_exactly(text: str) -> None:
    with pytest.raises(RequestError):
        read_proxy(text)


@pytest.mark.attack("requests: DNS rebinding")
async def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked() -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]])
    asked = 0

    async def rebinding(host: str, port: int) -> Sequence[str]:
        nonlocal asked
        assert (host, port) == (HOST, server.port)
        asked += 1
        return next(answers)

    async with Host() as server:
        private = [read_private_place(f"127.0.0.1:{server.port}")]
        rule = HostRule(host=HOST, port=server.port)
        async with egress_at(rule, dialer=Dialer(private=private, resolve=rebinding)) as (gateway, _):
            raw = f"GET http://{HOST}:{server.port}/ HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n\r\n".encode()
            assert b" 200 " in await ask(gateway.port, raw)
            assert asked == 1, "the name is resolved once, and what was checked is connected to"
        async with egress_at(rule, dialer=Dialer(private=private, resolve=rebinding)) as (gateway, _):
            assert b" 403 " in await ask(gateway.port, raw), "a later answer is checked like the first"


@pytest.mark.attack("egress: private ranges", "requests: DNS rebinding")
async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    async def mixed(host: str, port: int) -> Sequence[str]:
        del host, port
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(Unreachable, match="private"):
        await Dialer(resolve=mixed).connect((HOST, 443))


@pytest.mark.attack("requests: redirects")
@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/", "http://evil.example:{0}/"])
async def test_a_redirect_is_not_followed(target: str) -> None:
    async with Host() as host:
        host.status, host.headers = 302, [("location", target.format(host.port))]
        rule = HostRule(host=HOST, port=host.port)
        dialer = opened(host.port, HOST, EVIL)
        async with egress_at(rule, dialer=dialer) as (gateway, told):
            place = f"{HOST}:{host.port}"
            answer = await ask(
                gateway.port, f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()
            )
            assert b" 302 " in answer
            assert (host.connections, told) == (1, [])
            # What it leads to is asked for like everything else.
            url = target.format(host.port)
            name = url.split("/")[2]
            again = await ask(gateway.port, f"GET {url} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert again[9:12] in (b"400", b"403")
    assert host.connections == 1


async def test_a_listed_name_of_a_private_address_is_refused_and_told() -> None:
    async with Host() as host:
        dialer = Dialer(known={HOST: ("127.0.0.1",)})
        async with egress_at(HostRule(host=HOST, port=host.port), dialer=dialer) as (gateway, told):
            place = f"{HOST}:{host.port}"
            answer = await ask(gateway.port, f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    assert (host.connections, len(told)) == (0, 1)
    assert b" 403 " in answer
    assert "network_allow_private" in told[0]


async def test_the_worker_s_own_proxy_variables_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host() as proxy, Host() as host:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        rule = HostRule(host=HOST, port=host.port)
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            place = f"{HOST}:{host.port}"
            assert b" 200 " in await ask(
                gateway.port, f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()
            )
    assert (proxy.connections, host.connections) == (0, 1)


NAMES = st.sampled_from(
    [
        HOST,
        EVIL,
        "127.0.0.1",
        "[::1]",
        "localhost",
        "2130706433",
        "\0",
        "@",
        "#",
        "\\",
        "%00",
        "\r\n",
        " ",
        ":",
    ]
)
WORDS = st.one_of(NAMES, st.sampled_from(["GET ", "CONNECT ", "http://", "//", ":{0}", "/", " HTTP/1.1\r\n"]))
HEADS = st.sampled_from(["Host: files.example:{0}\r\n", "Host: evil.example:{0}\r\n", "X\r\n", "\r\n", ""])


@pytest.mark.attack("egress: a host that is not listed")
@settings(max_examples=150, deadline=None)
@given(parts=st.lists(WORDS, max_size=8), heads=st.lists(HEADS, max_size=3), rubbish=st.binary(max_size=40))
def test_no_bytes_lead_to_another_host(parts: list[str], heads: list[str], rubbish: bytes) -> None:
    async def try_it() -> None:
        async with Host() as good, Host() as evil:
            known = {HOST: ("127.0.0.1",), EVIL: ("127.0.0.1",)}
            private = [read_private_place(f"127.0.0.1:{one.port}") for one in (good, evil)]
            rule = HostRule(host=HOST, port=good.port)
            dialer = Dialer(private=private, known=known)
            async with egress_at(rule, dialer=dialer) as (gateway, _):
                for start in ("", "GET http://", "CONNECT "):
                    raw = start + "".join(parts).format(evil.port) + "\r\n" + "".join(heads).format(evil.port)
                    await ask(gateway.port, raw.encode("latin-1", "replace") + rubbish + b"\r\n\r\n")
                assert evil.connections == 0
                # It still serves.
                place = f"{HOST}:{good.port}"
                raw = f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n"
                assert b" 200 " in await ask(gateway.port, raw.encode())

    asyncio.run(try_it())
