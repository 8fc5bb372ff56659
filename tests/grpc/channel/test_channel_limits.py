"""Limits for calls under way: who is refused, who waits, and in what order they are let in."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.call.breaker import Concurrency
from muster.model.errors import Overloaded
from muster.model.events import BreakerClosed, BreakerOpened

pytestmark = pytest.mark.anyio

HANG = HelloRequest(name="hang")


async def greeting(world: Any, count: int, concurrency: Concurrency, **options: Any) -> tuple[list[Any], Any]:
    greeters = [await world.greeter(f"g{number}") for number in range(1, count + 1)]
    transport = await world.transport(concurrency=concurrency, **options)
    world.book.know(*greeters)
    await world.ready(transport, *(greeter.id for greeter in greeters))
    return greeters, SayStub(transport.channel("greeter"))


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return failed.value


async def test_a_full_service_takes_no_more(world: Any) -> None:
    (greeter,), stub = await greeting(world, 1, Concurrency(service=3))
    hanging = [stub.Hello(HANG) for _ in range(3)]
    error = await refused(stub.Hello(HelloRequest(name="x")))
    assert "too many calls to 'greeter' are under way" in str(error.details())
    assert isinstance(error.__cause__, Overloaded)
    greeter.say.release.set()
    await asyncio.gather(*hanging)
    assert (await stub.Hello(HelloRequest(name="x"))).served_by == "g1"
    assert world.told(BreakerOpened) == [BreakerOpened("greeter", "", 3)]
    assert len(world.told(BreakerClosed)) == 1


async def test_a_full_instance_is_passed_over(world: Any) -> None:
    greeters, stub = await greeting(world, 3, Concurrency(instance=2))
    hanging = [stub.Hello(HANG) for _ in range(6)]
    await world.until(lambda: [greeter.say.calls for greeter in greeters] == [2, 2, 2])
    await refused(stub.Hello(HelloRequest(name="x")))
    greeters[1].say.release.set()
    await world.until(lambda: sum(call.done() for call in hanging) == 2)
    for _ in range(6):
        assert (await stub.Hello(HelloRequest(name="x"))).served_by == "g2"
    for greeter in greeters:
        greeter.say.release.set()
    await asyncio.gather(*hanging)


async def test_some_may_wait_for_their_turn(world: Any) -> None:
    (greeter,), stub = await greeting(world, 1, Concurrency(service=1, pending=2))
    order: list[str] = []

    def begin(name: str) -> Any:
        call = stub.Hello(HelloRequest(name=name))
        call.add_done_callback(lambda _: order.append(name))
        return call

    first, second, third = begin("hang"), begin("second"), begin("third")
    await world.until(lambda: greeter.say.calls)
    await refused(stub.Hello(HelloRequest(name="fourth")))
    assert greeter.say.calls == 1
    greeter.say.release.set()
    await asyncio.gather(first, second, third)
    assert order == ["hang", "second", "third"]


async def test_a_long_queue_is_worked_off(world: Any) -> None:
    greeters, stub = await greeting(world, 2, Concurrency(instance=2, service=3, pending=1000))
    replies = await asyncio.gather(*(stub.Hello(HelloRequest(name="x")) for _ in range(300)))
    assert len(replies) == 300
    assert sum(greeter.say.calls for greeter in greeters) == 300


async def test_who_waits_may_give_up(world: Any) -> None:
    (greeter,), stub = await greeting(world, 1, Concurrency(service=1, pending=3))
    first = stub.Hello(HANG)
    late, cancelled, last = stub.Hello(HANG, timeout=0.1), stub.Hello(HANG), stub.Hello(HelloRequest(name="x"))
    await asyncio.sleep(0)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await late
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    cancelled.cancel()
    greeter.say.release.set()
    assert (await last).served_by == "g1"
    await first
    assert greeter.say.calls == 2


async def test_attempts_that_fail_give_their_place_back(world: Any) -> None:
    _, stub = await greeting(world, 2, Concurrency(service=2), idempotent={"*"})
    for _ in range(5):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.Hello(HelloRequest(name="fail:UNAVAILABLE"))
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    calls = [stub.Hello(HANG) for _ in range(2)]
    await refused(stub.Hello(HANG))
    for call in calls:
        call.cancel()
    await world.until(lambda: all(call.done() for call in calls))
    assert (await stub.Hello(HelloRequest(name="x"))).served_by


async def test_streams_count_until_they_end(world: Any) -> None:
    (greeter,), stub = await greeting(world, 1, Concurrency(service=1))
    stream = stub.ListHellos(HelloRequest(name="x"))
    await refused(stub.Hello(HelloRequest(name="x")))
    assert len([reply async for reply in stream]) == 3
    assert (await stub.Hello(HelloRequest(name="x"))).served_by == greeter.id


async def test_a_limit_that_adapts(world: Any) -> None:
    """It comes down while calls run out of time, and up again while they are answered."""
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(concurrency=Concurrency(adaptive=True))
    await stub.Hello(HelloRequest(name="x"))
    late = [stub.Hello(HelloRequest(name="hang"), timeout=0.2) for _ in range(50)]
    assert {await code_of(call) for call in late} == {"DEADLINE_EXCEEDED"}
    held, refused = stub.Hello(HelloRequest(name="hang")), stub.Hello(HelloRequest(name="x"))
    with pytest.raises(grpc.aio.AioRpcError, match=r"too many calls to 'greeter' are under way.*\(now 1\)"):
        await refused
    greeter.say.release.set()
    await held
    for _ in range(20):
        await stub.Hello(HelloRequest(name="x"))
    assert [await call for call in [stub.Hello(HelloRequest(name="x")) for _ in range(2)]]


async def code_of(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code().name
