"""Typed clients, by either protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest
from tests.app.typed.conftest import Greeter, HelloReply, HelloRequest, Order, Say

import muster

pytestmark = pytest.mark.anyio


async def names(*given: str) -> AsyncIterator[str]:
    for name in given:
        yield name


async def failing() -> AsyncIterator[str]:
    yield "a"
    raise LookupError("my own")


async def test_a_call(say: Say) -> None:
    assert await say.hello(HelloRequest("world")) == HelloReply("Hello world")
    assert await say.hello(request=HelloRequest("world")) == HelloReply("Hello world")
    assert await say.ping() is None
    assert await say.order(Order(item="tea")) == Order(item="tea", count=1)


async def test_streams(say: Say) -> None:
    replies = [reply.message async for reply in say.list_hellos(HelloRequest("x", 3))]
    assert replies == ["0 x", "1 x", "2 x"]
    assert await say.collect(names("a", "b")) == ["a", "b"]
    assert [each async for each in say.chat(names("a", "b"))] == ["A", "B"]


async def test_both_streams_at_once(say: Say) -> None:
    """Each reply arrives while the requests go on."""
    ready: asyncio.Queue[str] = asyncio.Queue()

    async def one_by_one() -> AsyncIterator[str]:
        while (name := await ready.get()) != "end":
            yield name

    async with asyncio.timeout(30):
        ready.put_nowait("a")
        heard = []
        async for answer in say.chat(one_by_one()):
            heard.append(answer)
            ready.put_nowait("b" if len(heard) < 3 else "end")
    assert heard == ["A", "B", "B"]


@pytest.mark.parametrize(
    ("name", "code"), [("nobody", "NOT_FOUND"), ("bug", "INTERNAL"), (5, "INVALID_ARGUMENT"), ("teapot", "UNKNOWN")]
)
async def test_a_fault_keeps_its_code(say: Say, name: Any, code: str) -> None:
    with pytest.raises(muster.Fault) as raised:
        await say.hello(HelloRequest(name))
    assert raised.value.code == code
    with pytest.raises(muster.Fault) as raised:
        _ = [each async for each in say.list_hellos(HelloRequest(name))]
    assert raised.value.code == code


async def test_a_fault_in_the_midst_of_a_stream(say: Say) -> None:
    heard = []
    with pytest.raises(muster.Fault) as raised:
        async for reply in say.list_hellos(HelloRequest("after nobody")):
            heard.append(reply.message)
    assert (heard, raised.value.code) == (["0 after nobody"], "NOT_FOUND")
    assert raised.value.detail == "nobody of that name"


async def test_a_reply_that_does_not_fit_is_a_fault(say: Say) -> None:
    with pytest.raises(muster.Fault, match="INTERNAL: the reply is not what the class says: int: Expected"):
        await say.broken()


async def test_a_stream_of_requests_that_is_refused_in_its_midst(say: Say) -> None:
    async def endless() -> AsyncIterator[str]:
        yield "a"
        while True:
            yield "nobody"

    async with asyncio.timeout(30):
        with pytest.raises(muster.Fault, match="NOT_FOUND"):
            _ = [each async for each in say.chat(endless())]


@pytest.mark.parametrize("method", ["collect", "chat"])
async def test_what_the_callers_own_stream_raises_is_raised(say: Say, method: str) -> None:
    with pytest.raises(LookupError, match="my own"):
        if method == "collect":
            await say.collect(failing())
        else:
            _ = [each async for each in say.chat(failing())]


async def test_a_cancelled_call_is_cancelled_there_too(say: Say, greeter: Greeter) -> None:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(say.hello(HelloRequest("wait")))
        await greeter.notes.begun.wait()
        calling.cancel()
        await greeter.notes.cancelled.wait()
    assert calling.cancelled()


async def test_a_stream_that_is_left_ends_there_too(say: Say, greeter: Greeter) -> None:
    stream: Any = say.list_hellos(HelloRequest("after wait", 1))
    async with asyncio.timeout(30):
        assert (await anext(stream)).message == "0 after wait"
        await greeter.notes.begun.wait()
        await stream.aclose()
        await greeter.notes.cancelled.wait()


@pytest.mark.parametrize("name", ["greeter", "greeter-http"])
async def test_the_deadline_travels(client: muster.Client, greeter: Greeter, name: str) -> None:
    say = client.service(Say, name, timeout=5, headers={"Tenant": "acme"})
    call = await say.call()
    assert call.tenant == "acme"
    assert call.remaining is not None and 0 < call.remaining < 5.1
    with pytest.raises(muster.Fault, match="DEADLINE_EXCEEDED"):
        await client.service(Say, name, timeout=0.1).hello(HelloRequest("wait"))


async def test_nobody_there(client: muster.Client) -> None:
    with pytest.raises(muster.NoInstances):
        await client.service(Say, "nobody").hello(HelloRequest("x"))


async def test_the_protocol_can_be_told(client: muster.Client) -> None:
    with pytest.raises(muster.NoInstances, match="speaking grpc, not http"):
        await client.service(Say, "greeter", protocol="http").ping()
    with pytest.raises(muster.BadConfiguration, match="protocol='carrier pigeon'"):
        client.service(Say, "greeter", protocol="carrier pigeon")


async def test_only_some_of_the_instances(client: muster.Client) -> None:
    for name in ("greeter", "greeter-http"):
        assert await client.service(Say, name, version="1.x").ping() is None
        with pytest.raises(muster.NoInstances, match=r"version 1.2.0, not 2.x"):
            await client.service(Say, name, version="2.x").ping()


class Partly(Protocol):
    async def ping(self) -> None: ...


async def test_a_wrong_number_of_requests_is_an_error_of_the_caller(say: Any) -> None:
    for wrong in (say.hello, say.list_hellos, say.collect):
        with pytest.raises(TypeError, match="takes one request, not 0 values"):
            result = wrong()
            await (anext(result) if hasattr(result, "__anext__") else result)
    with pytest.raises(TypeError, match="takes nothing, not 1 values"):
        await say.ping(1)


async def test_what_describes_no_calls_is_refused(client: muster.Client) -> None:
    with pytest.raises(muster.Rejected, match="int has no methods to call"):
        client.service(int, "greeter")


async def test_the_object_says_what_it_is(client: muster.Client) -> None:
    assert repr(client.service(Say, "greeter")) == "<Say of 'greeter'>"
