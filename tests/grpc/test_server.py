"""The gRPC server on real sockets: what it lets in, what it lets out, and how it stops."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server

from muster.grpc.offered import Offered
from muster.grpc.server import GRPCServer
from muster.model.errors import BadConfiguration, Fault
from muster.model.events import RegistrationState
from muster.serve.health import HealthState
from muster.serve.settings import Limits
from muster.serve.standing import Standing

pytestmark = pytest.mark.anyio

STANDING = Standing(RegistrationState.REGISTERED, checked=True, registered_once=True)


class Say(SayServicer):
    """What a handler does is told by the name that it is sent."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.ended: list[str] = []

    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        await self._behave(request.name, context)
        return HelloReply(message=f"Hello, {request.name}!")

    async def ListHellos(self, request: HelloRequest, context: Any) -> AsyncIterator[HelloReply]:
        yield HelloReply(message="first")
        await self._behave(request.name, context)
        yield HelloReply(message="last")

    async def CollectNames(self, requests: AsyncIterator[HelloRequest], context: Any) -> HelloReply:
        names = [request.name async for request in requests]
        await self._behave(names[-1], context)
        return HelloReply(message=" ".join(names))

    async def Chat(self, requests: AsyncIterator[HelloRequest], context: Any) -> None:
        """A coroutine that writes its replies itself, which gRPC allows too."""
        async for request in requests:
            await self._behave(request.name, context)
            await context.write(HelloReply(message=request.name))

    async def _behave(self, name: str, context: Any) -> None:
        if name == "wait":
            await self._wait()
        await _raise(name, context)

    async def _wait(self) -> None:
        self.entered.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.append("wait")


class PlainSay(SayServicer):
    """The same without async: grpcio runs it in threads."""

    def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        _raise_plainly(request.name, context)
        return HelloReply(message=f"Hello, {request.name}!")

    def ListHellos(self, request: HelloRequest, context: Any) -> Iterator[HelloReply]:
        yield HelloReply(message="first")
        _raise_plainly(request.name, context)
        yield HelloReply(message="last")

    def CollectNames(self, requests: Iterator[HelloRequest], context: Any) -> HelloReply:
        names = [request.name for request in requests]
        _raise_plainly(names[-1], context)
        return HelloReply(message=" ".join(names))

    def Chat(self, requests: Iterator[HelloRequest], context: Any) -> Iterator[HelloReply]:
        for request in requests:
            _raise_plainly(request.name, context)
            yield HelloReply(message=request.name)


async def _raise(name: str, context: Any) -> None:
    if name == "abort":
        await context.abort(grpc.StatusCode.ABORTED, "by the handler")
    _raise_any(name, context)


def _raise_plainly(name: str, context: Any) -> None:
    if name == "abort":
        context.abort(grpc.StatusCode.ABORTED, "by the handler")
    _raise_any(name, context)


def _raise_any(name: str, context: Any) -> None:
    if name == "raise":
        raise ValueError("the password is xyzzy")
    if name == "fault":
        raise Fault("NOT_FOUND", "no such greeting")
    if name == "code":
        context.set_code(grpc.StatusCode.DATA_LOSS)
        context.set_details("a disk is gone")
        raise OSError("/dev/sdb")


@asynccontextmanager
async def serving(
    servicer: SayServicer, *, limits: Limits = Limits(), interceptors: Any = ()
) -> AsyncIterator[tuple[GRPCServer, SayStub]]:
    offered = Offered()
    offered.add(add_SayServicer_to_server, servicer)
    server = GRPCServer(offered, HealthState({"greeter"}, STANDING), limits, None, interceptors)
    port = await server.listen("127.0.0.1", 0)
    try:
        await server.serve()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield server, SayStub(channel)
    finally:
        await server.stop(0)


async def call(say: SayStub, kind: str, name: str) -> list[str]:
    """The messages of the replies to a call of one of the four kinds."""
    request = HelloRequest(name=name)
    if kind == "Hello":
        return [(await say.Hello(request)).message]
    if kind == "ListHellos":
        return [reply.message async for reply in say.ListHellos(request)]
    if kind == "CollectNames":
        return [(await say.CollectNames(iter([HelloRequest(name="a"), request]))).message]
    return [reply.message async for reply in say.Chat(iter([HelloRequest(name="a"), request]))]


def begin(say: SayStub, kind: str, name: str) -> Any:
    """The same, under way."""
    request = HelloRequest(name=name)
    method = getattr(say, kind)
    return method(request) if kind in ("Hello", "ListHellos") else method(iter([request]))


