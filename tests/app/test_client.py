"""A client finds and calls services: on memory, on the embedded agent and on a real Consul."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import greeter_pb2
import greeter_pb2_grpc
import grpc
import pytest

import muster
from muster.registry.memory import Memory
from muster.testing.servers import ConsulServer

pytestmark = pytest.mark.anyio


class Say(greeter_pb2_grpc.SayServicer):
    async def Hello(self, request, context):
        return greeter_pb2.HelloReply(message=f"Hello, {request.name}!")


def service(registry: str, name: str = "greeter", **options) -> muster.Service:
    made = muster.Service(name, version="1.0", registry=registry, timing=muster.Timing(drain=0), **options)
    made.add(greeter_pb2_grpc.add_SayServicer_to_server, Say())
    return made


@pytest.fixture(params=["memory", "agent", "consul"])
async def registry(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[str]:
    if request.param == "memory":
        yield "memory://client-tests"
    elif request.param == "agent":
        from muster.agent import Agent

        async with Agent(http="127.0.0.1:0") as agent:
            yield agent.url
    else:
        with ConsulServer(request.getfixturevalue("consul_binary")) as server:
            yield server.url


async def test_register_discover_call(registry: str) -> None:
    async with service(registry).running() as greeter, muster.Client(registry) as client:
        say = greeter_pb2_grpc.SayStub(client.channel("greeter"))
        assert (await say.Hello(greeter_pb2.HelloRequest(name="stub"))).message == "Hello, stub!"
        reply = await client.call("greeter", "Say.Hello", {"name": "JSON"})
        assert reply["message"] == "Hello, JSON!"
        snapshot = await client.snapshot("greeter")
        assert isinstance(snapshot, muster.Known)
        assert [instance.id for instance in snapshot.instances] == [greeter.id]
        assert "greeter" in await client.names()
        assert client.channel("greeter") is client.channel("greeter")


async def test_nobody_there_fails_fast_with_the_reason(registry: str) -> None:
    async with muster.Client(registry) as client, asyncio.timeout(30):
        say = greeter_pb2_grpc.SayStub(client.channel("nobody"))
        with pytest.raises(grpc.aio.AioRpcError, match="nobody") as failed:
            await say.Hello(greeter_pb2.HelloRequest())
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(muster.NoInstances, match="the registry knows nobody") as raised:
            await client.call("nobody", "Say.Hello", {})
        assert not raised.value.known
        assert await client.snapshot("nobody") == muster.Absent("nobody")


async def test_a_watch_tells_of_who_comes_and_goes(registry: str) -> None:
    async with (
        asyncio.timeout(30),
        muster.Client(registry) as client,
        aclosing(client.watch("greeter")) as snapshots,
    ):
        assert await anext(snapshots) == muster.Absent("greeter")
        async with service(registry).running() as greeter:
            known = await anext(snapshots)
            assert isinstance(known, muster.Known)
            assert [instance.id for instance in known.instances] == [greeter.id]
        async for snapshot in snapshots:
            if isinstance(snapshot, muster.Absent) or not snapshot.instances:
                break


async def test_a_registry_object_stays_the_callers() -> None:
    registry = Memory("an object")
    async with service(registry).running():
        for _ in range(2):
            async with muster.Client(registry) as client:
                assert (await client.call("greeter", "Say.Hello"))["message"] == "Hello, !"


async def test_an_override_needs_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    async with service("", register="off").running() as greeter:
        monkeypatch.setenv("MUSTER_OVERRIDE_GREETER", greeter.address)
        async with muster.Client("consul://127.0.0.1:1") as client, asyncio.timeout(30):
            assert (await client.call("greeter", "Say.Hello", {"name": "x"}))["message"] == "Hello, x!"


async def test_a_registry_that_is_away_is_named(tmp_path: Path) -> None:
    async with muster.Client("consul://127.0.0.1:1") as client, asyncio.timeout(30):
        with pytest.raises(muster.RegistryUnavailable, match=r"127\.0\.0\.1:1"):
            await client.snapshot("greeter")
        with pytest.raises(muster.RegistryUnavailable, match=r"127\.0\.0\.1:1"):
            await client.call("greeter", "Say.Hello", {})


async def test_what_was_known_is_kept_for_a_start_without_the_registry(tmp_path: Path) -> None:
    from muster.agent import Agent

    async with Agent(http="127.0.0.1:0") as agent, service(agent.url).running():
        async with muster.Client(agent.url, cache_dir=tmp_path) as client:
            await client.call("greeter", "Say.Hello", {"name": "x"})
        url = agent.url
        await agent.__aexit__(None, None, None)
        async with muster.Client(url, cache_dir=tmp_path) as client, asyncio.timeout(30):
            say = greeter_pb2_grpc.SayStub(client.channel("greeter"))
            reply = await say.Hello(greeter_pb2.HelloRequest(name="disk"), wait_for_ready=True)
            assert reply.message == "Hello, disk!"


async def test_a_client_that_is_not_open_says_so() -> None:
    client = muster.Client("memory://x")
    with pytest.raises(RuntimeError, match="async with"):
        client.channel("greeter")
    async with client:
        client.channel("greeter")
    with pytest.raises(RuntimeError, match="async with"):
        client.channel("greeter")


@pytest.mark.parametrize("url", ["ftp://x", "consul://host:port", "static://?greeter=nowhere"])
async def test_a_url_that_cannot_be_used_is_named(url: str) -> None:
    with pytest.raises(muster.BadConfiguration):
        async with muster.Client(url):
            pass


async def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(muster.NoInstances, match="nobody"):
        async with muster.Client("memory://client-errors") as client:
            await client.call("nobody", "Say.Hello")


async def test_a_call_that_a_full_server_refuses_unread_goes_to_another() -> None:
    """Whatever the method: the server says that nobody has read the request."""
    roomy = service("memory://full")
    occupied, release = asyncio.Event(), asyncio.Event()

    class Slow(Say):
        async def Hello(self, request, context):
            if request.name == "slow":
                occupied.set()
                await release.wait()
            return await super().Hello(request, context)

    limits, timing = muster.Limits(calls=1), muster.Timing(drain=0)
    slow = muster.Service("greeter", registry="memory://full", limits=limits, timing=timing)
    slow.add(greeter_pb2_grpc.add_SayServicer_to_server, Slow())
    async with slow.running(), muster.Client("memory://full") as client, asyncio.timeout(30):
        say = greeter_pb2_grpc.SayStub(client.channel("greeter"))
        first = say.Hello(greeter_pb2.HelloRequest(name="slow"))
        await occupied.wait()
        with pytest.raises(grpc.aio.AioRpcError, match="no more than 1 call") as refused:
            await say.Hello(greeter_pb2.HelloRequest(name="x"))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with roomy.running():
            connected = False
            while not connected:
                call = say.Hello(greeter_pb2.HelloRequest(name="x"))
                connected = await call.code() is grpc.StatusCode.OK
            for _ in range(8):
                assert (await say.Hello(greeter_pb2.HelloRequest(name="x"))).message == "Hello, x!"
        release.set()
        assert (await first).message == "Hello, slow!"
