"""Calls that are sent a second time when their answer is late."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.call.hedge import ENOUGH, Hedging
from muster.call.retry import RetryPolicy
from muster.model.events import CallHedged, InstanceEjected

pytestmark = pytest.mark.anyio

HELLO = "/greeter.Say/Hello"
SOON = Hedging(delay=0.1)
HANG = HelloRequest(name="hang")


async def two(world: Any, hedging: Hedging = SOON, **options: Any) -> tuple[Any, Any, Any]:
    """g1, which hangs when it is told to, g2, which does not, and a stub."""
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    greeters[1].say.release.set()
    transport = await world.transport(**{"idempotent": {HELLO}, "policy": RetryPolicy(hedging=hedging), **options})
    world.book.know(*greeters)
    await world.ready(transport, "g1", "g2")
    return *greeters, SayStub(transport.channel("greeter"))


async def another_is_hedged(world: Any) -> None:
    """Returns when a call that may be hedged has been: one that was sent before it would have been, too."""
    transport = await world.transport(idempotent={HELLO}, policy=RetryPolicy(hedging=SOON))
    await world.ready(transport, "g1", "g2")
    call = SayStub(transport.channel("greeter")).Hello(HANG)
    await world.until(lambda: world.told(CallHedged))
    call.cancel()


async def test_the_faster_answer_is_taken_and_the_other_call_cancelled(world: Any) -> None:
    g1, _, stub = await two(world)
    began = time.monotonic()
    for _ in range(6):
        assert (await stub.Hello(HANG, timeout=10)).served_by == "g2"
    assert time.monotonic() - began < 5
    hedges = world.told(CallHedged)
    assert hedges
    assert set(hedges) == {CallHedged("greeter", HELLO, "g2")}
    await world.until(lambda: g1.say.cancelled == len(hedges))


async def test_an_answer_in_time_is_not_hedged(world: Any) -> None:
    g1, g2, stub = await two(world, Hedging(delay=1.0))
    for _ in range(10):
        await stub.Hello(HelloRequest(name="x"))
    assert g1.say.calls + g2.say.calls == 10
    g2.say.release.clear()
    late = stub.Hello(HANG)
    await world.until(lambda: world.told(CallHedged))
    late.cancel()
    assert len(world.told(CallHedged)) == 1, "those before it had been answered"


async def test_what_a_call_object_tells_is_told_of_the_winner(world: Any) -> None:
    *_, stub = await two(world)
    done: list[Any] = []
    while not world.told(CallHedged):
        call = stub.Hello(HANG, timeout=10)
        call.add_done_callback(done.append)
        assert call.time_remaining() <= 10
        metadata, trailing = await call.initial_metadata(), await call.trailing_metadata()
        assert (metadata["served-by"], trailing["done-by"]) == ("g2", "g2")
        assert await call.code() is grpc.StatusCode.OK
        assert not await call.details()
        assert (call.done(), call.cancelled(), call.cancel()) == (True, False, False)
        assert (await call).served_by == "g2"
        assert done.pop() is call
        assert not done
        call.add_done_callback(done.append)
        assert done.pop() is call


@pytest.mark.parametrize("options", [{"idempotent": ()}, {"hedges": lambda name: False}])
async def test_only_where_it_is_allowed(world: Any, options: Any) -> None:
    g1, g2, stub = await two(world, **options)
    g2.say.release.clear()
    call = stub.Hello(HANG)
    await world.until(lambda: g1.say.calls + g2.say.calls == 1)
    await another_is_hedged(world)
    assert len(world.told(CallHedged)) == 1
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_only_within_the_budget(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    world.book.know(*greeters)
    transport = await world.transport(idempotent={HELLO}, policy=RetryPolicy(hedging=SOON))
    await world.ready(transport, "g1", "g2")
    while transport.retrier.budget.withdraw(time.monotonic()):
        pass
    call = SayStub(transport.channel("greeter")).Hello(HANG)
    await world.until(lambda: sum(greeter.say.calls for greeter in greeters) == 1)
    await another_is_hedged(world)
    assert len(world.told(CallHedged)) == 1
    call.cancel()


async def test_there_must_be_another_instance(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={HELLO}, policy=RetryPolicy(hedging=SOON))
    asyncio.get_running_loop().call_later(0.3, greeter.say.release.set)
    assert (await stub.Hello(HANG)).served_by == "g1"
    assert greeter.say.calls == 1


async def test_both_late(world: Any) -> None:
    g1, g2, stub = await two(world)
    g2.say.release.clear()
    asyncio.get_running_loop().call_later(0.3, g1.say.release.set)
    assert (await stub.Hello(HANG)).served_by == "g1"
    assert g1.say.calls + g2.say.calls == 2
    await world.until(lambda: g2.say.cancelled)


async def test_cancelling_cancels_both(world: Any) -> None:
    g1, g2, stub = await two(world)
    g2.say.release.clear()
    for how in ("call", "task"):
        call = stub.Hello(HANG)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_wait(call))
            await world.until(lambda: g1.say.calls + g2.say.calls == 2)
            _ = call.cancel() if how == "call" else waiting.cancel()
        assert waiting.cancelled()
        await world.until(lambda: g1.say.cancelled + g2.say.cancelled == 2)
        await world.until(call.cancelled)
        for each in (g1, g2):
            each.say.calls = each.say.cancelled = 0


async def test_the_deadline_is_that_of_the_first(world: Any) -> None:
    _, g2, stub = await two(world)
    g2.say.release.clear()
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.Hello(HANG, timeout=1.0)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.9 < time.monotonic() - began < 2.6
    assert world.told(CallHedged)


async def test_an_answer_of_the_application_is_an_answer(world: Any) -> None:
    *_, stub = await two(world)
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.Hello(HelloRequest(name="fail:NOT_FOUND"))
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    assert time.monotonic() - began < 2


async def test_a_failure_is_retried_as_ever(world: Any) -> None:
    g1, g2, stub = await two(world, Hedging(delay=5.0))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Hello(HelloRequest(name="fail:UNAVAILABLE"))
    assert g1.say.calls + g2.say.calls == 3


async def test_a_hedge_that_fails_leaves_the_first_alone(world: Any) -> None:
    process, greeter = world.process("g1"), await world.greeter("g2")
    transport = await world.transport(idempotent={HELLO}, policy=RetryPolicy(hedging=SOON))
    world.book.know(greeter)
    await world.ready(transport, "g2")
    stub = SayStub(transport.channel("greeter"))
    async with asyncio.TaskGroup() as group:
        call = group.create_task(_wait(stub.Hello(HANG)))
        await world.until(lambda: greeter.say.calls)
        world.book.know(process, greeter)
        await world.until(lambda: world.told(CallHedged))
        process.signal(signal.SIGKILL)
        await world.until(lambda: world.told(InstanceEjected))
        greeter.say.release.set()
        assert (await call).served_by == "g2"


async def test_the_delay_is_measured(world: Any) -> None:
    *_, stub = await two(world, Hedging(least=0.05))
    for _ in range(ENOUGH):
        await stub.Hello(HelloRequest(name="x"))
    assert not world.told(CallHedged)
    for _ in range(6):
        assert (await stub.Hello(HANG, timeout=10)).served_by == "g2"
    assert world.told(CallHedged)


async def _wait(call: Any) -> Any:
    return await call
