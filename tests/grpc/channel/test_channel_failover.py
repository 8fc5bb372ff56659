"""Which failed attempts go to another instance."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.call.retry import RetryPolicy
from muster.grpc.ending import claims_loss
from muster.grpc.method import declared_idempotent
from muster.model.events import AttemptFailed, RetryBudgetExhausted
from muster.model.instance import Instance

pytestmark = pytest.mark.anyio

HELLO = "/greeter.Say/Hello"
SETTINGS, RST_STREAM, HEADERS, PING, GOAWAY = 4, 3, 1, 6, 7
REFUSED_STREAM = 7


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113, section 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Misbehaving:
    """An HTTP/2 server that answers every call with the same frames."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = answers
        self.calls = 0

    async def __aenter__(self) -> Misbehaving:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.tasks = set[asyncio.Task[Any]]()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for task in self.tasks:
            task.cancel()

    @property
    def instance(self) -> Instance:
        return Instance(f"bad-{self.port}", "greeter", "127.0.0.1", self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await self.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        writer.write(frame(SETTINGS, 0, 0))
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind in (SETTINGS, PING) and not flags & 1:
                writer.write(frame(kind, 1, 0, payload if kind == PING else b""))
            if kind == HEADERS:
                self.calls += 1
                for answer in self.answers:
                    if answer is None:
                        return
                    writer.write(answer.replace(b"STRM", struct.pack(">I", stream)))


def reset(code: int) -> bytes:
    return frame(RST_STREAM, 0, 0, struct.pack(">I", code))[:5] + b"STRM" + struct.pack(">I", code)


GOING_AWAY_BEFORE_IT = frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0))
GOING_AWAY_AFTER_IT = frame(GOAWAY, 0, 0, b"STRM" + struct.pack(">I", 0))

NOT_PROCESSED = {
    "refused stream": (reset(REFUSED_STREAM),),
    "going away": (GOING_AWAY_BEFORE_IT,),
    "going away in error": (frame(GOAWAY, 0, 0, struct.pack(">II", 0, 2)),),
}
PERHAPS_PROCESSED = {
    "closed": (None,),
    "going away after it, closed": (GOING_AWAY_AFTER_IT, None),
    "reset": (reset(2),),
    "reset, cancelled": (reset(8),),
}


async def first_to(world: Any, bad: Misbehaving, **options: Any) -> tuple[Any, Any]:
    """A stub whose next call goes to `bad`, and a good greeter besides."""
    good = await world.greeter("good")
    transport = await world.transport(**options)
    stub = SayStub(transport.channel("greeter"))
    world.book.know(good, bad.instance)
    await world.ready(transport, "good", bad.instance.id)
    while transport.pool("greeter").choose().instance.id == bad.instance.id:
        pass
    return stub, good


@pytest.mark.parametrize("answers", NOT_PROCESSED.values(), ids=NOT_PROCESSED.keys())
async def test_what_was_not_processed_goes_to_another_instance(world: Any, answers: Any) -> None:
    """This pins the texts by which gRPC tells, on real connections."""
    async with Misbehaving(*answers) as bad:
        stub, _ = await first_to(world, bad)
        call = stub.Hello(HelloRequest(name="x"), timeout=30)
        assert (await call).served_by == "good"
        assert bad.calls == 1
        assert await call.code() is grpc.StatusCode.OK
        assert dict(await call.trailing_metadata())["done-by"] == "good"
        assert [(event.attempt, event.retrying) for event in world.told(AttemptFailed)] == [(1, True)]


@pytest.mark.parametrize("answers", NOT_PROCESSED.values(), ids=NOT_PROCESSED.keys())
async def test_streams_that_were_not_processed_go_to_another_instance(world: Any, answers: Any) -> None:
    async with Misbehaving(*answers) as bad:
        stub, _ = await first_to(world, bad)
        names = (HelloRequest(name=name) for name in "abc")
        assert (await stub.CollectNames(names)).message == "a, b, c"
    async with Misbehaving(*answers) as bad:
        world.book.know()
        stub, _ = await first_to(world, bad)
        assert len([reply async for reply in stub.ListHellos(HelloRequest(name="x"))]) == 3
        assert bad.calls == 1


