"""Calls through a channel by name behave as grpc.aio's own do."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.grpc.transport import Dialing
from muster.model.errors import BadConfiguration

pytestmark = pytest.mark.anyio


def requests(*names: str) -> Iterator[HelloRequest]:
    return (HelloRequest(name=name) for name in names)


async def arequests(*names: str) -> AsyncIterator[HelloRequest]:
    for request in requests(*names):
        yield request


@pytest.fixture
async def stub(world: Any) -> Any:
    world.book.know(await world.greeter("g1"))
    return await world.stub()


@pytest.fixture
async def bare(world: Any) -> AsyncIterator[Any]:
    """A stub on grpc.aio's own channel, to compare with."""
    greeter = await world.greeter("g1")
    async with grpc.aio.insecure_channel(greeter.instance.address) as channel:
        yield SayStub(channel)


@pytest.fixture(params=["bare", "stub"])
def either(request: pytest.FixtureRequest) -> Any:
    """A stub on grpc.aio's channel, then one on ours: what a test says of it holds for both."""
    return request.getfixturevalue(request.param)


async def test_the_turn_goes_round(world: Any) -> None:
    greeters = [await world.greeter(f"g{number}") for number in range(3)]
    transport = await world.transport()
    stub = SayStub(transport.channel("greeter"))
    world.book.know(*greeters)
    await world.ready(transport, "g0", "g1", "g2")
    replies = [await stub.Hello(HelloRequest(name="x")) for _ in range(30)]
    assert Counter(reply.served_by for reply in replies) == {"g0": 10, "g1": 10, "g2": 10}


async def test_unary_unary(either: Any) -> None:
    call = either.Hello(HelloRequest(name="x"), metadata=(("key", "value"),), timeout=5)
    assert isinstance(call, grpc.aio.UnaryUnaryCall)
    assert not call.done()
    assert 4 < call.time_remaining() <= 5
    assert (await call).message == "Hello x"
    assert (await call).message == "Hello x"
    assert call.done()
    assert not call.cancelled()
    assert not call.cancel()
    assert await call.code() is grpc.StatusCode.OK
    assert not await call.details()
    assert dict(await call.initial_metadata())["served-by"] == "g1"
    assert dict(await call.trailing_metadata())["done-by"] == "g1"
    await call.wait_for_connection()