async def failure(say: SayStub, kind: str, *names: str) -> tuple[grpc.StatusCode, str]:
    """How a call ends that fails.

    Nothing is sent that the server does not wait for: a grpcio client that is told of the end while it sends reports
    an internal error of its own instead of the server's.
    """
    if kind in ("Hello", "ListHellos"):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(say, kind, (*names, "")[0])
        return raised.value.code(), str(raised.value.details())
    under_way = getattr(say, kind)()
    for name in names:
        await under_way.write(HelloRequest(name=name))
    if names and kind == "CollectNames":
        await under_way.done_writing()
    return await under_way.code(), await under_way.details()


KINDS = ["Hello", "ListHellos", "CollectNames", "Chat"]
SERVICERS = [Say, PlainSay]


@pytest.mark.parametrize("servicer", SERVICERS)
async def test_all_four_kinds_of_calls(servicer: type[SayServicer]) -> None:
    async with serving(servicer()) as (_, say):
        assert await call(say, "Hello", "b") == ["Hello, b!"]
        assert await call(say, "ListHellos", "b") == ["first", "last"]
        assert await call(say, "CollectNames", "b") == ["a b"]
        assert await call(say, "Chat", "b") == ["a", "b"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("servicer", SERVICERS)
async def test_what_a_handler_raises_stays_inside(
    servicer: type[SayServicer], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(servicer()) as (_, say):
        code, details = await failure(say, kind, "raise")
        assert code is grpc.StatusCode.UNKNOWN
        assert details == f"/greeter.Say/{kind} failed; the service's log says why"
        assert await call(say, "Hello", "b") == ["Hello, b!"]
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["muster.grpc"]
    assert errors[0].exc_info
    assert "xyzzy" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("servicer", SERVICERS)
@pytest.mark.parametrize(
    ("name", "code", "details"),
    [
        ("fault", grpc.StatusCode.NOT_FOUND, "no such greeting"),
        ("abort", grpc.StatusCode.ABORTED, "by the handler"),
        ("code", grpc.StatusCode.DATA_LOSS, "a disk is gone"),
    ],
)
async def test_what_is_meant_for_the_caller_arrives(
    servicer: type[SayServicer], kind: str, name: str, code: grpc.StatusCode, details: str, caplog: Any
) -> None:
    async with serving(servicer()) as (_, say):
        assert await failure(say, kind, name) == (code, details)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_method_that_the_servicer_leaves_out_is_unimplemented(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(SayServicer()) as (_, say):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await say.Hello(HelloRequest())
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not caplog.records


async def test_a_message_over_the_limit() -> None:
    async with serving(Say(), limits=Limits(received=1000)) as (_, say):
        for kind in KINDS:
            code, _ = await failure(say, kind, "x" * 2000)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await call(say, "Hello", "b") == ["Hello, b!"]


async def test_a_reply_over_the_limit() -> None:
    async with serving(Say(), limits=Limits(sent=1000)) as (_, say):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(say, "Hello", "x" * 2000)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await call(say, "Hello", "b") == ["Hello, b!"]


async def test_more_calls_than_the_limit_are_refused_and_health_is_not_counted() -> None:
    servicer = Say()
    async with serving(servicer, limits=Limits(calls=1)) as (_, say):
        waiting = say.Hello(HelloRequest(name="wait"))
        await servicer.entered.wait()
        for kind in KINDS:
            code, details = await failure(say, kind)
            assert (code, details) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "the server takes no more than 1 call at once",
            )
        waiting.cancel()
        await _until(lambda: servicer.ended == ["wait"])
        assert await call(say, "Hello", "b") == ["Hello, b!"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_that_goes_away_cancels_the_handler(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    servicer = Say()
    async with serving(servicer, limits=Limits(calls=1)) as (_, say):
        waiting = begin(say, kind, "wait")
        await servicer.entered.wait()
        waiting.cancel()
        await _until(lambda: servicer.ended == ["wait"])
        assert await call(say, "Hello", "b") == ["Hello, b!"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_stop_waits_for_calls_under_way_and_refuses_new_ones() -> None:
    servicer = Say()
    async with serving(servicer) as (server, say):
        chat = say.Chat()
        await chat.write(HelloRequest(name="a"))
        assert (await chat.read()).message == "a"
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(server.stop(10))
            await _until_refused(say)
            await chat.write(HelloRequest(name="b"))
            assert (await chat.read()).message == "b"
            assert not stopping.done()
            await chat.done_writing()
        assert await chat.code() is grpc.StatusCode.OK


async def test_a_stop_cancels_what_does_not_end_in_its_grace() -> None:
    servicer = Say()
    async with serving(servicer) as (server, say):
        waiting = say.Hello(HelloRequest(name="wait"))
        await servicer.entered.wait()
        began = time.monotonic()
        await server.stop(0.1)
        assert 0.1 <= time.monotonic() - began < 1.0
        assert servicer.ended == ["wait"]
        assert await waiting.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stop_that_is_cancelled_closes_at_once() -> None:
    servicer = Say()
    async with serving(servicer) as (server, say):
        waiting = say.Hello(HelloRequest(name="wait"))
        await servicer.entered.wait()
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(server.stop(60))
            await _until_refused(say)
            stopping.cancel()
        assert stopping.cancelled()
        assert await waiting.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_handler_that_ignores_being_cancelled_does_not_hold_up_the_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    go_on, entered = asyncio.Event(), asyncio.Event()

    class Stubborn(SayServicer):
        async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
            entered.set()
            while not go_on.is_set():
                try:
                    await go_on.wait()
                except asyncio.CancelledError:
                    continue
            return HelloReply()

    async with serving(Stubborn()) as (server, say):
        waiting = say.Hello(HelloRequest())
        await entered.wait()
        await server.stop(0.1)
        go_on.set()
        assert await waiting.code() is grpc.StatusCode.UNAVAILABLE
        await _until(lambda: len(asyncio.all_tasks()) <= 2)


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = GRPCServer(Offered(), HealthState((), STANDING), Limits(), None, ())
        with pytest.raises(BadConfiguration, match=rf"cannot listen on 127\.0\.0\.1:{port}: the port is taken"):
            await server.listen("127.0.0.1", port)


async def test_two_servers_cannot_share_a_port() -> None:
    """grpcio lets a second one in silently unless told otherwise."""
    first, second = (GRPCServer(Offered(), HealthState((), STANDING), Limits(), None, ()) for _ in range(2))
    port = await first.listen("127.0.0.1", 0)
    try:
        with pytest.raises(BadConfiguration, match="the port is taken"):
            await second.listen("127.0.0.1", port)
    finally:
        await first.stop(0)


@pytest.mark.parametrize(
    ("host", "says"),
    [("192.0.2.1", "192.0.2.1:0: Cannot assign"), ("nosuch.invalid", "host 'nosuch.invalid'")],
)
async def test_a_host_that_cannot_be_listened_at(host: str, says: str) -> None:
    server = GRPCServer(Offered(), HealthState((), STANDING), Limits(), None, ())
    with pytest.raises(BadConfiguration, match=says):
        await server.listen(host, 0)


@pytest.mark.parametrize("port", [-1, 65536, 70000])
async def test_a_port_that_is_none(port: int) -> None:
    server = GRPCServer(Offered(), HealthState((), STANDING), Limits(), None, ())
    with pytest.raises(BadConfiguration, match=f"port {port}: ports are 1 to 65535"):
        await server.listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::", ""])
async def test_hosts_to_listen_at(host: str) -> None:
    offered = Offered()
    offered.add(add_SayServicer_to_server, Say())
    server = GRPCServer(offered, HealthState((), STANDING), Limits(), None, ())
    port = await server.listen(host, 0)
    try:
        await server.serve()
        target = f"[::1]:{port}" if host == "::1" else f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(target) as channel:
            assert await call(SayStub(channel), "Hello", "b") == ["Hello, b!"]
    finally:
        await server.stop(0)


class Refusing(grpc.aio.ServerInterceptor):
    def __init__(self, error: Exception | None) -> None:
        self._error = error
        self.seen: list[str] = []

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        self.seen.append(handler_call_details.method)
        if self._error:
            raise self._error
        return await continuation(handler_call_details)


async def test_interceptors_see_calls_in_order() -> None:
    first, second = Refusing(None), Refusing(None)
    async with serving(Say(), interceptors=(first, second)) as (_, say):
        assert await call(say, "Hello", "b") == ["Hello, b!"]
    assert first.seen == second.seen == ["/greeter.Say/Hello"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_an_interceptor_raises_stays_inside_too(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Say(), interceptors=[Refusing(ValueError("xyzzy"))]) as (_, say):
        code, details = await failure(say, kind)
        assert code is grpc.StatusCode.UNKNOWN
        assert details == f"/greeter.Say/{kind} failed; the service's log says why"
    assert "xyzzy" in caplog.text


async def test_an_interceptor_may_refuse_with_a_fault() -> None:
    async with serving(Say(), interceptors=[Refusing(Fault("UNAUTHENTICATED", "who are you?"))]) as (_, say):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(say, "Hello", "b")
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, "who are you?")


async def test_what_is_no_interceptor() -> None:
    with pytest.raises(BadConfiguration, match=r"no grpc\.aio\.ServerInterceptor"):
        GRPCServer(Offered(), HealthState((), STANDING), Limits(), None, (object(),))


async def _until_refused(say: SayStub) -> None:
    """Wait until the server takes no new calls; a stop says when only by this.

    A call that arrives in the very moment of the stop may also be told that it was cancelled.
    """
    while True:
        try:
            await say.Hello(HelloRequest(name="b"), timeout=5)
        except grpc.aio.AioRpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED), error
            return


async def _until(condition: Any) -> None:
    """For what grpcio does in its own time, without telling."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)
