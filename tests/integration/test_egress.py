"""The proxy between a sandbox and the world: what passes, what is refused, what is counted."""

import asyncio

import msgspec
import pytest

from pullyard.protocol.isolation import HostRule
from pullyard.worker.gateway.counts import Counts, HostCount
from pullyard.worker.gateway.pinned import Dialer
from tests.egress import HOST, Host, ask, egress_at, opened


def get(port: int, path: str = "/a?b=c", *, host: str = HOST, more: str = "") -> bytes:
    return f"GET http://{host}:{port}{path} HTTP/1.1\r\nHost: {host}:{port}\r\n{more}\r\n".encode()


async def test_a_listed_host_is_reached_and_counted() -> None:
    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port)
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, told):
            answer = await ask(gateway.port, get(host.port))
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(host.answer)
            assert gateway.egress
            (count,) = gateway.egress.counts.facts().values()
    assert host.requests[0].target == b"/a?b=c"
    assert dict(host.requests[0].headers)[b"host"] == f"{HOST}:{host.port}".encode()
    assert (count["requests"], count["refused"], told) == (1, 0, [])
    assert count["received_bytes"] >= len(host.answer)
    assert count["sent_bytes"] > 0


async def test_an_unlisted_host_is_refused_with_the_line_that_allows_it() -> None:
    async with Host() as host, egress_at(dialer=opened(host.port)) as (gateway, told):
        for _ in range(2):
            answer = await ask(gateway.port, get(host.port))
        line = f"pullyard project edit shop --allow-host {HOST}:{host.port}"
        assert answer.startswith(b"HTTP/1.1 403")
        assert line in answer.decode()
        assert len(told) == 1, "once a host"
        assert line in told[0]
        assert gateway.egress
        assert gateway.egress.counts.facts()[f"{HOST}:{host.port}"]["refused"] == 2
    assert host.connections == 0


async def test_a_tunnel_passes_every_byte_both_ways_and_counts_them() -> None:
    sent, received = bytes(range(256)) * 4000, b"x" * 3_000_000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == sent
        writer.write(received)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, limit=1 << 22)
    port = server.sockets[0].getsockname()[1]
    async with server, egress_at(HostRule(host=HOST, port=port), dialer=opened(port)) as (gateway, _):
        head = f"CONNECT {HOST}:{port} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode()
        # The first bytes come with the request, before the proxy has answered it.
        answer = await ask(gateway.port, head + sent)
        assert gateway.egress
        count = gateway.egress.counts.hosts[f"{HOST}:{port}"]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head == b"HTTP/1.1 200 Connection established"
    assert body == received
    assert (count.sent_bytes, count.received_bytes) == (len(sent), len(received))


async def test_a_connection_is_used_again() -> None:
    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port)
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            answers = await ask(gateway.port, get(host.port, "/1") + get(host.port, "/2"))
    assert [request.target for request in host.requests] == [b"/1", b"/2"]
    assert answers.count(b" 200 ") == answers.count(host.answer) == 2


async def test_a_large_answer_is_passed_whole_and_its_connection_used_again() -> None:
    answer = bytes(range(256)) * 20_000
    async with Host(answer=answer) as host:
        rule = HostRule(host=HOST, port=host.port)
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            head = get(host.port, "/1").replace(b"GET", b"HEAD")
            said = await ask(gateway.port, head + get(host.port, "/2") + get(host.port, "/3"))
            assert gateway.egress
            count = gateway.egress.counts.hosts[f"{HOST}:{host.port}"]
    assert said.count(answer) == 2
    assert len(said) < 2 * len(answer) + 1000
    assert count.requests == 3
    assert 0 < count.received_bytes - 2 * len(answer) < 1000


async def test_a_large_answer_that_breaks_off_is_not_taken_for_whole() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + bytes(2_000_000))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, egress_at(HostRule(host=HOST, port=port), dialer=opened(port)) as (gateway, _):
        answer = await ask(gateway.port, get(port, "/1") + get(port, "/2"))
    assert answer.count(b"200 OK") == 1, "nothing follows what broke off"
    assert len(answer) < 2_001_000


async def test_a_body_is_passed_on_and_headers_of_one_hop_are_not() -> None:
    more = "Transfer-Encoding: chunked\r\nProxy-Authorization: Basic x\r\nConnection: X-Own\r\nX-Own: 1\r\n"
    head = "POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\nX-Kept: 1\r\n{1}\r\n"
    async with Host(headers=[("connection", "x-secret"), ("x-secret", "1"), ("x-kept", "2")]) as host:
        place = f"{HOST}:{host.port}"
        rule = HostRule(host=HOST, port=host.port)
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            answer = await ask(
                gateway.port, head.format(place, more).encode() + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            )
    assert host.bodies == [b"abcde"]
    names = {name for name, _ in host.requests[0].headers}
    assert names == {b"host", b"x-kept", b"connection", b"transfer-encoding"}
    assert b"x-kept: 2" in answer
    assert b"x-secret: 1" not in answer


