"""What a client is told about choosing: filters, policies, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import greeter_pb2
import greeter_pb2_grpc
import grpc
import pytest

import muster
from muster.model.instance import Instance
from muster.registry.static import Static

pytestmark = pytest.mark.anyio

REGISTRY = "memory://choosing-tests"


class Say(greeter_pb2_grpc.SayServicer):
    def __init__(self, name: str) -> None:
        self.name = name

    async def Hello(self, request, context):
        return greeter_pb2.HelloReply(message=self.name)


@pytest.fixture
async def greeters() -> AsyncIterator[None]:
    """Three of them: 1.0, 1.5 as a canary, and 2.0 in another zone."""
    async with AsyncExitStack() as stack:
        for version, tags, zone in (("1.0", (), "a"), ("1.5", ("canary",), "a"), ("2.0", (), "b")):
            made = muster.Service(
                "greeter", version=version, tags=tags, zone=zone, registry=REGISTRY, timing=muster.Timing(drain=0)
            )
            made.add(greeter_pb2_grpc.add_SayServicer_to_server, Say(version))
            await stack.enter_async_context(made.running())
        yield


async def served_by(client: muster.Client, **wanted: object) -> set[str]:
    say = greeter_pb2_grpc.SayStub(client.channel("greeter", **wanted))
    return {(await say.Hello(greeter_pb2.HelloRequest(), wait_for_ready=True, timeout=5)).message for _ in range(12)}


@pytest.mark.parametrize(
    ("wanted", "versions"),
    [
        ({"version": "1.5"}, {"1.5"}),
        ({"version": ">=2"}, {"2.0"}),
        ({"tags": ["canary"]}, {"1.5"}),
        ({"zone": "b", "version": "x"}, {"2.0"}),
        ({"version": "1.x", "tags": ["canary"]}, {"1.5"}),
    ],
)
async def test_filters(greeters: None, wanted: dict[str, object], versions: set[str]) -> None:
    async with muster.Client(REGISTRY) as client:
        assert await served_by(client, **wanted) == versions
        assert client.channel("greeter", **wanted) is client.channel("greeter", **wanted)
        assert client.channel("greeter", **wanted) is not client.channel("greeter")


async def test_a_filter_that_nobody_fits_says_so(greeters: None) -> None:
    async with muster.Client(REGISTRY) as client:
        say = greeter_pb2_grpc.SayStub(client.channel("greeter", tags=["blue"]))
        with pytest.raises(grpc.aio.AioRpcError, match="3 registered: 3 without the tag blue"):
            await say.Hello(greeter_pb2.HelloRequest())
        with pytest.raises(muster.BadConfiguration, match="version"):
            client.channel("greeter", version="~1")
        with pytest.raises(muster.BadConfiguration, match="expected a list"):
            client.pool("greeter", tags="canary")


async def test_explaining(greeters: None) -> None:
    async with muster.Client(REGISTRY, balancing=muster.Balancing(picker="rendezvous")) as client:
        explanation = await client.explain("greeter", key="user-1")
        assert [one.why_not for one in explanation.candidates] == ["", "", ""]
        assert explanation.chosen == (await client.explain("greeter", key="user-1")).chosen
        assert {one.connection for one in explanation.candidates} == {"ready"}
        assert not (await client.explain("nobody")).candidates


async def test_explaining_a_service_that_speaks_http_alone() -> None:
    nobody = Instance("web-1", "web", "127.0.0.1", 1, protocol="http")
    async with muster.Client(Static({"web": [nobody]})) as client:
        (one,) = (await client.explain("web")).candidates
        assert (one.eligible, one.connection) == (False, "down")
        assert one.why_not.startswith("down (")