async def test_a_stream_that_is_written_and_read_goes_to_another_instance(world: Any) -> None:
    async with Misbehaving(reset(REFUSED_STREAM)) as bad:
        stub, _ = await first_to(world, bad)
        call = stub.Chat()
        for name in ("a", "b"):
            await call.write(HelloRequest(name=name))
        await call.done_writing()
        assert [(await call.read()).message for _ in range(2)] == ["Hello a", "Hello b"]
        assert await call.read() is grpc.aio.EOF
        assert bad.calls == 1


async def test_whatever_is_asked_of_a_call_is_asked_of_its_last_attempt(world: Any) -> None:
    async with Misbehaving(reset(REFUSED_STREAM)) as bad:
        for ask, answer in [
            (lambda call: call.code(), lambda code: code is grpc.StatusCode.OK),
            (lambda call: call.initial_metadata(), lambda metadata: dict(metadata)["served-by"] == "good"),
            (lambda call: call.wait_for_connection(), lambda nothing: nothing is None),
        ]:
            world.book.know()
            stub, _ = await first_to(world, bad)
            call = stub.Hello(HelloRequest(name="x"))
            assert answer(await ask(call))
            assert (await call).served_by == "good"


@pytest.mark.parametrize("answers", PERHAPS_PROCESSED.values(), ids=PERHAPS_PROCESSED.keys())
async def test_what_may_have_been_processed_is_not_repeated(world: Any, answers: Any) -> None:
    async with Misbehaving(*answers) as bad:
        stub, good = await first_to(world, bad)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Hello(HelloRequest(name="x"), timeout=30)
        assert bad.instance.id in caught.value.details()
        assert (bad.calls, good.say.calls) == (1, 0)


@pytest.mark.parametrize("answers", [(None,), (GOING_AWAY_AFTER_IT, None), (reset(8),)])
async def test_idempotent_calls_are_repeated(world: Any, answers: Any) -> None:
    async with Misbehaving(*answers) as bad:
        stub, _ = await first_to(world, bad, idempotent={HELLO})
        assert (await stub.Hello(HelloRequest(name="x"), timeout=30)).served_by == "good"
        assert bad.calls == 1


