"""The gateway before a service that lives: on the embedded agent, and on a real Consul."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import pytest
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, add_SayServicer_to_server

import muster
from muster.gateway import Gateway

if TYPE_CHECKING:
    from muster.agent import Agent

pytestmark = pytest.mark.anyio


class Say(SayServicer):
    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        return HelloReply(message=f"Hello {request.name}")


@asynccontextmanager
async def entrance(registry: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of a gateway to the services in `registry`."""
    async with (
        muster.Client(registry) as client,
        Gateway(client, "127.0.0.1:0") as gateway,
        aiohttp.ClientSession(gateway.url) as web,
    ):
        yield web


async def becomes(web: aiohttp.ClientSession, path: str, status: int) -> None:
    """A service in another part of the world comes and goes at its own pace: look until it has."""
    async with asyncio.timeout(30):
        while True:
            async with web.get(path) as response:
                if response.status == status:
                    return
                assert response.status in (200, 404, 503), await response.text()
            await asyncio.sleep(0.02)


async def a_life_seen_through_the_gateway(registry: str) -> None:
    name = f"greeter-{uuid4().hex[:8]}"
    path = f"/{name}/say/hello?name=x"
    service = muster.Service(name, version="1", registry=registry)
    service.add(add_SayServicer_to_server, Say())
    async with entrance(registry) as web:
        await becomes(web, path, 404)
        async with service.running():
            await becomes(web, path, 200)
            async with web.get("/") as response:
                assert (await response.json())["services"][name] == f"/{name}"
        await becomes(web, path, 404)


async def test_on_the_embedded_agent(agent: Agent) -> None:
    await a_life_seen_through_the_gateway(agent.url)


async def test_on_a_real_consul(consul_server: str) -> None:
    await a_life_seen_through_the_gateway(consul_server)
