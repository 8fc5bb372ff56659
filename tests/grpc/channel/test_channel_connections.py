"""Connections: how old they get, what keeps them alive, and how they come back."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.grpc import connection
from muster.grpc.server import _OPTIONS as SERVER_OPTIONS
from muster.grpc.transport import Dialing
from muster.model.backoff import Backoff
from muster.model.errors import BadConfiguration
from muster.model.events import InstanceEjected
from muster.model.instance import Instance

pytestmark = pytest.mark.anyio


def numbers(dialing: Dialing, *, verifiable: bool) -> dict[str, Any]:
    instance = Instance("g1", "greeter", "127.0.0.1", 1, verifiable=verifiable)
    return dict(dialing.kinds(instance)["options"])


async def test_foreign_servers_are_not_pinged_more_often_than_they_bear() -> None:
    assert numbers(Dialing(), verifiable=True)["grpc.keepalive_time_ms"] == 20_000
    foreign = numbers(Dialing(), verifiable=False)
    assert foreign["grpc.keepalive_time_ms"] > 300_000
    assert "grpc.keepalive_permit_without_calls" not in foreign
    asked = Dialing(options=(("grpc.keepalive_time_ms", 60_000),))
    assert numbers(asked, verifiable=True)["grpc.keepalive_time_ms"] == 60_000


async def test_an_age_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="above 0"):
        Dialing(age=0)


async def test_a_newcomer_is_connected_before_it_gets_calls(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub()
    await _hello(stub)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        newcomer = Instance("g2", "greeter", "127.0.0.1", silent.getsockname()[1], "grpc", verifiable=True)
        world.book.know(greeter, newcomer)
        began = time.monotonic()
        assert {await _hello(stub) for _ in range(20)} == {"g1"}
        assert time.monotonic() - began < 2


async def test_an_old_connection_is_replaced_and_no_call_fails(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    transport = await world.transport(dialing=Dialing(age=0.1))
    stub = SayStub(transport.channel("greeter"))
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(_hello(stub, "hang"))
        while len(greeter.say.peers) < 4:
            assert await _hello(stub) == "g1"
        greeter.say.release.set()
        assert await slow == "g1"
    assert not world.told(InstanceEjected)
    links = [found.links for found in transport._found.values()]
    await world.until(lambda: sum(not link.closed for each in links for link in each._links) <= 2)


async def test_a_connection_that_cannot_be_replaced_is_used_on(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    failing = Failing(age=0.05)
    stub = await world.stub(dialing=failing)
    assert await _hello(stub) == "g1"
    failing.somewhere_else.append(Instance("g1", "greeter", "127.0.0.1", 1, verifiable=True))
    await world.until(lambda: failing.dialed > 3)
    assert await _hello(stub) == "g1"
    assert len(greeter.say.peers) == 1
    assert not world.told(InstanceEjected)


async def test_an_instance_that_answers_no_pings_is_left_out(world: Any) -> None:
    process = world.process("g1")
    world.book.know(process)
    pings = (("grpc.keepalive_time_ms", 200), ("grpc.http2.ping_timeout_ms", 300))
    transport = await world.transport(dialing=Dialing(options=pings))
    stub = SayStub(transport.channel("greeter"))
    await _hello(stub)
    process.signal(signal.SIGSTOP)
    began = time.monotonic()
    await world.until(lambda: world.told(InstanceEjected))
    assert time.monotonic() - began < 5, "TCP by itself would notice after 20 s"
    process.signal(signal.SIGCONT)
    await world.ready(transport, "g1")
    assert await _hello(stub) == "g1"


async def test_an_idle_connection_to_a_muster_server_outlives_its_keepalive(world: Any) -> None:
    """A server that is pinged too often for its taste hangs up with ENHANCE_YOUR_CALM, after the third ping.

    gRPC pings every second at most, and muster's servers bear a ping every five: here one that bears a little more, and
    beside it one that bears less, by whose hanging up it is known that both were pinged.
    """
    options, bearable = dict(SERVER_OPTIONS), "grpc.http2.min_ping_interval_without_data_ms"
    assert options[bearable] < 20_000
    bears, hangs_up = [
        await world.greeter(name, options=tuple((options | {bearable: ms}).items()))
        for name, ms in (("bears", 500), ("hangs up", 60_000))
    ]
    world.book.know(bears)
    transport = await world.transport(dialing=Dialing(options=(("grpc.keepalive_time_ms", 1_000),)))
    stub = SayStub(transport.channel("greeter"))
    await _hello(stub)
    world.book.know(bears, hangs_up)
    await world.ready(transport, "bears", "hangs up")
    await world.until(lambda: world.told(InstanceEjected))
    for _ in range(4):
        await _hello(stub)
    assert len(bears.say.peers) == 1
    assert {event.instance_id for event in world.told(InstanceEjected)} == {"hangs up"}


async def test_a_foreign_instance_that_was_away_is_called_as_soon_as_it_is_registered_again(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its connection would have waited for it."""
    monkeypatch.setattr(connection, "BACKOFF", Backoff(initial=300.0, maximum=300.0))
    monkeypatch.setattr(connection, "STEADY", 300.0)  # so that it is not even tried at once
    greeter = await world.greeter("g1")
    foreign = Instance("legacy-1", "greeter", "127.0.0.1", greeter.port, protocol="grpc")
    transport = await world.transport()
    stub = SayStub(transport.channel("greeter"))
    world.book.know(foreign)
    assert await _hello(stub) == "g1"
    await greeter.stop()
    await world.until(lambda: world.told(InstanceEjected))
    world.book.know()
    again = await world.greeter("g2", port=greeter.port)
    world.book.know(foreign)
    assert await _hello(stub) == again.id


class Failing(Dialing):
    """Dials another instance once there is one in `somewhere_else`."""

    def __init__(self, age: float) -> None:
        super().__init__(age=age)
        object.__setattr__(self, "somewhere_else", [])
        object.__setattr__(self, "dialed", 0)

    somewhere_else: list[Instance]
    dialed: int

    def dial(self, instance: Instance) -> grpc.aio.Channel:
        object.__setattr__(self, "dialed", self.dialed + 1)
        return super().dial(self.somewhere_else[0] if self.somewhere_else else instance)


async def _hello(stub: Any, name: str = "x") -> str:
    reply = await stub.Hello(HelloRequest(name=name), timeout=10)
    return str(reply.served_by)
