"""Handlers of a class, asked by gRPC clients that know nothing of muster."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import msgspec
import pytest
from tests.app.typed.conftest import Greeter

pytestmark = pytest.mark.anyio

Status = grpc.StatusCode


async def ask(channel: grpc.aio.Channel, method: str, request: bytes, **options: Any) -> Any:
    return msgspec.json.decode(await channel.unary_unary(f"/greeter.Say/{method}")(request, **options))


async def test_json_in_and_out(channel: grpc.aio.Channel) -> None:
    assert await ask(channel, "Hello", b'{"name": "world"}') == {"message": "Hello world"}
    assert await ask(channel, "Ping", b"") is None


async def test_streams(channel: grpc.aio.Channel) -> None:
    many = channel.unary_stream("/greeter.Say/ListHellos")(b'{"name": "x", "times": 2}')
    assert [msgspec.json.decode(each) async for each in many] == [{"message": "0 x"}, {"message": "1 x"}]
    assert await channel.stream_unary("/greeter.Say/Collect")(iter([b'"a"', b'"b"'])) == b'["a","b"]'
    both = channel.stream_stream("/greeter.Say/Chat")(iter([b'"a"', b'"b"']))
    assert [each async for each in both] == [b'"A"', b'"B"']


@pytest.mark.parametrize(
    ("method", "request_", "code", "text"),
    [
        ("Hello", b'{"name": 5}', Status.INVALID_ARGUMENT, "got `int` - at `$.name`"),
        ("Hello", b"", Status.INVALID_ARGUMENT, "nothing was sent"),
        ("Hello", b'{"z": ' + b"[" * 100_000, Status.INVALID_ARGUMENT, "nested too deep"),
        ("Hello", b" " * 1_000_001, Status.RESOURCE_EXHAUSTED, "larger than max"),
        ("Hello", b'{"name": "nobody"}', Status.NOT_FOUND, "nobody of that name"),
        ("Hello", b'{"name": "teapot"}', Status.UNKNOWN, "short and stout"),
        ("Goodbye", b"{}", Status.UNIMPLEMENTED, ""),
    ],
)
async def test_a_refusal_has_a_code(
    channel: grpc.aio.Channel, method: str, request_: bytes, code: grpc.StatusCode, text: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ask(channel, method, request_)
    assert raised.value.code() is code
    assert text in str(raised.value.details())


async def test_a_bug_is_told_to_the_log_alone(channel: grpc.aio.Channel, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ask(channel, "Hello", b'{"name": "bug"}')
    assert raised.value.code() is Status.INTERNAL
    assert raised.value.details() == "/greeter.Say/Hello failed; the service's log says why"
    assert [each.name for each in caplog.records if each.exc_info] == ["muster.rpc"]


async def test_the_deadline_cancels_the_handler(channel: grpc.aio.Channel, greeter: Greeter) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ask(channel, "Hello", b'{"name": "wait"}', timeout=0.1)
    assert raised.value.code() is Status.DEADLINE_EXCEEDED
    async with asyncio.timeout(30):
        await greeter.notes.cancelled.wait()


async def test_what_a_handler_knows_of_its_call(channel: grpc.aio.Channel) -> None:
    metadata = (("tenant", "acme"), ("traceparent", "00-1-2-01"))
    call = await ask(channel, "Call", b"", metadata=metadata, timeout=5)
    assert (call["method"], call["tenant"], call["trace"]) == ("/greeter.Say/Call", "acme", "00-1-2-01")
    assert call["caller"].startswith("ipv4:127.0.0.1:")
    assert 0 < call["remaining"] < 5.1  # gRPC rounds up


async def test_another_name_for_the_service_is_understood(channel: grpc.aio.Channel) -> None:
    """A client knows it by the name in the registry, which may have been set."""
    assert await channel.unary_unary("/elsewhere.Say/Hello")(b'{"name": "x"}') == b'{"message":"Hello x"}'


async def test_the_schema_is_a_method(channel: grpc.aio.Channel) -> None:
    described = msgspec.json.decode(await channel.unary_unary("/muster.Schema/Describe")(b""))
    assert "/greeter.Say/Hello" in [each["path"] for each in described["endpoints"]]
