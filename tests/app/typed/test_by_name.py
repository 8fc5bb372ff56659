"""Typed handlers for who has no class: `client.call`, the gateway, the schema."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from fastapi import FastAPI
from tests.app.typed.conftest import Greeter

import muster
from muster.gateway import Gateway
from muster.registry.memory import Memory
from muster.rpc.description import METADATA

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(client: muster.Client) -> AsyncIterator[aiohttp.ClientSession]:
    async with Gateway(client, "127.0.0.1:0") as gateway, aiohttp.ClientSession(gateway.url) as session:
        yield session


async def test_a_call_without_a_class(client: muster.Client) -> None:
    assert await client.call("greeter", "Say.Hello", {"name": "world"}) == {"message": "Hello world"}
    with pytest.raises(muster.Fault, match=r"INVALID_ARGUMENT: HelloRequest: .*`\$.name`"):
        await client.call("greeter", "Say.Hello", {"name": 1})
    with pytest.raises(muster.Fault, match=r"UNIMPLEMENTED: no method 'Say.Goodbye'; offered: .*Say.Hello"):
        await client.call("greeter", "Say.Goodbye", {})
    with pytest.raises(muster.Fault, match="streaming method"):
        await client.call("greeter", "Say.ListHellos", {"name": "x"})


async def test_a_proto_of_the_same_name_is_not_mistaken_for_the_class(client: muster.Client) -> None:
    import greeter_pb2

    assert greeter_pb2.DESCRIPTOR.services_by_name["Say"].full_name == "greeter.Say"
    assert await client.call("greeter", "Say.Hello", {"name": "world"}) == {"message": "Hello world"}


async def test_the_gateway_transcodes_queries_and_bodies(gateway: aiohttp.ClientSession) -> None:
    async with gateway.get("/greeter/say/hello?name=world&times=2") as answer:
        assert (answer.status, await answer.json()) == (200, {"message": "Hello world"})
    async with gateway.post("/greeter/Say.Hello", json={"name": "world"}) as answer:
        assert (answer.status, await answer.json()) == (200, {"message": "Hello world"})
    async with gateway.get("/greeter/say/ping") as answer:
        assert (answer.status, await answer.json()) == (200, None)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/greeter/say/hello?times=many&name=x", 400, "got `str` - at `$.times`"),
        ("/greeter/say/hello?nam=x", 400, "there is no field 'nam'; there are: name, times"),
        ("/greeter/say/hello?name=nobody", 404, "nobody of that name"),
        ("/greeter/say/goodbye", 404, "it offers:"),
    ],
)
async def test_the_gateway_says_what_is_wrong(
    gateway: aiohttp.ClientSession, path: str, status: int, text: str
) -> None:
    async with gateway.get(path) as answer:
        assert answer.status == status
        assert text in (await answer.json(content_type="application/problem+json"))["detail"]


async def test_the_gateway_lists_handlers(gateway: aiohttp.ClientSession) -> None:
    async with gateway.get("/greeter") as answer:
        listed = (await answer.json())["endpoints"]
    assert listed["greeter.Say.ListHellos"] == "/greeter/say/list-hellos"


@pytest.mark.parametrize("name", ["greeter", "greeter-http"])
async def test_the_registry_holds_a_digest_and_the_instance_the_schema(
    client: muster.Client, greeter: Greeter, name: str
) -> None:
    described = await client.schema(name)
    assert described["$defs"]["HelloReply"]["required"] == ["message"]
    snapshot = await client.snapshot(name)
    assert isinstance(snapshot, muster.Known)
    assert len(snapshot.instances[0].metadata[METADATA]) == 12


class Echo:
    async def echo(self, text: str) -> str:
        return text

    async def many(self, text: str) -> AsyncIterator[str]:
        yield text

    async def tenant(self) -> str:
        return muster.current_call().get("authorization")


async def test_a_service_that_is_reached_by_http_alone() -> None:
    registry = Memory("typed by http alone")
    service = muster.Service("echo", registry=registry, protocols=["http"], timing=muster.Timing(drain=0.0))
    service.handler(Echo)
    async with service.running(), muster.Client(registry) as client:
        assert await client.call("echo", "Echo.Echo", "x", timeout=5) == "x"
        with pytest.raises(muster.Fault, match=r"UNIMPLEMENTED: no method 'Echo.Other'"):
            await client.call("echo", "Echo.Other")
        with pytest.raises(muster.Fault, match="streaming method"):
            await client.call("echo", "Echo.Many", "x")
        with pytest.raises(muster.Fault, match=r"INVALID_ARGUMENT: str: Expected `str`"):
            await client.call("echo", "Echo.Echo", 5)
        async with Gateway(client, "127.0.0.1:0") as gateway, aiohttp.ClientSession(gateway.url) as session:
            async with session.post("/echo/echo", json="x") as answer:
                assert (answer.status, await answer.json()) == (200, "x")
            async with session.get("/echo/tenant", headers={"Authorization": "acme"}) as answer:
                assert (answer.status, await answer.json()) == (200, "acme")
            async with session.get("/echo") as answer:
                assert (await answer.json())["endpoints"]["echo.Echo.Many"] == "/echo/echo/many"


async def test_any_other_application_is_asked_for_its_paths() -> None:
    registry = Memory("an application, not typed")
    service = muster.Service("orders", registry=registry, timing=muster.Timing(drain=0.0))
    service.mount(FastAPI())
    async with service.running(), muster.Client(registry) as client:
        with pytest.raises(muster.Fault, match=r"UNIMPLEMENTED: 'orders' .* no typed handlers: ask for its paths"):
            await client.call("orders", "Say.Hello", {}, timeout=5)
