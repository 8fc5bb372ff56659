"""Clients and services together, on a registry in memory: what both sides promise each other about drain."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server

from muster import Service
from muster.grpc.transport import GrpcTransport
from muster.model.events import AttemptFailed, Event
from muster.registry.memory import Memory
from muster.serve.settings import Timing
from muster.watch.hub import Hub

pytestmark = pytest.mark.anyio

TIMING = Timing(drain=0.2, stop=2.0)


class Say(SayServicer):
    def __init__(self, label: str) -> None:
        self.label = label

    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        await asyncio.sleep(0.002)
        return HelloReply(served_by=self.label)


@pytest.fixture
def registry() -> Memory:
    return Memory(f"test-{uuid4()}")


def greeter(registry: Memory, label: str) -> Service:
    service = Service("greeter", registry=registry, timing=TIMING)
    service.add(add_SayServicer_to_server, Say(label))
    return service


@pytest.fixture
async def events() -> list[Event]:
    return []


@pytest.fixture
async def transport(registry: Memory, events: list[Event]) -> AsyncIterator[GrpcTransport]:
    async with Hub(registry) as hub, GrpcTransport(hub, observe=events.append) as transport:
        yield transport


async def test_a_rolling_restart_fails_no_call(registry: Memory, transport: GrpcTransport, events: list[Event]) -> None:
    """None of the calls is declared idempotent, and none is even sent twice."""
    stub = SayStub(transport.channel("greeter"))
    served: Counter[str] = Counter()
    stopping = False

    async def load() -> None:
        while not stopping:
            served[(await stub.Hello(HelloRequest())).served_by] += 1

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        running = [AsyncExitStack() for _ in range(3)]
        for number, one in enumerate(running):
            await stack.enter_async_context(one)
            await one.enter_async_context(greeter(registry, f"old-{number}").running())
        for _ in range(8):
            group.create_task(load())
        for number, one in enumerate(running):
            await one.aclose()
            await one.enter_async_context(greeter(registry, f"new-{number}").running())
        served.clear()
        while len(served) < 3 or served.total() < 100:
            await asyncio.sleep(0.01)
        stopping = True
    assert set(served) == {"new-0", "new-1", "new-2"}
    assert [event for event in events if isinstance(event, AttemptFailed)] == []


async def test_calls_wait_for_a_service_that_is_about_to_register(registry: Memory, transport: GrpcTransport) -> None:
    call = SayStub(transport.channel("greeter")).Hello(HelloRequest(), wait_for_ready=True)
    async with greeter(registry, "late").running():
        assert (await call).served_by == "late"
