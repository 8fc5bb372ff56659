"""aiohttp's interface, with a service's name where a host would be."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import trustme
from yarl import URL

from muster.balance.balancing import Balancing
from muster.call.breaker import Concurrency
from muster.call.retry import RetryPolicy
from muster.http.client.dialing import Dialing
from muster.model.check import Health
from muster.model.errors import BadConfiguration, NoInstances, Overloaded
from muster.model.events import AttemptFailed, BreakerOpened, InstanceEjected
from muster.model.instance import Instance
from muster.rpc.current import Served, serving

pytestmark = pytest.mark.anyio

NAME = "greeter"


async def answered(session: Any) -> None:
    async with session.get("http://greeter/status/200") as answer:
        assert answer.status == 200


async def test_every_method_arrives_with_its_parts(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    for method in ("get", "post", "put", "patch", "delete", "options"):
        url, headers = "http://greeter/echo", {"X-Tenant": "t"}
        async with getattr(session, method)(url, params={"name": "x"}, json={"y": 1}, headers=headers) as answer:
            told = await answer.json()
        assert (told["by"], told["method"], told["query"]) == ("a", method.upper(), {"name": "x"})
        assert (told["headers"]["Host"], told["headers"]["X-Tenant"], told["body"]) == (NAME, "t", '{"y": 1}')
    async with session.head("http://greeter/echo") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_a_request_can_be_awaited(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    answer = await session.get(URL("http://greeter/echo"))
    assert str(answer.url) == "http://greeter/echo"
    assert (await answer.json())["by"] == "a"
    answer.release()


async def test_requests_go_to_every_instance(world: Any) -> None:
    for letter in "abc":
        await world.web(letter)
    session = await world.session()
    by: set[str] = set()
    async with asyncio.timeout(30):
        while by != {"a", "b", "c"}:
            async with session.get("http://greeter/status/200") as answer:
                by.add(await answer.text())


@pytest.mark.parametrize(
    "data",
    [b"text", "text", {"field": "text"}, aiohttp.FormData({"field": "text"})],
    ids=["bytes", "str", "dict", "form"],
)
async def test_bodies_of_every_kind(world: Any, data: object) -> None:
    await world.web("a")
    session = await world.session()
    async with session.post("http://greeter/echo", data=data) as answer:
        assert "text" in (await answer.json())["body"]


async def test_bodies_are_streamed_both_ways(world: Any) -> None:
    await world.web("a")
    session = await world.session()

    async def numbers() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    async with session.post("http://greeter/echo", data=numbers()) as answer:
        assert (await answer.json())["body"] == "012"
    async with session.get("http://greeter/stream?hang") as answer:
        assert [await answer.content.readline() for _ in range(3)] == [b"0\n", b"1\n", b"2\n"]


async def test_the_host_header_can_be_set(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    async with session.get("http://greeter/echo", headers={"Host": "greeter.example.org"}) as answer:
        assert (await answer.json())["headers"]["Host"] == "greeter.example.org"


async def test_cookies_are_not_kept(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    for _ in range(2):
        async with session.get("http://greeter/echo") as answer:
            assert "Cookie" not in (await answer.json())["headers"]
            assert answer.cookies["seen"].value == "yes"
    async with session.get("http://greeter/echo", cookies={"mine": "1"}) as answer:
        assert (await answer.json())["headers"]["Cookie"] == "mine=1"


async def test_middlewares_of_the_caller_see_the_whole_request_once(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    seen = []

    async def middleware(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await send(request)
        seen.append(response.status)
        return response

    async with session.get("http://greeter/once/503", middlewares=(middleware,)) as answer:
        assert answer.status == 200
    assert seen == [200]


async def test_a_websocket_stays_with_its_instance(world: Any) -> None:
    servers = [await world.web(letter) for letter in "abc"]
    session = await world.session()
    for url in ("http://greeter/ws", "ws://greeter/ws"):
        async with session.ws_connect(url) as socket:
            replies = set()
            for word in ("one", "two", "three"):
                await socket.send_str(word)
                replies.add((await socket.receive_str()).partition(":")[0])
            assert len(replies) == 1
    assert sum(len(server.requests) for server in servers) == 2


async def test_a_websocket_counts_as_busy(world: Any) -> None:
    await world.web("a")
    transport = await world.transport()
    async with transport.session.ws_connect("http://greeter/ws"):
        assert transport.pool(NAME).choose().inflight == 1
    assert transport.pool(NAME).choose().inflight == 0


async def test_redirects_are_followed_by_name(world: Any) -> None:
    first, second = await world.web("a"), await world.web("o", name="orders")
    session = await world.session()
    async with session.get("http://greeter/redirect?to=http://orders/echo") as answer:
        assert (await answer.json())["by"] == "o"
        assert [hop.status for hop in answer.history] == [302]
    async with session.post("http://greeter/redirect?status=307&to=/echo", data="kept") as answer:
        assert (await answer.json())["body"] == "kept"
    async with session.get("http://greeter/redirect?to=/echo", allow_redirects=False) as answer:
        assert answer.status == 302
    assert len(second.requests) == 1
    with pytest.raises(aiohttp.InvalidURL, match="is an address"):
        await session.get("http://greeter/redirect?to=http://127.0.0.1/echo")
    with pytest.raises(aiohttp.InvalidURL, match="it names port"):
        await session.get(f"http://greeter/redirect?to=http://localhost:{first.port}/echo")
    with pytest.raises(aiohttp.ClientConnectorError, match="no instance of 'example"):
        await session.get("http://greeter/redirect?to=https://example.com/")


async def test_nobody_there_is_an_error_of_both_worlds(world: Any) -> None:
    session = await world.session()
    with pytest.raises(NoInstances, match="no instance of 'nobody' to call: the registry knows nobody") as none:
        await session.get("http://nobody/")
    assert (none.value.name, none.value.known) == ("nobody", False)
    assert isinstance(none.value, aiohttp.ClientConnectorError)
    world.book.know(NAME, Instance("a", NAME, "127.0.0.1", 1, health=Health.CRITICAL))
    with pytest.raises(aiohttp.ClientConnectorError, match="1 registered: 1 critical") as all_out:
        await session.get("http://greeter/")
    assert isinstance(all_out.value, NoInstances) and all_out.value.known


async def test_instances_that_speak_grpc_are_not_called(world: Any) -> None:
    session = await world.session()
    world.book.know(NAME, Instance("a", NAME, "127.0.0.1", 1, protocol="grpc"))
    with pytest.raises(NoInstances, match="1 speaking grpc, not http"):
        await session.get("http://greeter/")


async def test_a_name_is_never_asked_of_dns(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"DNS was asked for {arguments}")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", refuse)
    await world.web("a", name="localhost")
    session = await world.session()
    async with session.get("http://localhost/echo") as answer:
        assert answer.status == 200
    with pytest.raises(NoInstances):
        await session.get("http://example.com/")


async def test_an_instance_may_be_registered_by_a_hosts_name(world: Any) -> None:
    server = await world.web("a", known=False)
    world.book.know(NAME, Instance("a", NAME, "localhost", server.port))
    session = await world.session()
    async with session.get("http://greeter/echo") as answer:
        assert (await answer.json())["by"] == "a"


async def test_an_instance_may_have_an_address_of_version_6(world: Any) -> None:
    try:
        server = await world.web("a", known=False, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    world.book.know(NAME, Instance("a", NAME, "::1", server.port))
    session = await world.session()
    async with session.get("http://greeter/echo") as answer:
        assert (await answer.json())["by"] == "a"


@pytest.mark.parametrize("field", ["connect", "silence", "keepalive", "connections", "age"])
def test_limits_that_cannot_be_are_refused(field: str) -> None:
    with pytest.raises(BadConfiguration, match="above 0"):
        Dialing(**{field: 0})


async def test_a_proxy_is_refused(world: Any) -> None:
    session = await world.session()
    with pytest.raises(ValueError, match="called directly"):
        session.get("http://greeter/", proxy="http://proxy:3128")
    with pytest.raises(ValueError, match="called directly"):
        session.ws_connect("http://greeter/", proxy="http://proxy:3128")


async def test_a_closed_session_refuses(world: Any) -> None:
    await world.web("a")
    transport = await world.transport()
    async with transport.session.get("http://greeter/echo"):
        pass
    await transport.close()
    assert transport.session.closed
    with pytest.raises(RuntimeError, match="closed"):
        await transport.session.get("http://greeter/echo")


async def test_only_some_of_the_instances(world: Any) -> None:
    for version, letter in (("1.0", "a"), ("1.4", "b"), ("2.0", "c")):
        server = await world.web(letter, known=False)
        world.know_also(replace(server.instance, version=version, tags=(f"v{version}",)))
    session = await world.session()
    ones, two = session.where(version="1.x"), session.where(tags=["v2.0"])
    assert ones is session.where(version="1.x") is not two
    for _ in range(6):
        async with ones.get("http://greeter/status/200") as answer:
            assert await answer.text() in "ab"
        async with two.ws_connect("http://greeter/ws") as socket:
            await socket.send_str("")
            assert await socket.receive_str() == "c: "
    with pytest.raises(NoInstances, match=r"version 2\.0, not 3\.x"):
        await session.where(version="3.x").get("http://greeter/")
    with pytest.raises(BadConfiguration, match=r"1\.2,"):
        session.where(version=">=1.2,")


async def test_sessions_of_one_client_share_connections(world: Any) -> None:
    server = await world.web("a", known=False)
    world.know_also(replace(server.instance, version="1.0"))
    every = await world.session()
    ones = every.where(version="1.x")
    ports = set()
    for session in (every, ones, every, ones):
        async with session.get("http://greeter/echo") as answer:
            ports.add((await answer.json())["from"])
    assert len(ports) == 1


async def test_in_other_datacenters(world: Any) -> None:
    await world.web("here")
    there = await world.web("there", known=False)
    session = await world.session()
    east, west = session.where(dc=["east", "west"]), session.where(dc=["west"])
    world.book.place("east", "west").know(NAME, there.instance)
    async with east.get("http://greeter/status/200") as answer:
        assert await answer.text() == "there"
    with pytest.raises(NoInstances):
        await west.get("http://greeter/status/200")
    async with session.get("http://greeter/status/200") as answer:
        assert await answer.text() == "here"


async def test_requests_that_belong_together_go_to_one_instance(world: Any) -> None:
    """Instances are told apart by their addresses, which differ each time: with ten users all of them may well belong
    to two of the three."""
    for letter in "abc":
        await world.web(letter)
    session = await world.session(balancing=Balancing(picker="maglev", key="X-User"))
    async with asyncio.timeout(30):
        by: dict[str, set[str]] = {}
        while len(set().union(*by.values())) < 3:
            for user in map(str, range(100)):
                async with session.get("http://greeter/status/200", headers={"X-User": user}) as answer:
                    by.setdefault(user, set()).add(await answer.text())
    for user in list(by)[:10]:
        given = set()
        for _ in range(3):
            async with session.get("http://greeter/status/200", headers={"X-User": user}) as answer:
                given.add(await answer.text())
        assert len(given) == 1


async def test_no_more_requests_under_way_than_are_allowed(world: Any) -> None:
    server = await world.web("a")
    session = await world.session(concurrency=Concurrency(service=2, pending=1))
    async with session.get("http://greeter/stream?hang"), session.get("http://greeter/stream?hang"):
        waiting = world.spawn(answered(session))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="too many calls to 'greeter'") as refused:
            await session.get("http://greeter/status/200")
        assert isinstance(refused.value, aiohttp.ClientConnectorError)
        assert not waiting.done()
        server.release.set()
    await waiting
    assert world.told(BreakerOpened)


# Connections.


async def test_a_connection_that_is_old_ends_with_the_request_that_it_carries(world: Any) -> None:
    await world.web("a")
    session = await world.session(dialing=Dialing(age=0.05))
    ports: set[int] = set()
    async with asyncio.timeout(30):
        while len(ports) < 3:
            async with session.get("http://greeter/echo") as answer:
                ports.add((await answer.json())["from"])
    assert not world.told(AttemptFailed)


async def test_connections_are_kept_alive(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    async with session.get("http://greeter/stream?hang") as answer:
        sock = answer.connection.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_a_name_with_upper_case_is_called_as_it_is_written(world: Any) -> None:
    upper, lower = await world.web("U", name="Greeter"), await world.web("l")
    session = await world.session()
    for url, server in (("http://Greeter/echo", upper), ("HTTP://greeter/Echo/../echo", lower)):
        async with session.get(url) as answer:
            assert (await answer.json())["by"] == server.id
    async with session.get("http://Greeter/redirect?to=/echo") as answer:
        assert (await answer.json())["by"] == "U"
    async with session.get("http://Greeter/redirect?to=http://greeter/echo") as answer:
        assert answer.status == 200


# Time limits.


async def test_the_clients_timeout_is_for_the_head_of_an_answer(world: Any) -> None:
    await world.web("a")
    session = await world.session(timeout=0.2)
    with pytest.raises(aiohttp.ServerTimeoutError, match="greeter: no answer in time from a at 127"):
        await session.get("http://greeter/hang")
    async with session.get("http://greeter/stream?hang") as answer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await answer.read()


@pytest.mark.parametrize("timeout", [0.2, aiohttp.ClientTimeout(total=0.2)], ids=["number", "ClientTimeout"])
async def test_a_requests_timeout_is_for_all_of_it(world: Any, timeout: object) -> None:
    await world.web("a")
    session = await world.session()
    for path in ("hang", "stream?hang"):
        with pytest.raises(TimeoutError):
            async with session.get(f"http://greeter/{path}", timeout=timeout) as answer:
                await answer.read()


async def test_a_silence_within_a_body_ends_it(world: Any) -> None:
    await world.web("a")
    session = await world.session(dialing=Dialing(silence=0.2))
    async with session.get("http://greeter/stream?hang") as answer:
        with pytest.raises(TimeoutError):
            await answer.read()


async def test_waiting_for_the_first_answer_of_the_registry_has_an_end(world: Any) -> None:
    world.book.latest(NAME)

    async def silence(name: str) -> AsyncIterator[object]:
        await asyncio.get_running_loop().create_future()
        yield

    world.book.watch = silence  # type: ignore[method-assign, assignment]
    session = await world.session(timeout=0.1)
    with pytest.raises(aiohttp.ServerTimeoutError, match="nothing is known of 'greeter' yet"):
        await session.get("http://greeter/")


async def test_cancelling_a_request_leaves_nothing_behind(world: Any) -> None:
    server = await world.web("a")
    session = await world.session()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await session.get("http://greeter/hang")
    server.release.set()
    async with session.get("http://greeter/status/200") as answer:
        assert await answer.text() == "a"


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_certificate_is_good_for_the_services_name(world: Any, authority: trustme.CA) -> None:
    await world.web("a", ssl_context=server_context(authority, NAME))
    session = await world.session(dialing=Dialing(tls=client_context(authority)))
    async with session.get("https://greeter/echo") as answer:
        assert (await answer.json())["by"] == "a"
    async with session.ws_connect("wss://greeter/ws") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "a: hello"


async def test_the_name_in_the_certificate_can_be_another(world: Any, authority: trustme.CA) -> None:
    await world.web("a", ssl_context=server_context(authority, "web.example.org"))
    dialing = Dialing(tls=client_context(authority), server_name="web.example.org")
    session = await world.session(dialing=dialing)
    async with session.get("https://greeter/echo") as answer:
        assert (await answer.json())["by"] == "a"
    async with session.ws_connect("wss://greeter/ws") as socket:
        assert not socket.closed


async def test_an_instance_proves_who_it_is_over_tls_too(world: Any, authority: trustme.CA) -> None:
    server = await world.web("a", known=False, ssl_context=server_context(authority, NAME))
    world.book.know(NAME, server.provable)
    session = await world.session(dialing=Dialing(tls=client_context(authority)))
    for _ in range(3):
        async with session.post("https://greeter/echo") as answer:
            assert (await answer.json())["by"] == "a"
    world.book.know(NAME, replace(server.provable, id="b"))
    await world.until(lambda: world.told(InstanceEjected))
    with pytest.raises(NoInstances, match="a stranger"):
        await session.post("https://greeter/echo")


async def test_a_certificate_for_somebody_else_is_refused(world: Any, authority: trustme.CA) -> None:
    await world.web("a", ssl_context=server_context(authority, "other.example.org"))
    session = await world.session(dialing=Dialing(tls=client_context(authority)))
    with pytest.raises(aiohttp.ClientConnectorError, match="certificate"):
        await session.get("https://greeter/echo")


# Calls within calls.


def held(told: dict[str, Any]) -> float:
    """Seconds that an instance was told of."""
    text = told["headers"]["Grpc-Timeout"]
    assert text.endswith("m")
    return int(text[:-1]) / 1000


async def test_a_request_that_was_hurried_is_not_held_against_its_instance(world: Any) -> None:
    await world.web("a")
    transport = await world.transport()

    async def late(**options: Any) -> int:
        with pytest.raises(TimeoutError):
            await transport.session.get("http://greeter/hang", **options)
        return transport.pool(NAME).explain().candidates[0].failures

    token = serving.set(Served("/caller", deadline=time.monotonic() + 0.05))
    try:
        assert await late() == 0
    finally:
        serving.reset(token)
    assert await late(timeout=0.05) == 1, "all the time that a caller ever gives"


async def test_an_instance_is_told_how_long_the_whole_may_take(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    async with session.get("http://greeter/echo") as answer:
        assert "Grpc-Timeout" not in (await answer.json())["headers"]
    async with session.get("http://greeter/echo", timeout=3) as answer:
        assert 2 < held(await answer.json()) <= 3


@pytest.mark.parametrize(("timeout", "most"), [(None, 3.0), (2.0, 2.0), (5.0, 3.0)])
async def test_a_nested_call_never_outlives_its_parent(world: Any, timeout: float | None, most: float) -> None:
    await world.web("a")
    session = await world.session()
    options = {} if timeout is None else {"timeout": timeout}
    token = serving.set(Served("/parent", deadline=time.monotonic() + 3.0))
    async with session.get("http://greeter/echo", **options) as answer:
        assert most - 1 < held(await answer.json()) <= most
    serving.set(Served("/parent", deadline=time.monotonic() + 0.2))
    for path in ("hang", "stream?hang"):
        with pytest.raises(TimeoutError):
            async with session.get(f"http://greeter/{path}", **options) as answer:
                await answer.read()
    serving.set(Served("/parent", deadline=time.monotonic() - 1))
    with pytest.raises(TimeoutError):
        await session.get("http://greeter/echo", **options)
    serving.reset(token)


async def test_an_attempt_may_have_a_limit_of_its_own(world: Any) -> None:
    """One instance hangs: the request goes to the other, long before its own time is up."""
    first, second = await world.web("a"), await world.web("b")
    session = await world.session(policy=RetryPolicy(attempt_timeout=0.2))
    async with asyncio.timeout(30):
        asked = 0
        while not (first.requests and second.requests):
            async with session.get("http://greeter/hang-at-a") as answer:
                assert await answer.text() == "b"
            asked += 1
    with pytest.raises(aiohttp.ServerTimeoutError):
        await session.get("http://greeter/hang", timeout=1)
