"""Calls that belong together go to the same instance: the picker's key is taken from their metadata."""

from __future__ import annotations

from typing import Any

import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.balance.balancing import Balancing

pytestmark = pytest.mark.anyio


async def test_the_same_key_the_same_instance(world: Any) -> None:
    greeters = [await world.greeter(f"g{number}") for number in range(3)]
    transport = await world.transport(balancing=Balancing(picker="rendezvous", key="user"), idempotent={"*"})
    world.book.know(*greeters)
    await world.ready(transport, "g0", "g1", "g2")
    stub = SayStub(transport.channel("greeter"))

    async def served(user: str, name: str = "x") -> str:
        reply = await stub.Hello(HelloRequest(name=name), metadata=(("user", user), ("trace", "t")))
        return str(reply.served_by)

    homes = {f"u{number}": await served(f"u{number}") for number in range(30)}
    assert set(homes.values()) == {"g0", "g1", "g2"}
    assert {user: await served(user) for user in homes} == homes
    # Another attempt goes to another instance, and the next call is at home again.
    user = next(user for user, home in homes.items() if home == "g0")
    greeters[0].say.calls = 0
    assert await served(user, "fail once") != "g0"
    assert await served(user) == "g0"
    assert (await stub.Hello(HelloRequest(name="x"))).served_by
