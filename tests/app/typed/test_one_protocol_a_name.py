"""Readers that are not muster's take every instance of a name for the same: each name has one protocol."""

from __future__ import annotations

from typing import Any

import dns.asyncquery
import dns.message
import dns.rdtypes.IN.SRV
import pytest
from tests.asking import ask as ask

import muster
from muster.agent import Agent
from muster.model.instance import GRPC, HTTP

pytestmark = pytest.mark.anyio


class Say:
    async def hello(self, name: str) -> str:
        return f"Hello {name}"


def bazaar(registry: str, *protocols: str, second: muster.Second | None = None) -> muster.Service:
    timing = muster.Timing(drain=0.0)
    service = muster.Service("bazaar", registry=registry, protocols=protocols, second=second, timing=timing)
    service.handler(Say)
    return service


async def ports_by_dns(address: str, name: str) -> list[int]:
    host, _, port = address.rpartition(":")
    query = dns.message.make_query(f"{name}.service.consul", "SRV")
    reply = await dns.asyncquery.udp(query, host, port=int(port), timeout=10)
    records = [record for answer in reply.answer for record in answer]
    return [record.port for record in records if isinstance(record, dns.rdtypes.IN.SRV.SRV)]


async def ports_by_health(ask: Any, address: str, name: str) -> list[int]:
    entries = (await ask(address, "GET", f"/v1/health/service/{name}?passing")).json
    return [entry["Service"]["Port"] for entry in entries]


@pytest.mark.parametrize(
    ("protocols", "second", "names"),
    [
        ((GRPC, HTTP), None, {"bazaar": GRPC, "bazaar-http": HTTP}),
        ((HTTP, GRPC), None, {"bazaar": HTTP, "bazaar-grpc": GRPC}),
        ((HTTP, GRPC), muster.Second("stall-rpc"), {"bazaar": HTTP, "stall-rpc": GRPC}),
    ],
)
async def test_foreign_readers_see_one_protocol_a_name(
    ask: Any, protocols: tuple[str, ...], second: muster.Second | None, names: dict[str, str]
) -> None:
    async with (
        Agent("127.0.0.1:0", dns="127.0.0.1:0") as agent,
        bazaar(agent.url, *protocols, second=second).running() as service,
    ):
        ports = {instance.protocol: instance.port for instance in service.instances}
        assert len(set(ports.values())) == 2
        assert agent.dns_address is not None
        for name, protocol in names.items():
            assert await ports_by_dns(agent.dns_address, name) == [ports[protocol]]
            assert await ports_by_health(ask, agent.address, name) == [ports[protocol]]


async def test_a_real_consul_shows_them_so_too(ask: Any, consul_server: str) -> None:
    address = consul_server.removeprefix("consul://")
    async with bazaar(consul_server, HTTP, GRPC, second=muster.Second("stall-rpc")).running() as service:
        for instance in service.instances:
            assert await ports_by_health(ask, address, instance.service) == [instance.port]
            checks = (await ask(address, "GET", f"/v1/health/checks/{instance.service}")).json
            assert {check["ServiceID"] for check in checks} == {instance.id}
        async with muster.Client(consul_server) as client:
            assert await client.call("bazaar", "Say.Hello", "Ada") == "Hello Ada"
            assert await client.call("stall-rpc", "Say.Hello", "Ada") == "Hello Ada"


async def test_where_the_second_is_reached(ask: Any) -> None:
    """A mapped port of its own, or on the host of the first the port that is bound."""
    for second, address in (
        (muster.Second(advertise="10.0.0.9:31000"), "10.0.0.9:31000"),
        (muster.Second(advertise="[fd00::9]:31000"), "[fd00::9]:31000"),
        (muster.Second(), None),
    ):
        service = muster.Service(
            "bazaar",
            registry="memory://second",
            host="0.0.0.0",
            advertise="10.0.0.7:80",
            protocols=[GRPC, HTTP],
            second=second,
            timing=muster.Timing(drain=0.0),
        )
        service.handler(Say)
        async with service.running():
            first, other = service.instances
            assert first.address == "10.0.0.7:80"
            assert other.address == (address or f"10.0.0.7:{other.port}") and other.port != 80


@pytest.mark.parametrize("name", ["bazaar", "sh op", "x" * 200], ids=["the-first-ones", "blank", "long"])
async def test_a_name_that_cannot_be_the_seconds(name: str) -> None:
    with pytest.raises(muster.Rejected, match="name"):
        async with bazaar("memory://second", GRPC, HTTP, second=muster.Second(name)).running():
            pass
