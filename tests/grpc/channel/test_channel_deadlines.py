"""Deadlines: of a call, of its attempts, and of the call in whose service it is made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server

from muster.call.retry import RetryPolicy
from muster.grpc.offered import Offered
from muster.grpc.server import GRPCServer
from muster.model.events import AttemptFailed, InstanceEjected, RegistrationState
from muster.rpc import current
from muster.rpc.current import Served, detached, served
from muster.serve.health import HealthState
from muster.serve.settings import Limits
from muster.serve.standing import Standing

pytestmark = pytest.mark.anyio

HELLO = "/greeter.Say/Hello"
STANDING = Standing(RegistrationState.REGISTERED, checked=True, registered_once=True)
SHORT = RetryPolicy(attempt_timeout=0.2)


class Front(SayServicer):
    """Serves by calling `back`, and remembers what it was told of the call that it served."""

    def __init__(self, back: Any, tasks: asyncio.TaskGroup | None = None) -> None:
        self.back = back
        self.served: list[Served | None] = []
        self.tasks = tasks

    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        self.served.append(served())
        if self.tasks is not None:
            with detached():
                self.tasks.create_task(self._later())
            return HelloReply()
        return await self.back.Hello(request, timeout=60)

    async def _later(self) -> Any:
        return await self.back.Hello(HelloRequest(name="x"))

    async def ListHellos(self, request: HelloRequest, context: Any) -> AsyncIterator[HelloReply]:
        self.served.append(served())
        async for reply in self.back.ListHellos(request):
            yield reply


class PlainFront(SayServicer):
    def __init__(self) -> None:
        self.served: list[Served | None] = []

    def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        self.served.append(served())
        return HelloReply()

    def ListHellos(self, request: HelloRequest, context: Any) -> Iterator[HelloReply]:
        self.served.append(served())
        yield HelloReply()


@asynccontextmanager
async def serving(front: Any) -> AsyncIterator[Any]:
    """A stub for `front`, served as muster serves."""
    offered = Offered()
    offered.add(add_SayServicer_to_server, front)
    health = HealthState({"front"}, STANDING)
    server = GRPCServer(offered, health, Limits(threads=1), None, ())
    port = await server.listen("127.0.0.1", 0)
    await server.serve()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield SayStub(channel)
    finally:
        await server.stop(0)


async def test_a_nested_call_never_outlives_its_parent(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    async with serving(Front(await world.stub())) as stub:
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.Hello(HelloRequest(name="hang"), timeout=0.3)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await world.until(lambda: greeter.say.cancelled)
        assert time.monotonic() - began < 2, "it was given a minute"


async def test_a_nested_stream_never_outlives_its_parent(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    async with serving(Front(await world.stub())) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            async for _ in stub.ListHellos(HelloRequest(name="hang"), timeout=0.3):
                pass
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await world.until(lambda: greeter.say.cancelled)


@pytest.mark.parametrize(("left", "ejected"), [(0.03, False), (None, True)])
async def test_calls_whose_parent_has_hardly_any_time_left_eject_nobody(
    world: Any, left: float | None, ejected: bool
) -> None:
    world.book.know(await world.greeter("g1"), await world.greeter("g2"))
    stub = await world.stub(timeout=10.0 if left else 0.03)
    for _ in range(16):
        token = current.serving.set(Served("/front/Call", deadline=left and time.monotonic() + left))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.Hello(HelloRequest(name="hang"))
        current.serving.reset(token)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert bool(world.told(InstanceEjected)) is ejected


async def test_work_that_goes_on_after_the_answer_is_not_bound_by_it(world: Any) -> None:
    world.book.know(await world.greeter("g1"))
    async with asyncio.TaskGroup() as tasks, serving(Front(await world.stub(), tasks)) as stub:
        await stub.Hello(HelloRequest(name="x"), timeout=0.5)


@pytest.mark.parametrize("timeout", [5.0, None])
async def test_handlers_know_the_call_that_they_serve(world: Any, timeout: float | None) -> None:
    world.book.know(await world.greeter("g1"))
    for front in (Front(await world.stub()), PlainFront()):
        async with serving(front) as stub:
            await stub.Hello(HelloRequest(name="x"), timeout=timeout)
            assert [reply async for reply in stub.ListHellos(HelloRequest(name="x"), timeout=timeout)]
        hello, hellos = front.served
        assert hello is not None
        assert hellos is not None
        assert (hello.method, hellos.method) == (HELLO, "/greeter.Say/ListHellos")
        assert hello.caller.startswith("ipv4:127.0.0.1:")
        for call in (hello, hellos):
            assert (call.deadline is None) is (timeout is None)
            assert call.deadline is None or abs(call.deadline - time.monotonic() - 5.0) < 2
    assert served() is None


async def test_a_call_without_time_is_not_sent(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub()
    await stub.Hello(HelloRequest(name="x"))
    for call in (stub.Hello(HelloRequest(name="x"), timeout=0), stub.CollectNames(iter([HelloRequest()]), timeout=0)):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert greeter.say.calls == 1
    assert not world.told(AttemptFailed)


async def test_an_attempt_that_takes_too_long_is_given_to_another(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    world.book.know(*greeters)
    stub = await world.stub("g1", "g2", idempotent={HELLO}, policy=RetryPolicy(attempt_timeout=1.0))
    greeters[1].say.release.set()
    for _ in range(4):
        reply = await stub.Hello(HelloRequest(name="hang"), timeout=30)
        assert reply.served_by == "g2"
    assert {(event.instance_id, event.code, event.retrying) for event in world.told(AttemptFailed)} == {
        ("g1", "DEADLINE_EXCEEDED", True)
    }


async def test_the_last_attempt_has_all_the_time_that_is_left(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={HELLO}, policy=RetryPolicy(attempts=2, attempt_timeout=0.1))
    asyncio.get_running_loop().call_later(0.6, greeter.say.release.set)
    assert (await stub.Hello(HelloRequest(name="hang"), timeout=30)).served_by == "g1"
    assert greeter.say.calls == 2


async def test_the_deadline_is_that_of_the_call_whatever_its_attempts(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    world.book.know(*greeters)
    stub = await world.stub("g1", "g2", idempotent={HELLO}, policy=SHORT)
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.Hello(HelloRequest(name="hang"), timeout=0.3)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.29 < time.monotonic() - began < 1.5
    assert sum(greeter.say.calls for greeter in greeters) == 2


async def test_what_must_not_be_repeated_is_not_cut_off(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={"/greeter.Say/ListHellos"}, policy=SHORT)
    asyncio.get_running_loop().call_later(0.5, greeter.say.release.set)
    assert (await stub.Hello(HelloRequest(name="hang"))).served_by == "g1"
    greeter.say.release.clear()
    asyncio.get_running_loop().call_later(0.5, greeter.say.release.set)
    assert len([reply async for reply in stub.ListHellos(HelloRequest(name="hang"))]) == 3


async def test_where_retries_are_off_nothing_is_cut_off(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={HELLO}, policy=SHORT, retries=lambda name: False)
    asyncio.get_running_loop().call_later(0.5, greeter.say.release.set)
    assert (await stub.Hello(HelloRequest(name="hang"))).served_by == "g1"
    assert greeter.say.calls == 1
