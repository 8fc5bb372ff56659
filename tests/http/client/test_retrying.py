"""Which failed attempts go to another instance, and which are the caller's."""

from __future__ import annotations

import asyncio
import io
import socket
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from muster.call.budget import RetryBudget
from muster.http.client.dialing import Dialing
from muster.model.events import AttemptFailed, InstanceEjected, RetryBudgetExhausted
from muster.model.instance import Instance

pytestmark = pytest.mark.anyio

URL = "http://greeter"


@pytest.fixture
def refused() -> Instance:
    """An instance at whose port nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Instance("gone", "greeter", "127.0.0.1", port)


async def warm(world: Any, session: Any) -> None:
    """Returns when every instance that is known has answered."""
    wanted = {instance.id for instance in world.book.latest("greeter").value.instances}
    seen: set[str] = set()
    async with asyncio.timeout(30):
        while seen != wanted:
            async with session.get(f"{URL}/status/200") as answer:
                seen.add(await answer.text())


async def until_both_were_asked(session: Any, method: str, path: str, **options: Any) -> list[Any]:
    """Requests to two instances in turn: what each gave."""
    given = []
    for _ in range(2):
        try:
            async with session.request(method, f"{URL}{path}", **options) as answer:
                given.append(answer.status)
        except aiohttp.ClientError as error:
            given.append(error)
    return given


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(
    ("method", "options", "again"),
    [
        ("GET", {}, True),
        ("HEAD", {}, True),
        ("OPTIONS", {}, True),
        ("PUT", {}, False),
        ("DELETE", {}, False),
        ("POST", {"data": "x"}, False),
        ("PUT", {"idempotent": True}, True),
        ("DELETE", {"idempotent": True}, True),
        ("POST", {"data": "x", "headers": {"idempotency-key": "1"}}, True),
    ],
)
async def test_servers_that_cannot_now(world: Any, status: int, method: str, options: Any, again: bool) -> None:
    servers = [await world.web(letter) for letter in "ab"]
    session = await world.session()
    async with session.request(method, f"{URL}/once/{status}", **options) as answer:
        assert answer.status == (200 if again else status)
    assert sum(len(server.requests) for server in servers) == 1 + again
    told = world.told(AttemptFailed)
    assert [(event.method, event.code, event.retrying) for event in told] == [(method, "UNAVAILABLE", again)]


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500, 501])
async def test_other_answers_are_the_callers(world: Any, status: int) -> None:
    server = await world.web("a")
    session = await world.session()
    async with session.get(f"{URL}/status/{status}") as answer:
        assert answer.status == status
    assert len(server.requests) == 1
    assert len(world.told(AttemptFailed)) == (status >= 500)


async def test_after_the_last_attempt_the_answer_is_the_callers(world: Any) -> None:
    server = await world.web("a")
    session = await world.session()
    async with session.get(f"{URL}/status/503") as answer:
        assert (answer.status, await answer.text()) == (503, "a")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for(world: Any, status: int) -> None:
    await world.web("a")
    session = await world.session()
    began = asyncio.get_running_loop().time()
    async with session.get(f"{URL}/once/{status}", params={"after": "1"}) as answer:
        assert answer.status == 200
    assert asyncio.get_running_loop().time() - began >= 1


async def test_retry_after_may_be_a_date(world: Any) -> None:
    await world.web("a")
    session = await world.session()
    when = int(time.time()) + 2  # more than a second from now
    async with session.get(f"{URL}/once/503", params={"after": formatdate(when, usegmt=True)}) as answer:
        assert answer.status == 200
    assert time.time() >= when - 0.1, "asyncio's clock is another"


@pytest.mark.parametrize("after", ["60", "Fri, 31 Dec 2999 23:59:59 GMT"])
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_beyond_the_deadline_is_the_callers_to_know(world: Any, status: int, after: str) -> None:
    server = await world.web("a")
    session = await world.session(timeout=2.0)
    async with session.get(f"{URL}/status/{status}", params={"after": after}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (status, after)
    assert len(server.requests) == 1


async def test_who_is_asked_too_often_is_no_worse_for_it(world: Any) -> None:
    await world.web("a")
    transport = await world.transport()
    for method in ("GET", "POST"):
        async with transport.session.request(method, f"{URL}/status/429", params={"after": "0"}) as answer:
            assert answer.status == 429
    assert transport.pool("greeter").explain().candidates[0].failures == 0


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_refused_connection_is_tried_elsewhere_whatever_the_method(world: Any, method: str) -> None:
    servers = [await world.web(letter) for letter in "ab"]
    session = await world.session()
    await warm(world, session)
    await asyncio.sleep(0)
    await servers[0].stop()
    for _ in range(4):
        async with session.request(method, f"{URL}/echo", data="x") as answer:
            told = await answer.json()
        assert (told["by"], told["body"]) == ("b", "x")
    assert len(servers[1].requests) >= 4


async def test_an_instance_that_refuses_is_not_tried_again_until_it_is_back(world: Any, refused: Instance) -> None:
    await world.web("a")
    world.know_also(refused)
    session = await world.session()
    for _ in range(4):
        async with session.post(f"{URL}/echo") as answer:
            assert (await answer.json())["by"] == "a"
    await world.until(lambda: world.told(InstanceEjected))
    assert "Connect call failed" in world.told(InstanceEjected)[0].why
    assert not world.told(AttemptFailed)
    await world.web("gone", refused.port, known=False)
    seen: set[str] = set()
    async with asyncio.timeout(30):
        while "gone" not in seen:
            async with session.get(f"{URL}/status/200") as answer:
                seen.add(await answer.text())


async def test_nobody_left_says_why(world: Any, refused: Instance) -> None:
    world.know_also(refused)
    session = await world.session()
    with pytest.raises(aiohttp.ClientConnectorError, match=r"1 registered: 1 .*Cannot connect to host"):
        await session.get(f"{URL}/echo")


async def test_bodies_that_nobody_has_read_are_sent_to_another(world: Any) -> None:
    servers = [await world.web(letter) for letter in "ab"]
    session = await world.session()
    await warm(world, session)
    await servers[0].stop()

    async def numbers() -> AsyncIterator[bytes]:
        yield b"012"

    for _ in range(2):
        async with session.post(f"{URL}/echo", data=numbers()) as answer:
            assert (await answer.json())["body"] == "012"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_that_is_lost_in_the_middle(world: Any, method: str) -> None:
    """Whether the request was processed nobody knows: only those that may be processed twice are sent again."""
    servers = [await world.web(letter) for letter in "ab"]
    session = await world.session()
    await warm(world, session)
    with pytest.raises(aiohttp.ServerDisconnectedError) as failed:
        await session.request(method, f"{URL}/drop")
    asked = sum(request.path == "/drop" for server in servers for request in server.requests)
    assert asked == (3 if method == "GET" else 1)
    assert failed.value.__notes__[-1].startswith("the instance was ")


@pytest.mark.parametrize("repeatable", [True, False], ids=["file", "generator"])
async def test_a_body_is_sent_again_if_it_can_be_read_again(world: Any, repeatable: bool) -> None:
    servers = [await world.web(letter) for letter in "ab"]
    session = await world.session()

    async def numbers() -> AsyncIterator[bytes]:
        yield b"012"

    body = io.BytesIO(b"012") if repeatable else numbers()
    async with session.put(f"{URL}/once/503", data=body, idempotent=True) as answer:
        assert answer.status == (200 if repeatable else 503)
    assert [await request.read() for server in servers for request in server.requests] == [b"012"] * (1 + repeatable)


async def test_a_short_body_that_is_cut_off_is_asked_for_again(world: Any) -> None:
    servers = [await world.web(letter) for letter in "ab"]
    session = await world.session()
    with pytest.raises(aiohttp.ClientPayloadError):
        await session.get(f"{URL}/cut?of=100")
    assert sum(len(server.requests) for server in servers) == 3


@pytest.mark.parametrize(("method", "of"), [("GET", 1 << 20), ("POST", 100)], ids=["long", "not idempotent"])
async def test_what_the_caller_may_have_seen_is_not_asked_for_again(world: Any, method: str, of: int) -> None:
    server = await world.web("a")
    session = await world.session()
    async with session.request(method, f"{URL}/cut?of={of}") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert len(server.requests) == 1


async def test_retries_can_be_off(world: Any) -> None:
    server = await world.web("a")
    session = await world.session(retries=lambda name: name != "greeter")
    async with session.get(f"{URL}/status/503") as answer:
        assert answer.status == 503
    assert len(server.requests) == 1


async def test_the_budget_bounds_retries(world: Any) -> None:
    server = await world.web("a")
    session = await world.session(budget=RetryBudget(ratio=0.0, per_second=0.2))
    for _ in range(4):
        async with session.get(f"{URL}/status/503") as answer:
            assert answer.status == 503
    assert len(server.requests) == 4 + 2
    assert len(world.told(RetryBudgetExhausted)) == 3


async def test_an_instance_counts_as_busy_until_the_body_has_been_read(world: Any) -> None:
    server = await world.web("a")
    transport = await world.transport()
    async with transport.session.get(f"{URL}/stream?hang") as answer:
        pool = transport.pool("greeter")
        assert pool.choose().inflight == 1
        server.release.set()
        await answer.read()
        assert pool.choose().inflight == 0


async def test_a_server_that_hangs_does_not_hang_its_callers(world: Any) -> None:
    server = await world.web("a")
    session = await world.session(timeout=0.3)
    results = await asyncio.gather(*(session.get(f"{URL}/hang") for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {aiohttp.ServerTimeoutError}
    server.release.set()


async def test_connection_close_is_obeyed(world: Any) -> None:
    """A server that leaves says so in its answers; the next request takes another connection."""
    server = await world.web("a")
    session = await world.session()
    for _ in range(3):
        async with session.post(f"{URL}/echo", headers={"Connection": "close"}) as answer:
            assert answer.status == 200
    transports = {request.transport for request in server.requests}
    assert len(server.requests) == 3 and transports == {None}


async def test_a_connection_that_is_never_taken_is_given_up(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has vanished answers nothing at all; whoever waits for it is told so, without the URL's secrets."""
    await world.web("a")
    world.know_also(Instance("vanished", "greeter", "192.0.2.1", 80))

    async def vanished(*arguments: Any, **options: Any) -> None:
        await asyncio.get_running_loop().create_future()

    connects = asyncio.get_running_loop().sock_connect
    monkeypatch.setattr(
        asyncio.get_running_loop(),
        "sock_connect",
        lambda sock, address: vanished() if address[0] == "192.0.2.1" else connects(sock, address),
    )
    session = await world.session(dialing=Dialing(connect=0.1))
    for _ in range(4):
        async with session.get(f"{URL}/echo?token=secret") as answer:
            assert (await answer.json())["by"] == "a"
    await world.until(lambda: world.told(InstanceEjected))
    assert [event.why for event in world.told(InstanceEjected)] == ["192.0.2.1:80 took no connection in 0.1 s"]


async def test_waiting_for_a_free_connection_speaks_against_nobody(world: Any) -> None:
    server = await world.web("a")
    session = await world.session(dialing=Dialing(connections=1))
    async with session.get(f"{URL}/stream?hang"):
        with pytest.raises(aiohttp.ConnectionTimeoutError):
            await session.get(f"{URL}/echo", timeout=aiohttp.ClientTimeout(connect=0.1))
        server.release.set()
    async with session.get(f"{URL}/echo") as answer:
        assert answer.status == 200
    assert not world.told(InstanceEjected)


@pytest.mark.parametrize(("host", "port"), [("no..host", 80), ("x" * 70, 80), ("10.0.0.1", 70000), ("", 0)])
async def test_an_entry_that_cannot_be_connected_to_harms_nobody(world: Any, host: str, port: int) -> None:
    await world.web("a")
    world.know_also(Instance("malformed", "greeter", host, port))
    session = await world.session()
    for _ in range(4):
        async with session.get(f"{URL}/echo") as answer:
            assert (await answer.json())["by"] == "a"
    await world.until(lambda: world.told(InstanceEjected))
    assert world.told(InstanceEjected)[0].instance_id == "malformed"
