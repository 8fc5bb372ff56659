"""A list of datacenters: who is asked and who answers, against a scripted agent and two real clusters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing

import greeter_pb2
import greeter_pb2_grpc
import grpc
import pytest

import muster
from muster.model.errors import BadConfiguration, RegistryUnavailable
from muster.model.snapshot import Answer, Known, instances_of
from muster.registry.consul import from_url
from muster.registry.consul.datacenters import InOrder
from muster.registry.consul.registry import Consul
from muster.registry.memory import Memory
from muster.testing.conformance import instance, registered
from muster.testing.scripted import HANG, Received, Scripted, Step, answer
from muster.testing.servers import ConsulServer, free_ports
from muster.testing.watching import watching
from muster.watch.hub import Hub
from muster.watch.overrides import Overrides

pytestmark = pytest.mark.anyio


class Clusters:
    """The script of an agent that knows datacenters: who is where, and which of them it cannot reach.

    A blocking query for which there is nothing new hangs or, where `hang` is false, is answered at once.
    """

    def __init__(self, hang: bool = True, **instances: str) -> None:
        self.hang = hang
        self.instances = instances
        self.unreachable: set[str] = set()
        self.index = dict.fromkeys(instances, 1)

    def set(self, datacenter: str, status: str) -> None:
        """`status`: passing, critical, or nothing for nobody."""
        self.instances[datacenter] = status
        self.index[datacenter] += 1

    def __call__(self, request: Received) -> Step:
        datacenter = request.params.get("dc", "here")
        if "catalog/services" in request.path:
            return answer(json.dumps({f"only-{datacenter}": [], "web": [datacenter]}), index=1)
        if request.path.startswith("/v1/internal"):
            return answer("ACL support disabled", status=401)
        if datacenter in self.unreachable:
            return answer("No path to datacenter", status=500)
        if self.hang and request.params.get("index") == str(self.index[datacenter]):
            return HANG
        return answer(json.dumps(_entries(datacenter, self.instances[datacenter])), index=self.index[datacenter])


def _entries(datacenter: str, status: str) -> list[object]:
    if not status:
        return []
    node = {"Node": "n", "Address": "10.0.0.1"}
    service = {"ID": f"web-{datacenter}", "Service": "web", "Port": 80}
    return [{"Node": node, "Service": service, "Checks": [{"CheckID": "c", "Status": status}]}]


def ids(answer: Answer) -> list[str]:
    return [each.id for each in instances_of(answer)]


async def first(registry: Consul) -> Answer:
    async with aclosing(registry.watch("web")) as answers:
        return await anext(answers)


@pytest.mark.parametrize(
    ("east", "west", "chosen", "asked"),
    [
        ("passing", "passing", ["web-east"], {"east"}),
        ("warning", "passing", ["web-east"], {"east"}),
        ("critical", "passing", ["web-west"], {"east", "west"}),
        ("", "passing", ["web-west"], {"east", "west"}),
        ("", "critical", ["web-west"], {"east", "west"}),
        ("critical", "critical", ["web-east"], {"east", "west"}),
        ("", "", [], {"east", "west"}),
    ],
)
async def test_the_first_that_has_somebody_answers(east: str, west: str, chosen: list[str], asked: set[str]) -> None:
    async with Scripted(Clusters(east=east, west=west)) as server:
        async with from_url(f"consul://{server.address}?dc=east,west", {}) as registry:
            found = await first(registry)
        assert (ids(found), isinstance(found, Known)) == (chosen, bool(chosen))
        assert {each.params["dc"] for each in server.requests if "health" in each.path} == asked


async def test_one_that_cannot_be_reached_is_passed_over_when_another_has_somebody() -> None:
    clusters = Clusters(east="passing", west="passing")
    clusters.unreachable = {"east"}
    async with Scripted(clusters) as server, from_url(f"consul://{server.address}?dc=east,west", {}) as registry:
        assert ids(await first(registry)) == ["web-west"]
        clusters.set("west", "")
        with pytest.raises(RegistryUnavailable, match="No path to datacenter"):
            await first(registry)
        clusters.unreachable = {"east", "west"}
        with pytest.raises(RegistryUnavailable, match="No path to datacenter"):
            await first(registry)


async def test_the_failure_of_one_in_use_is_raised_before_another_takes_over() -> None:
    clusters = Clusters(east="passing", west="passing")
    async with (
        Scripted(clusters) as server,
        from_url(f"consul://{server.address}?dc=east,west&wait=1s", {}) as registry,
    ):
        async with aclosing(registry.watch("web")) as answers:
            assert ids(await anext(answers)) == ["web-east"]
            clusters.unreachable = {"east"}
            clusters.set("east", "passing")
            with pytest.raises(RegistryUnavailable):
                await anext(answers)
        assert ids(await first(registry)) == ["web-west"]


async def test_it_moves_on_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    clusters = Clusters(hang=False, east="passing", west="passing")
    async with Scripted(clusters) as server, from_url(f"consul://{server.address}", {}) as registry:
        order = InOrder(registry._agents, registry._config, ("east", "west"), look_again=0.1)
        async with asyncio.timeout(30), aclosing(order.watch("web")) as answers:
            assert ids(await anext(answers)) == ["web-east"]
            for status, expected in (("critical", ["web-west"]), ("passing", ["web-east"]), ("", ["web-west"])):
                clusters.set("east", status)
                while (found := ids(await anext(answers))) != expected:
                    assert found, "nobody is never told while there is somebody"
    told = [record.getMessage() for record in caplog.records if record.name == "muster.registry.consul"]
    assert told == [f"web is read from datacenter {name} now" for name in ("west", "east", "west")]


async def test_the_names_of_all_of_them() -> None:
    async with (
        Scripted(Clusters(east="", west="")) as server,
        from_url(f"consul://{server.address}?dc=east,west", {}) as registry,
        aclosing(registry.watch_names()) as names,
    ):
        assert await anext(names) == {
            "only-east": frozenset(),
            "only-west": frozenset(),
            "web": frozenset({"east", "west"}),
        }


async def test_a_watch_for_each_name_and_list() -> None:
    async with (
        Scripted(Clusters(east="passing", west="passing", here="passing")) as server,
        from_url(f"consul://{server.address}", {}) as registry,
        Hub(registry, overrides=Overrides(environ={})) as hub,
    ):
        here, west = hub.watch("web"), hub.watch("web", ("west",))
        assert west.latest is hub.watch("web", ("west",)).latest is not here.latest
        for subscription, expected in ((here, ["web-here"]), (west, ["web-west"])):
            async for snapshot in subscription.latest:
                if found := [each.id for each in instances_of(snapshot)]:
                    assert found == expected
                    break


async def test_a_registry_without_datacenters_says_so() -> None:
    async with Hub(Memory("no-datacenters"), overrides=Overrides(environ={})) as hub:
        with pytest.raises(BadConfiguration, match="memory://no-datacenters knows of no datacenters"):
            hub.watch("web", ("east",))


@pytest.fixture
def two_clusters(consul_binary: str) -> Iterator[tuple[ConsulServer, ConsulServer]]:
    """Two real clusters that know of each other: dc1 and dc2."""
    ports = free_ports(2)
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(
                ConsulServer(consul_binary, f"-datacenter=dc{number}", f"-serf-wan-port={port}", f"-node=n{number}")
            )
            for number, port in enumerate(ports, 1)
        )
        one.ask(f"/v1/agent/join/127.0.0.1:{ports[1]}?wan=1", method="PUT")
        yield one, two


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def knows(server: ConsulServer, datacenter: str) -> bool:
    return datacenter in server.ask("/v1/catalog/datacenters")


class Say(greeter_pb2_grpc.SayServicer):
    def __init__(self, where: str) -> None:
        self.where = where

    async def Hello(self, request, context):
        return greeter_pb2.HelloReply(message=self.where)


async def test_two_real_clusters(two_clusters: tuple[ConsulServer, ConsulServer]) -> None:
    one, two = two_clusters
    await until(lambda: knows(one, "dc2"))
    async with (
        from_url(f"{one.url}?dc=dc1,dc2", {}) as near,
        from_url(two.url, {}) as far,
        registered(far, instance("greeter", id="greeter-far")),
        watching(near, "greeter", deadline=25.0) as watch,
    ):
        await watch.until(lambda found: ids(found) == ["greeter-far"])
        async with registered(near, instance("greeter", id="greeter-near")):
            await watch.until(lambda found: ids(found) == ["greeter-near"])
        await watch.until(lambda found: ids(found) == ["greeter-far"])
        assert [ids(answer) for answer in watch.seen] == [["greeter-far"], ["greeter-near"], ["greeter-far"]]


@pytest.fixture
def greeters(two_clusters: tuple[ConsulServer, ConsulServer]) -> list[muster.Service]:
    services = []
    for where, server in zip(("near", "far"), two_clusters, strict=True):
        made = muster.Service("greeter", registry=server.url, timing=muster.Timing(drain=0))
        made.add(greeter_pb2_grpc.add_SayServicer_to_server, Say(where))
        services.append(made)
    return services


async def test_calls_go_to_the_next_datacenter_while_the_first_has_nobody(
    two_clusters: tuple[ConsulServer, ConsulServer], greeters: list[muster.Service]
) -> None:
    one, _ = two_clusters
    await until(lambda: knows(one, "dc2"))
    near, far = greeters
    async with far.running(), muster.Client(one.url) as client:
        async with near.running():
            channel = client.channel("greeter", dc=["dc1", "dc2"])
            assert channel is client.channel("greeter", dc=["dc1", "dc2"]) is not client.channel("greeter")
            assert await ask(channel) == "near"
        async with asyncio.timeout(30):
            while await ask(channel) != "far":
                await asyncio.sleep(0.05)


async def ask(channel: grpc.aio.Channel) -> str:
    """Who answers."""
    request = greeter_pb2.HelloRequest(name="x")
    return (await greeter_pb2_grpc.SayStub(channel).Hello(request, timeout=10, wait_for_ready=True)).message
