"""Both protocols of a service in real registries: the embedded agent and Consul."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest

import muster
from muster.agent import Agent
from muster.model.snapshot import instances_of
from muster.registry.url import open_registry

pytestmark = pytest.mark.anyio


class Echo:
    async def echo(self, text: str) -> str:
        return text


@pytest.fixture(params=["agent", "consul"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    if request.param == "consul":
        yield request.getfixturevalue("consul_server")
        return
    async with Agent(http="127.0.0.1:0") as agent:
        yield agent.url


@pytest.fixture
async def service(registry: str) -> AsyncIterator[muster.Service]:
    timing = muster.Timing(beat=1.0, reach=1.0, drain=0.0, stop=1.0)
    service = muster.Service(f"echo-{uuid4().hex[:8]}", registry=registry, timing=timing)
    service.handler(Echo)
    async with service.running():
        yield service


async def until_known(client: muster.Client, name: str) -> None:
    async with asyncio.timeout(30):
        async for snapshot in client.watch(name):
            if instances_of(snapshot):
                return


async def test_the_registry_reaches_each_by_its_own_protocol(registry: str, service: muster.Service) -> None:
    url = registry.replace("consul://", "http://")
    async with aiohttp.ClientSession(url) as session, asyncio.timeout(30):
        for instance, sign in zip(service.instances, ("success", "200 OK"), strict=True):
            output = ""
            while sign not in output:  # the registry looks when it likes
                await asyncio.sleep(0.02)
                async with session.get("/v1/agent/checks") as answer:
                    reach = (await answer.json())[f"{instance.id}:reach"]
                assert reach["Status"] == "passing", reach
                output = reach["Output"]


async def test_one_that_is_forgotten_is_registered_anew(registry: str, service: muster.Service) -> None:
    web = service.instances[1]
    async with open_registry(registry) as writing, muster.Client(registry) as client:
        await until_known(client, web.service)
        await writing.deregister(web.id)  # type: ignore[attr-defined]
        assert isinstance(await client.snapshot(web.service), muster.Absent)
        await until_known(client, web.service)
        assert await client.service(Echo, web.service).echo("x") == "x"
        assert await client.service(Echo, service.name).echo("x") == "x"
