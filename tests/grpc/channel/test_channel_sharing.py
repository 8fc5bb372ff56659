"""Channels to the same name share connections, whomever each of them wants."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import grpc.aio
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.balance.selector import Selector
from muster.grpc.transport import Dialing
from muster.model.events import InstanceEjected

pytestmark = pytest.mark.anyio

X = HelloRequest(name="x")
NEW = Selector(version="2.x")
REQUEST: ContextVar[str] = ContextVar("request", default="none")


async def two(world: Any, **options: Any) -> tuple[Any, Any, Any]:
    """A transport, an instance of version 1 and one of version 2."""
    old, new = [await world.greeter("g1"), await world.greeter("g2")]
    world.book.know(replace(old.instance, version="1.0.0"), replace(new.instance, version="2.0.0"))
    return await world.transport(**options), old, new


async def test_one_connection_to_an_instance(world: Any) -> None:
    transport, old, new = await two(world)
    narrow, wide = SayStub(transport.channel("greeter", (), NEW)), SayStub(transport.channel("greeter"))
    await world.ready(transport, "g1", "g2")
    assert {(await narrow.Hello(X)).served_by for _ in range(4)} == {"g2"}
    assert {(await wide.Hello(X)).served_by for _ in range(4)} == {"g1", "g2"}
    assert (len(old.say.peers), len(new.say.peers)) == (1, 1)


async def test_who_is_wanted_by_nobody_is_not_connected_to(world: Any) -> None:
    transport, *_ = await two(world)
    narrow = transport.channel("greeter", (), NEW)
    assert (await SayStub(narrow).Hello(X)).served_by == "g2"
    pool = transport.pool("greeter", (), NEW)
    connections = {one.instance.id: one.connection for one in pool.explain().candidates}
    assert connections == {"g1": "connecting", "g2": "ready"}
    assert len(pool._members._connections) == 1
    wide = transport.channel("greeter")
    await world.ready(transport, "g1", "g2")
    assert len(pool._members._connections) == 2
    await wide.close()
    assert len(pool._members._connections) == 1
    assert (await SayStub(narrow).Hello(X)).served_by == "g2"
    assert not world.told(InstanceEjected)


async def test_a_channel_that_closes_leaves_the_others_theirs(world: Any) -> None:
    transport, _, new = await two(world)
    narrow, wide = transport.channel("greeter", (), NEW), transport.channel("greeter")
    await world.ready(transport, "g1", "g2")
    held = SayStub(narrow).Hello(HelloRequest(name="hang"))
    await world.until(lambda: new.say.calls)
    await narrow.close()
    assert {(await SayStub(wide).Hello(X)).served_by for _ in range(4)} == {"g1", "g2"}
    new.say.release.set()
    assert (await held).served_by == "g2"
    assert not world.book.closed
    await wide.close()
    assert world.book.closed == 1


async def test_faults_on_one_channel_count_for_all(world: Any) -> None:
    transport, *_ = await two(world)
    narrow, wide = SayStub(transport.channel("greeter", (), NEW)), SayStub(transport.channel("greeter"))
    await world.ready(transport, "g1", "g2")
    for _ in range(5):
        with pytest.raises(Exception, match="INTERNAL as asked"):
            await narrow.Hello(HelloRequest(name="fail:INTERNAL"))
    assert {(await wide.Hello(X)).served_by for _ in range(4)} == {"g1"}
    assert [event.instance_id for event in world.told(InstanceEjected)] == ["g2"]


class Noting(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    """In whose context streams are begun, as a tracing library would see it."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        method = client_call_details.method.decode()
        self.seen.add((method.rpartition("/")[2], REQUEST.get()))
        return await continuation(client_call_details, request)


async def test_a_connection_is_no_part_of_the_request_that_began_it(world: Any) -> None:
    noting = Noting()
    transport, *_ = await two(world, dialing=Dialing(interceptors=[noting]))
    REQUEST.set("the first")
    assert [each async for each in SayStub(transport.channel("greeter")).ListHellos(X)]
    assert noting.seen == {("Watch", "none"), ("ListHellos", "the first")}
