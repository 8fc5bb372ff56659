"""A shop with one service, a client that finds it, and a gateway before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

import muster
from muster.gateway import Gateway
from muster.model.check import CheckState, Health, TTLCheck
from muster.model.instance import GRPC, Instance, split_host_port
from muster.model.service import Registration
from muster.registry.memory import Memory
from muster.testing.protos import compiled, offering

SHOP = """
syntax = "proto3";
package shop.v1;
service Till {
  rpc Sell(Order) returns (Receipt);
  rpc ListSales(Order) returns (stream Receipt);
}
enum Size { SMALL = 0; LARGE = 1; }
message Order {
  string item = 1;
  int32 count = 2;
  repeated string mark = 3;
  Address address = 4;
  bool gift = 5;
  Size size = 6;
}
message Address { string city = 1; }
message Receipt { Order order = 1; int64 total_cents = 2; string sold_by = 3; }
"""

OTHER = """
syntax = "proto3";
package shop.v2;
service Till { rpc Sell(Order) returns (Order); }
message Order { string item = 1; }
"""


class Shop:
    """What a test sees of the services behind the gateway. The item of an order may be a command."""

    def __init__(self, types: DescriptorPool, stack: AsyncExitStack) -> None:
        self.registry = Memory(f"gateway {id(self)}")
        self.metadata: list[dict[str, Any]] = []
        self.orders: list[Any] = []
        self.selling = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()
        self._types = types
        self._stack = stack

    async def open(self, name: str = "shop", *methods: str, **options: Any) -> str:
        """Serves and registers an instance of a service; returns its id."""
        instance_id = f"{name}-{len(self.orders)}-{id(options)}"
        handlers = dict.fromkeys(methods or ("shop.v1.Till.Sell", "shop.v1.Till.ListSales"), self.sell)
        address = await self._stack.enter_async_context(
            offering(self._types, handlers, instance=instance_id, **options)
        )
        host, port = split_host_port(address)
        instance = Instance(instance_id, name, host, port, GRPC, version="1")
        await self.registry.register(Registration(instance, (TTLCheck("self", 60.0),)))
        return instance_id

    async def fall_ill(self, instance_id: str) -> None:
        await self.registry.beat(instance_id, CheckState("self", Health.CRITICAL, "no tea left"))

    async def sell(self, order: Any, context: Any) -> Any:
        self.orders.append(order)
        self.metadata.append(dict(context.invocation_metadata()))
        self.selling.set()
        command, _, argument = order.item.partition(":")
        if command == "fail":
            await context.abort(getattr(grpc.StatusCode, argument), "as ordered")
        if command == "wait":
            await self._wait()
        await context.send_initial_metadata((("till", "7"), ("grpc-odd", "x")))
        receipt = GetMessageClass(self._types.FindMessageTypeByName("shop.v1.Receipt"))
        return receipt(order=order, total_cents=2**40, sold_by="x" * int(argument or 0))

    async def _wait(self) -> None:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@pytest.fixture(scope="module", autouse=True)
async def one_loop(anyio_backend: str) -> AsyncIterator[None]:
    """Keeps the event loop for a module: grpc.aio has one poller a process, and an operation that ends after the loop
    of its test was closed would raise in the next one. Not for the session: tests with virtual time need their own."""
    yield
    await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
def types() -> DescriptorPool:
    return compiled(shop=SHOP, other=OTHER)


@pytest.fixture
async def shop(types: DescriptorPool) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        yield Shop(types, stack)


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[muster.Client]:
    async with muster.Client(shop.registry) as client:
        yield client


@pytest.fixture
async def gateway(client: muster.Client) -> AsyncIterator[Gateway]:
    async with Gateway(client, "127.0.0.1:0") as gateway:
        yield gateway


@pytest.fixture
async def web(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the gateway."""
    async with aiohttp.ClientSession(gateway.url) as session:
        yield session