async def test_metadata_arrives(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub()
    for metadata in ((("key", "value"),), grpc.aio.Metadata(("key", "value"))):
        await stub.Hello(HelloRequest(), metadata=metadata)
        assert greeter.say.metadata.pop()["key"] == "value"


async def test_unary_stream(either: Any) -> None:
    call = either.ListHellos(HelloRequest(name="x", count=4))
    assert isinstance(call, grpc.aio.UnaryStreamCall)
    assert [reply.message async for reply in call] == ["0", "1", "2", "3"]
    assert await call.code() is grpc.StatusCode.OK
    assert call.time_remaining() is None


async def test_unary_stream_by_read(either: Any) -> None:
    call = either.ListHellos(HelloRequest(name="x", count=2))
    assert [(await call.read()).message for _ in range(2)] == ["0", "1"]
    assert await call.read() is grpc.aio.EOF
    assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize("make", [requests, arequests, lambda *names: list(requests(*names))])
async def test_stream_unary(either: Any, make: Any) -> None:
    call = either.CollectNames(make("a", "b", "c"))
    assert isinstance(call, grpc.aio.StreamUnaryCall)
    assert (await call).message == "a, b, c"


async def test_stream_unary_by_write(either: Any) -> None:
    call = either.CollectNames()
    for request in requests("a", "b"):
        await call.write(request)
    await call.done_writing()
    await call.done_writing()
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(HelloRequest(name="c"))
    assert (await call).message == "a, b"
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(HelloRequest(name="c"))


async def test_a_long_stream_of_requests(either: Any) -> None:
    names = [str(number) for number in range(200)]
    assert (await either.CollectNames(arequests(*names))).message == ", ".join(names)


async def test_stream_stream(either: Any) -> None:
    call = either.Chat(arequests("a", "b"))
    assert isinstance(call, grpc.aio.StreamStreamCall)
    assert [reply.message async for reply in call] == ["Hello a", "Hello b"]
    assert await call.code() is grpc.StatusCode.OK


async def test_stream_stream_by_write_and_read(either: Any) -> None:
    call = either.Chat()
    await call.wait_for_connection()
    for request in requests("a", "b", "c"):
        await call.write(request)
        assert (await call.read()).message == f"Hello {request.name}"
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_the_two_styles_do_not_mix(either: Any) -> None:
    writing = either.CollectNames(requests("a"))
    with pytest.raises(grpc.aio.UsageError):
        await writing.write(HelloRequest())
    with pytest.raises(grpc.aio.UsageError):
        await writing.done_writing()
    await writing
    reading = either.ListHellos(HelloRequest())
    await reading.read()
    with pytest.raises(grpc.aio.UsageError):
        async for _ in reading:
            pass
    reading.cancel()


async def test_an_error_is_the_applications_own(either: Any) -> None:
    call = either.Hello(HelloRequest(name="fail:FAILED_PRECONDITION"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is await call.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == await call.details() == "FAILED_PRECONDITION as asked"
    assert "as asked" in await call.debug_error_string()
    assert call.done()
    assert not call.cancelled()


async def test_callbacks_are_called_once_with_the_call(either: Any) -> None:
    called: list[Any] = []
    call = either.Hello(HelloRequest(name="x"))
    call.add_done_callback(called.append)
    await call
    call.add_done_callback(called.append)
    assert called == [call, call]


async def test_a_callback_that_raises_is_told_of_and_harms_nobody(world: Any) -> None:
    world.book.know(await world.greeter("g1"))
    stub = await world.stub()
    loop, told = asyncio.get_running_loop(), list[Any]()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    error, called = LookupError("mine"), list[Any]()

    def fail(call: Any) -> None:
        raise error

    try:
        call = stub.Hello(HelloRequest(name="x"))
        call.add_done_callback(fail)
        call.add_done_callback(called.append)
        assert (await call).served_by == "g1"
    finally:
        loop.set_exception_handler(None)
    assert (told, called) == ([error], [call])


async def test_a_timeout(either: Any) -> None:
    call = either.Hello(HelloRequest(name="hang"), timeout=0.1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_unary_calls_have_a_default_deadline(world: Any) -> None:
    world.book.know(await world.greeter("g1"))
    stub = await world.stub(timeout=0.1)
    call = stub.Hello(HelloRequest(name="hang"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.details().startswith("g1 at 127.0.0.1:")
    assert stub.ListHellos(HelloRequest()).time_remaining() is None
    unending = stub.Hello(HelloRequest(name="hang"), timeout=float("inf"))
    assert unending.time_remaining() is None
    unending.cancel()


async def test_cancelling_the_call(either: Any) -> None:
    call = either.Hello(HelloRequest(name="hang"))
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert call.cancelled()
    assert call.done()


async def test_cancelling_whoever_awaits_cancels_the_call(either: Any) -> None:
    for call in (either.Hello(HelloRequest(name="hang")), either.CollectNames()):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call
        assert await call.code() is grpc.StatusCode.CANCELLED
        assert call.cancelled()


async def test_cancelling_whoever_reads_cancels_the_stream(either: Any) -> None:
    call = either.ListHellos(HelloRequest(name="hang"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            async for _ in call:
                pass
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_cancelled_calls_are_counted_out(world: Any) -> None:
    world.book.know(await world.greeter("g1"))
    transport = await world.transport()
    stub = SayStub(transport.channel("greeter"))
    await world.ready(transport, "g1")
    node = transport.pool("greeter").choose()
    calls = [stub.Hello(HelloRequest(name="hang")), stub.ListHellos(HelloRequest(name="hang")), stub.Chat()]
    calls += [stub.CollectNames(), stub.Hello(HelloRequest(name="hang"))]
    assert node.inflight == 5
    await calls[1].read()
    for call in calls:
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
    assert node.inflight == 0


async def test_a_call_that_nobody_awaits_is_sent(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub()
    stub.Hello(HelloRequest(name="fire and forget"))
    await world.until(lambda: greeter.say.calls)


async def test_an_iterator_that_fails_cancels_the_call(either: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def failing() -> AsyncIterator[HelloRequest]:
        yield HelloRequest(name="a")
        raise ValueError("no more")

    with pytest.raises(asyncio.CancelledError):
        await either.CollectNames(failing())


async def test_an_unfinished_iterator_ends_with_its_call(world: Any) -> None:
    """The other tests' leak check would find the task that reads it."""
    world.book.know(await world.greeter("g1"))
    stub = await world.stub()
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[HelloRequest]:
        try:
            yield HelloRequest(name="a")
            await asyncio.sleep(1000)
        finally:
            ended.set()

    call = stub.Chat(endless())
    assert (await call.read()).message == "Hello a"
    call.cancel()
    await ended.wait()


async def test_compression_and_call_credentials_are_passed_on(world: Any) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "greeter.test")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    server = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    greeter = await world.greeter("g1", credentials=server)
    world.book.know(greeter)
    client = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    stub = await world.stub(dialing=Dialing(client, options=(("grpc.ssl_target_name_override", "greeter.test"),)))
    reply = await stub.Hello(
        HelloRequest(name="x" * 1000),
        credentials=grpc.access_token_call_credentials("secret"),
        compression=grpc.Compression.Gzip,
    )
    assert reply.served_by == "g1"
    seen = greeter.say.metadata.pop()
    assert seen["authorization"] == "Bearer secret"
    assert "gzip" in seen.get("grpc-internal-encoding-request", "gzip")


async def test_a_wrong_certificate_is_named(world: Any) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    server = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    world.book.know(await world.greeter("g1", credentials=server))
    stub = await world.stub(dialing=Dialing(grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Hello(HelloRequest())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.details()


class Stamp(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds metadata, and sees the reply."""

    def __init__(self) -> None:
        self.codes: list[grpc.StatusCode] = []

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        metadata.add("stamp", "yes")
        call = await continuation(details._replace(metadata=metadata), request)
        self.codes.append(await call.code())
        return call


class StampStreams(grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(details, requests)


async def test_interceptors_see_each_attempt(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stamp = Stamp()
    stub = await world.stub(dialing=Dialing(interceptors=(stamp, StampStreams())), idempotent={"*"})
    call = stub.Hello(HelloRequest(name="fail once"))
    done: list[Any] = []
    call.add_done_callback(done.append)
    assert (await call).served_by == "g1"
    assert done == [call]
    assert stamp.codes == [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK]
    assert greeter.say.metadata.pop()["stamp"] == "yes"
    assert [reply.message async for reply in stub.Chat(arequests("a"))] == ["Hello a"]
    chat = stub.Chat()
    await chat.write(HelloRequest(name="b"))
    assert (await chat.read()).message == "Hello b"
    chat.cancel()


class Broken(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        raise LookupError("the interceptor's own")


async def test_an_interceptors_own_error_reaches_the_caller(world: Any) -> None:
    world.book.know(await world.greeter("g1"))
    stub = await world.stub(dialing=Dialing(interceptors=(Broken(),)), idempotent={"*"})
    call = stub.Hello(HelloRequest())
    with pytest.raises(LookupError, match="own"):
        await call
    assert call.done()
    assert not call.cancelled()


async def test_options_that_cannot_be_used(world: Any) -> None:
    with pytest.raises(BadConfiguration, match="above 0"):
        await world.transport(timeout=0)
    world.book.know(await world.greeter("g1"))
    stub = await world.stub(dialing=Dialing(interceptors=("none",)))
    with pytest.raises(grpc.aio.AioRpcError, match=r"cannot open a channel to 127\.0\.0\.1:.*Interceptor none must be"):
        await stub.Hello(HelloRequest())


async def test_a_closed_channel_takes_no_calls(world: Any) -> None:
    world.book.know(await world.greeter("g1"))
    transport = await world.transport()
    channel = transport.channel("greeter")
    assert transport.channel("greeter") is channel
    stub = SayStub(channel)
    waiting = stub.Hello(HelloRequest())
    await channel.channel_ready()
    hanging = stub.Hello(HelloRequest(name="hang"))
    assert channel.get_state() is grpc.ChannelConnectivity.READY
    async with channel:
        pass
    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert await waiting.code() is grpc.StatusCode.CANCELLED
    for start in (stub.Hello, stub.ListHellos, stub.CollectNames, stub.Chat):
        with pytest.raises(grpc.aio.UsageError, match="closed"):
            start(HelloRequest())
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        await channel.channel_ready()
    assert world.book.closed == 1
    again = transport.channel("greeter")
    assert again is not channel
    assert (await SayStub(again).Hello(HelloRequest(name="x"))).served_by == "g1"


async def test_closing_with_grace_lets_calls_finish(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    channel = (await world.transport()).channel("greeter")
    await channel.channel_ready()
    call = SayStub(channel).Hello(HelloRequest(name="hang"))
    asyncio.get_running_loop().call_later(0.1, greeter.say.release.set)
    began = time.monotonic()
    await channel.close(60)
    assert time.monotonic() - began < 30
    assert (await call).served_by == "g1"
