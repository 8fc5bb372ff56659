"""A server's word on when to try again is honoured."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloRequest

from muster.call.retry import RetryPolicy

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("said", "calls"), [("0", 3), ("-1", 1), ("soon", 1), ("60000", 1)])
async def test_it_is_honoured(world: Any, said: str, calls: int) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={"*"})
    with pytest.raises(grpc.aio.AioRpcError, match="not now"):
        await stub.Hello(HelloRequest(name=f"push back:{said}"))
    assert greeter.say.calls == calls


async def test_a_pushback_beats_the_backoff(world: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.know(greeter)
    stub = await world.stub(idempotent={"*"}, policy=RetryPolicy(initial=60.0, maximum=60.0))
    with pytest.raises(grpc.aio.AioRpcError, match="not now"):
        await stub.Hello(HelloRequest(name="push back:5"), timeout=30)
    assert greeter.say.calls == 3