async def test_nobody_else_to_send_it_to(world: Any) -> None:
    async with Misbehaving(GOING_AWAY_BEFORE_IT) as bad:
        transport = await world.transport(policy=RetryPolicy(resends=3))
        stub = SayStub(transport.channel("greeter"))
        world.book.know(bad.instance)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Hello(HelloRequest(name="x"), timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert f"{bad.instance.id} at 127.0.0.1" in caught.value.details() or "connection" in caught.value.details()
        assert 1 <= bad.calls <= 4


async def test_the_text_of_a_refused_connection() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{closed.getsockname()[1]}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await SayStub(channel).Hello(HelloRequest())
    assert claims_loss(caught.value.details() or "")


@pytest.mark.parametrize(
    "text",
    [
        "failed to connect to all addresses; last error: ...",
        "Stream removed (GOAWAY received; Error code: 0; Debug Text: )",
        "g7 at 10.0.0.1:80: Stream removed (RST_STREAM (Received RST_STREAM with error code 7))",
    ],
)
async def test_an_error_that_a_servicer_passes_on_is_not_taken_for_the_transports(world: Any, text: str) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    world.book.know(*greeters)
    stub = await world.stub()
    with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
        await stub.Hello(HelloRequest(name=f"text:{text}"))
    assert sum(greeter.say.calls for greeter in greeters) == 1


async def test_a_call_that_nobody_awaits_is_repeated_too(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={HELLO})
    done = asyncio.Event()
    stub.Hello(HelloRequest(name="fail once")).add_done_callback(lambda _: done.set())
    await done.wait()
    assert greeter.say.calls == 2


async def test_attempts_have_an_end(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    world.book.know(*greeters)
    stub = await world.stub(idempotent={HELLO})
    call = stub.Hello(HelloRequest(name="fail:UNAVAILABLE"))
    with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE as asked"):
        await call
    assert await call.details() == "UNAVAILABLE as asked"
    assert sum(greeter.say.calls for greeter in greeters) == 3
    failed = [(event.method, event.code, event.attempt, event.retrying) for event in world.told(AttemptFailed)]
    assert failed == [(HELLO, "UNAVAILABLE", number, number < 3) for number in (1, 2, 3)]


async def test_answers_are_neither_repeated_nor_told(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={"*"})
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Hello(HelloRequest(name="fail:NOT_FOUND"))
    assert greeter.say.calls == 1
    assert not world.told(AttemptFailed)


async def test_the_budget_ends_a_storm(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={HELLO}, policy=RetryPolicy(attempts=2, initial=0.0))
    calls = [stub.Hello(HelloRequest(name="fail:UNAVAILABLE")) for _ in range(300)]
    await asyncio.gather(*calls, return_exceptions=True)
    assert greeter.say.calls == pytest.approx(300 + 100 + 60, abs=2)
    assert len(world.told(RetryBudgetExhausted)) == pytest.approx(140, abs=2)


async def test_the_timeout_is_for_all_attempts(world: Any) -> None:
    world.book.know(await world.greeter("g1"))
    stub = await world.stub(
        idempotent={HELLO}, policy=RetryPolicy(attempts=1000, codes=frozenset({"UNAVAILABLE"}), maximum=0.01)
    )
    call = stub.Hello(HelloRequest(name="fail:UNAVAILABLE"), timeout=0.3)
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert call.time_remaining() < 0.05


async def test_cancelling_between_attempts(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={HELLO}, policy=RetryPolicy(initial=1000, maximum=1000))
    call = stub.Hello(HelloRequest(name="fail:UNAVAILABLE"), timeout=5000)
    await world.until(lambda: world.told(AttemptFailed))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await call
    assert call.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert greeter.say.calls == 1


async def test_no_retries_where_they_are_switched_off(world: Any) -> None:
    allowed = [False]
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={HELLO}, retries=lambda name: allowed[0])
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Hello(HelloRequest(name="fail:UNAVAILABLE"))
    assert greeter.say.calls == 1
    allowed[0] = True
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Hello(HelloRequest(name="fail:UNAVAILABLE"))
    assert greeter.say.calls == 4


async def test_streams_are_repeated_only_before_the_first_message(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    world.book.know(*greeters)
    stub = await world.stub(idempotent={"*"})
    with pytest.raises(grpc.aio.AioRpcError):
        await anext(aiter(stub.ListHellos(HelloRequest(name="fail"))))
    assert sum(greeter.say.calls for greeter in greeters) == 3
    received: list[str] = []
    with pytest.raises(grpc.aio.AioRpcError):
        async for reply in stub.ListHellos(HelloRequest(name="fail after")):
            received.append(reply.message)
    assert received == ["0", "1", "2"]
    assert sum(greeter.say.calls for greeter in greeters) == 4


async def test_a_short_stream_of_requests_is_repeated_and_a_long_one_is_not(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={"*"})

    async def names(*more: str) -> AsyncIterator[HelloRequest]:
        for name in ("fail", *more):
            yield HelloRequest(name=name)

    assert (await stub.CollectNames(names("a"))).message == "fail, a"
    assert greeter.say.calls == 2
    greeter.say.calls = 0
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.CollectNames(names(*("a" * 20)))
    assert greeter.say.calls == 1


def test_the_proto_may_declare_a_method_idempotent() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="idempotency_test.proto", package="idempotency_test")
    file.message_type.add(name="Empty")
    service = file.service.add(name="Say")
    for name, level in [("Write", 0), ("Read", 1), ("Set", 2)]:
        method = service.method.add(
            name=name, input_type=".idempotency_test.Empty", output_type=".idempotency_test.Empty"
        )
        method.options.idempotency_level = level  # type: ignore[assignment]
    descriptor_pool.Default().Add(file)
    declared = [declared_idempotent(f"/idempotency_test.Say/{name}") for name in ("Write", "Read", "Set", "Unknown")]
    assert declared == [False, True, True, False]
    assert not declared_idempotent("no path at all")
