"""Draining and weighing, on a real Consul and on the agent: what others have registered stays as it is."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from muster.agent import Agent
from muster.model.errors import NotRegistered, RegistryUnavailable
from muster.registry.consul import from_url

pytestmark = pytest.mark.anyio

SERVICE = {
    "ID": "operated-1",
    "Name": "operated",
    "Address": "127.0.0.1",
    "Port": 80,
    "Tags": ["a", "b"],
    "Meta": {"version": "1"},
    "EnableTagOverride": True,
    "TaggedAddresses": {"wan": {"Address": "198.51.100.1", "Port": 81}},
    "Weights": {"Passing": 4, "Warning": 2},
    "Check": {"CheckID": "operated-check", "TTL": "60s", "Status": "passing", "Notes": "n"},
}


@pytest.fixture(params=["agent", "consul"])
def url(request: pytest.FixtureRequest, agent: Agent, consul_server: str) -> str:
    return agent.url if request.param == "agent" else consul_server


async def send(url: str, method: str, path: str, body: Any = None) -> Any:
    def ask() -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{url.removeprefix('consul://')}{path}", data, method=method)
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    return await asyncio.to_thread(ask)


async def seen(url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The instance, and its checks' states."""
    service = await send(url, "GET", "/v1/agent/service/operated-1")
    service.pop("ContentHash")
    [entry] = await send(url, "GET", "/v1/health/service/operated")
    return service, {check["CheckID"]: check["Status"] for check in entry["Checks"] if check["ServiceID"]}


async def test_draining_and_back(url: str) -> None:
    await send(url, "PUT", "/v1/agent/service/register", SERVICE)
    before = await seen(url)
    async with from_url(url, {}) as registry:
        await registry.drain("operated-1", "heap dump")
        service, checks = await seen(url)
        assert service == before[0]
        assert checks == {"operated-check": "passing", "_service_maintenance:operated-1": "critical"}
        [entry] = await send(url, "GET", "/v1/health/service/operated")
        assert "heap dump" in {check["Notes"] for check in entry["Checks"]}
        await registry.drain("operated-1", "twice does no harm")
        await registry.restore("operated-1")
        assert await seen(url) == before
        await registry.restore("operated-1")
    await send(url, "PUT", "/v1/agent/service/deregister/operated-1")


async def test_another_weight_changes_nothing_else(url: str) -> None:
    await send(url, "PUT", "/v1/agent/service/register", SERVICE)
    service, checks = await seen(url)
    async with from_url(url, {}) as registry:
        await registry.weigh("operated-1", 9)
    assert await seen(url) == (service | {"Weights": {"Passing": 9, "Warning": 4}}, checks)
    await send(url, "PUT", "/v1/agent/service/deregister/operated-1")


async def test_an_instance_that_is_not_there(url: str) -> None:
    async with from_url(url, {}) as registry:
        for act in (registry.drain("nobody-1", "x"), registry.restore("nobody-1"), registry.weigh("nobody-1", 2)):
            with pytest.raises(NotRegistered, match="nobody-1"):
                await act


async def test_nobody_listens() -> None:
    async with from_url("consul://127.0.0.1:1", {}) as registry:
        with pytest.raises(RegistryUnavailable, match="connection refused"):
            await registry.drain("a-1", "x")
