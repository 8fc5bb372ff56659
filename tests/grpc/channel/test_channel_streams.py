"""Streams of requests that the server ends while they are being written.

grpc.aio by itself tells INTERNAL then in half of the calls, so every case is tried often.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloRequest

from muster.grpc.transport import Dialing

pytestmark = pytest.mark.anyio

OFTEN = 50


class Streams(grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(details, requests)


class Replies(grpc.aio.StreamStreamClientInterceptor):
    """In the manner of tracing libraries, which give back an iterator."""

    async def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        call = await continuation(details, requests)
        return (reply async for reply in call)


class Requests(grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(details, requests)


INTERCEPTORS = {"plain": (), "intercepted": (Streams(), Requests()), "replaced": (Replies(),)}


async def endless(last: str) -> AsyncIterator[HelloRequest]:
    yield HelloRequest(name="a")
    while True:
        yield HelloRequest(name=last)


async def collect(stub: Any, last: str) -> list[str]:
    return [(await stub.CollectNames(endless(last))).message]


async def iterate(stub: Any, last: str) -> list[str]:
    return [reply.message async for reply in stub.Chat(endless(last))]


async def read(stub: Any, last: str) -> list[str]:
    call = stub.Chat(endless(last))
    replies = []
    while (reply := await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined, unused-ignore]
        replies.append(reply.message)
    return replies


async def write(stub: Any, last: str) -> list[str]:
    call = stub.Chat()
    try:
        async for request in endless(last):
            await call.write(request)
    except asyncio.InvalidStateError:
        return [reply.message async for reply in call]
    raise AssertionError("it never ends")


@pytest.fixture(params=INTERCEPTORS)
async def stub(world: Any, request: pytest.FixtureRequest) -> Any:
    world.book.know(await world.greeter("g1"))
    return await world.stub(dialing=Dialing(interceptors=INTERCEPTORS[request.param]))


@pytest.mark.parametrize("how", [collect, iterate, read])
async def test_what_a_server_answers_before_it_has_read_all(stub: Any, how: Any) -> None:
    async with asyncio.timeout(30):
        answers = [await how(stub, "enough") for _ in range(OFTEN)]
    assert answers == [["a, enough"] if how is collect else ["Hello a"]] * OFTEN


@pytest.mark.parametrize("how", [collect, iterate, read])
async def test_a_refusal_amid_the_requests(stub: Any, how: Any) -> None:
    async with asyncio.timeout(30):
        for _ in range(OFTEN):
            with pytest.raises(grpc.aio.AioRpcError, match="as asked") as caught:
                await how(stub, "refuse")
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            assert caught.value.trailing_metadata()["why"] == "asked"


async def test_an_end_amid_writes(stub: Any) -> None:
    async with asyncio.timeout(30):
        answers = [await write(stub, "enough") for _ in range(5)]
    assert answers == [["Hello a"]] * 5