@pytest.mark.attack("egress: data through an allowed host")
async def test_methods_and_paths_hold_over_plain_http() -> None:
    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port, methods=["GET"], paths=["/packages/"])
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            assert b" 200 " in await ask(gateway.port, get(host.port, "/packages/a"))
            for path in ("/other", "/packages/../other", "/packages/%2e%2e/other", "/packages//..;/x"):
                assert b" 403 " in await ask(gateway.port, get(host.port, path)), path
            assert b" 403 " in await ask(gateway.port, get(host.port, "/packages/a").replace(b"GET", b"PUT"))
    assert [request.target for request in host.requests] == [b"/packages/a"]


@pytest.mark.attack("egress: data through an allowed host")
async def test_a_tunnel_to_a_host_with_paths_is_refused_with_the_reason() -> None:
    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port, paths=["/packages/"])
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            head = f"CONNECT {HOST}:{host.port} HTTP/1.1\r\nHost: {HOST}:{host.port}\r\n\r\n"
            assert b"can't be seen inside TLS" in await ask(gateway.port, head.encode())
    assert host.connections == 0


@pytest.mark.attack("egress: data through an allowed host")
@pytest.mark.parametrize(
    "host",
    ["crates.io", "upload.pypi.org", "www.nuget.org", "hex.pm", "packagist.org", "central.sonatype.com"],
)
async def test_hosts_for_publishing_are_not_among_the_registries(host: str) -> None:
    async with egress_at(registries=True) as (gateway, told):
        head = f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n"
        assert b" 403 " in await ask(gateway.port, head.encode())
    assert f"--allow-host {host}" in told[0]


async def test_a_tunnel_to_port_80_is_refused_and_says_what_to_use() -> None:
    async with egress_at(HostRule(host=HOST, port=80), dialer=opened(80)) as (gateway, told):
        answer = await ask(gateway.port, f"CONNECT {HOST}:80 HTTP/1.1\r\nHost: {HOST}:80\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403")
    assert "proxy for http:// addresses itself" in told[0]


async def test_a_host_that_speaks_no_http_is_answered_for() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, egress_at(HostRule(host=HOST, port=port), dialer=opened(port)) as (gateway, _):
        assert b" 502 " in await ask(gateway.port, get(port))


async def test_traffic_is_bounded() -> None:
    for size in (1_000_000, 5_000_000):
        async with Host(answer=b"x" * size) as host:
            rule = HostRule(host=HOST, port=host.port)
            async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
                assert gateway.egress
                gateway.egress.counts = Counts(limit_bytes=200_000)
                assert len(await ask(gateway.port, get(host.port))) < 0.6 * size


async def test_a_worker_that_was_killed_counts_on() -> None:
    async with Host(answer=b"x" * 1000) as host:
        place = f"{HOST}:{host.port}"
        rule = HostRule(host=HOST, port=host.port)
        before = {place: HostCount(2, 1, 300, 190_000)}
        kept = msgspec.json.decode(msgspec.json.encode(before), type=dict[str, HostCount])
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            assert gateway.egress
            gateway.egress.counts = Counts(hosts=kept, limit_bytes=192_000)
            assert b" 200 " in await ask(gateway.port, get(host.port))
            assert kept[place].requests == 3
            assert len(await ask(gateway.port, get(host.port))) < 1000, "it may move no more than before"


async def test_without_a_model_the_provider_s_paths_say_so() -> None:
    async with egress_at() as (gateway, _):
        answer = await ask(
            gateway.port, b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        )
        assert b"There is no model here" in answer


async def test_an_upstream_proxy_is_the_way_out() -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        if asked == f"{HOST}:{host.port}".encode():
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", host.port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            far_writer.write(await reader.readuntil(b"\r\n\r\n"))
            writer.write(await far_reader.read())
            far_writer.close()
        else:
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.close()

    upstream = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    dialer = Dialer(upstream_proxy=("127.0.0.1", upstream.sockets[0].getsockname()[1]))
    other = HostRule(host="other.example", port=80)
    async with (
        upstream,
        Host() as host,
        egress_at(HostRule(host=HOST, port=host.port), other, dialer=dialer) as (gateway, told),
    ):
        assert b" 200 " in await ask(gateway.port, get(host.port))
        refused = await ask(gateway.port, get(80, host="other.example"))
        assert refused.startswith(b"HTTP/1.1 502")
        assert "upstream_proxy refuses other.example:80" in told[0]
    assert len(host.requests) == 1
