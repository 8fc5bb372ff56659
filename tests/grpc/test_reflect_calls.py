"""muster.grpc.calls: calling by name, on real servers of one version and of several."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

import muster
from muster.balance.balancing import Balancing
from muster.client.pool import settled
from muster.grpc import calls, schemas
from muster.model.errors import Fault, NoInstances, RegistryUnavailable, Rejected
from muster.model.instance import Instance, split_host_port
from muster.model.service import Registration
from muster.registry.memory import Memory
from muster.testing.protos import compiled, offering

pytestmark = pytest.mark.anyio

V1 = """
syntax = "proto3";
package shop;
service Till {
  rpc Sell(Order) returns (Receipt);
  rpc Watch(Order) returns (stream Receipt);
}
message Order { string item = 1; int32 count = 2; }
message Receipt { string text = 1; int64 total = 2; }
"""
V2 = """
syntax = "proto3";
package shop;
service Till {
  rpc Sell(Order) returns (Receipt);
  rpc Refund(Order) returns (Receipt) { option idempotency_level = IDEMPOTENT; }
}
message Order { int32 count = 1; string item = 2; string coupon = 3; }
message Receipt { int64 total = 1; string text = 2; }
"""


@pytest.fixture(scope="module", autouse=True)
async def one_loop(anyio_backend: str) -> None:
    """Keeps the event loop for the whole file: grpc.aio has one poller a process, and an operation that ends after
    the loop of its test was closed would raise in the next one."""


@pytest.fixture(scope="module")
def v1() -> DescriptorPool:
    return compiled(shop=V1)


@pytest.fixture(scope="module")
def v2() -> DescriptorPool:
    return compiled(shop=V2)


class Shop:
    """Servers of some versions under one name in a registry, and a client."""

    def __init__(self, registry: Memory, stack: AsyncExitStack) -> None:
        self.registry = registry
        self.served: list[str] = []
        self.metadata: list[dict[str, Any]] = []
        self.reflected = 0
        self.serving = asyncio.Event()
        self.failures: dict[str, list[grpc.StatusCode]] = {}
        self._stack = stack

    async def open(self, instance_id: str, pool: DescriptorPool, version: str, **options: Any) -> None:
        receipt = GetMessageClass(pool.FindMessageTypeByName("shop.Receipt"))

        async def sell(order: Any, context: Any) -> Any:
            self.served.append(instance_id)
            self.serving.set()
            self.metadata.append(dict(context.invocation_metadata()))
            if self.failures.get(instance_id):
                await context.abort(self.failures[instance_id].pop(), "as told")
            if order.item == "never":
                await asyncio.Event().wait()
            await context.send_initial_metadata((("served-by", instance_id), ("raw-bin", b"\0\1")))
            return receipt(text=f"{order.count} {order.item}" * (1 + (order.item == "much") * 20_000), total=2**40)

        methods = pool.FindServiceByName("shop.Till").methods
        handlers = {method.full_name: sell for method in methods if not method.server_streaming}
        address = await self._stack.enter_async_context(offering(pool, handlers, instance=instance_id, **options))
        host, port = split_host_port(address)
        instance = Instance(instance_id, "shop", host, port, "grpc", version, endpoints=f"digest of {version}")
        await self.registry.register(Registration(instance))

    async def close(self, instance_id: str) -> None:
        await self.registry.deregister(instance_id)


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        shop = Shop(Memory(f"shop {id(stack)}"), stack)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            shop.reflected += 1
            return await describe(*args, **kwargs)

        describe = schemas.describe
        monkeypatch.setattr(schemas, "describe", counted)
        yield shop


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[muster.Client]:
    async with muster.Client(shop.registry, balancing=Balancing(picker="round_robin")) as client:
        yield client


async def test_json_in_and_out(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    for method in ("Till.Sell", "shop.Till.Sell", "/shop.Till/Sell"):
        reply = await client.call("shop", method, {"item": "tea", "count": 2})
        assert reply == {"text": "2 tea", "total": str(2**40)}
    assert shop.reflected == 1


async def test_instances_take_turns(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    await shop.open("b", v1, "1")
    async with asyncio.timeout(30):
        while set(shop.served) != {"a", "b"}:
            await client.call("shop", "Till.Sell", {})
    shop.served.clear()
    for _ in range(10):
        await client.call("shop", "Till.Sell", {})
    assert shop.served.count("a") == shop.served.count("b") == 5


async def test_metadata_goes_and_comes(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    wanted = calls.Wanted(lambda endpoints: endpoints[0], lambda _: {})
    reply = await client.calls.perform("shop", wanted, metadata=(("tenant", "x"),))
    assert shop.metadata[0]["tenant"] == "x"
    assert ("served-by", "a") in reply.metadata
    assert ("raw-bin", b"\0\1") in reply.metadata


async def test_endpoints_are_listed(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    assert [endpoint.short for endpoint in await client.calls.endpoints("shop")] == ["Till.Sell", "Till.Watch"]


async def test_calls_at_once_read_the_schema_once(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    await shop.open("b", v1, "1")
    await asyncio.gather(*(client.call("shop", "Till.Sell", {}) for _ in range(20)))
    assert shop.reflected == 1


async def test_each_version_gets_messages_of_its_own(
    shop: Shop, client: muster.Client, v1: DescriptorPool, v2: DescriptorPool
) -> None:
    await shop.open("a", v1, "1")
    await shop.open("b", v2, "2")
    replies = [await client.call("shop", "Till.Sell", {"item": "tea", "count": 2}) for _ in range(6)]
    assert replies == [{"text": "2 tea", "total": str(2**40)}] * 6
    assert set(shop.served) == {"a", "b"}
    assert shop.reflected == 2


async def test_what_one_version_alone_has_is_found_there(
    shop: Shop, client: muster.Client, v1: DescriptorPool, v2: DescriptorPool
) -> None:
    await shop.open("a", v1, "1")
    await shop.open("b", v2, "2")
    for _ in range(4):
        await client.call("shop", "Till.Refund", {"item": "tea"})
        await client.call("shop", "Till.Sell", {"coupon": "x"})
    assert set(shop.served) == {"b"}


async def test_the_most_telling_fault_is_raised(
    shop: Shop, client: muster.Client, v1: DescriptorPool, v2: DescriptorPool
) -> None:
    await shop.open("a", v1, "1")
    await shop.open("b", v2, "2")
    for _ in range(4):
        with pytest.raises(Fault, match="unknown field 'cupon'; did you mean 'coupon'"):
            await client.call("shop", "Till.Refund", {"cupon": "x"})


async def test_a_version_that_goes_away_in_mid_call_is_replaced_by_another(
    shop: Shop, client: muster.Client, v1: DescriptorPool, v2: DescriptorPool
) -> None:
    await shop.open("a", v1, "1")
    assert (await client.call("shop", "Till.Sell", {"item": "tea"}))["text"] == "0 tea"
    await shop.open("b", v2, "2")
    await shop.close("a")
    while shop.served[-1] == "a":
        assert (await client.call("shop", "Till.Sell", {"item": "tea", "count": 1}))["text"] == "1 tea"


async def test_an_instance_without_a_version_is_asked_after_each_start(
    shop: Shop, client: muster.Client, v1: DescriptorPool, v2: DescriptorPool
) -> None:
    await shop.open("a", v1, "")
    await client.call("shop", "Till.Sell", {"item": "tea"})
    await shop.open("b", v2, "")
    await shop.close("a")
    async with asyncio.timeout(30):
        while shop.served[-1] != "b":
            await client.call("shop", "Till.Sell", {"item": "tea"})
    assert (await client.call("shop", "Till.Sell", {"coupon": "x", "count": 1, "item": "tea"}))["text"] == "1 tea"
    assert shop.reflected == 2


async def test_a_version_that_was_used_again_is_read_again_when_something_is_missing(
    shop: Shop, client: muster.Client, v1: DescriptorPool, v2: DescriptorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "FRESH", 0.0)
    await shop.open("a", v1, "latest")
    await client.call("shop", "Till.Sell", {})
    await shop.open("b", v2, "latest")
    await shop.close("a")
    async with asyncio.timeout(30):
        while shop.served[-1] != "b":
            await client.call("shop", "Till.Sell", {})
    await client.call("shop", "Till.Refund", {"coupon": "x"})


async def test_a_failure_before_it_was_processed_goes_to_another_instance(
    shop: Shop, client: muster.Client, v1: DescriptorPool
) -> None:
    async with AsyncExitStack() as doomed:
        other = Shop(shop.registry, doomed)
        await other.open("a", v1, "1")
        await shop.open("b", v1, "1")
        async with asyncio.timeout(30):
            while not (other.served and shop.served):
                await client.call("shop", "Till.Sell", {})
    for _ in range(10):
        await client.call("shop", "Till.Sell", {})
    assert shop.served[-10:] == ["b"] * 10


async def test_a_method_whose_proto_says_idempotent_is_retried(
    shop: Shop, client: muster.Client, v2: DescriptorPool
) -> None:
    await shop.open("a", v2, "2")
    await shop.open("b", v2, "2")
    shop.failures = {"a": [grpc.StatusCode.UNAVAILABLE], "b": []}
    for _ in range(4):
        await client.call("shop", "Till.Refund", {})
    shop.failures = {"a": [grpc.StatusCode.UNAVAILABLE], "b": [grpc.StatusCode.UNAVAILABLE]}
    with pytest.raises(Fault, match="as told"):
        await client.call("shop", "Till.Sell", {})


@pytest.mark.parametrize(
    ("method", "payload", "code", "text"),
    [
        ("Till.Buy", {}, "UNIMPLEMENTED", "no method 'Till.Buy'; offered: Till.Sell, Till.Watch"),
        ("Till.Watch", {}, "UNIMPLEMENTED", "/shop.Till/Watch is a streaming method"),
        ("Till.Sell", {"count": "x"}, "INVALID_ARGUMENT", "field 'count': expected a whole number (int32)"),
        ("Till.Sell", None, "", ""),
        ("Till.Sell", [1], "INVALID_ARGUMENT", "expected an object (shop.Order), found a list"),
    ],
)
async def test_mistakes_of_the_caller(
    shop: Shop, client: muster.Client, v1: DescriptorPool, method: str, payload: Any, code: str, text: str
) -> None:
    await shop.open("a", v1, "1")
    if not code:
        await client.call("shop", method, payload)
        return
    with pytest.raises(Fault) as caught:
        await client.call("shop", method, payload)
    assert caught.value.code == code
    assert text in caught.value.detail


async def test_a_short_name_of_several_methods_is_refused(shop: Shop, client: muster.Client) -> None:
    both = compiled(
        a='syntax = "proto3"; package a; message M {} service Till { rpc Sell(M) returns (M); }',
        b='syntax = "proto3"; package b; message M {} service Till { rpc Sell(M) returns (M); }',
        shop=V1,
    )

    async def nothing(request: Any, context: Any) -> Any:
        return request

    async with offering(both, {"a.Till.Sell": nothing, "b.Till.Sell": nothing}, instance="x") as address:
        host, port = split_host_port(address)
        await shop.registry.register(Registration(Instance("x", "shop", host, port)))
        with pytest.raises(Rejected, match=r"fits 2 endpoints: /a\.Till/Sell, /b\.Till/Sell"):
            await client.call("shop", "Till.Sell", {})
        assert await client.call("shop", "b.Till.Sell", {}) == {}


async def test_what_the_service_answers_comes_out_as_a_fault(
    shop: Shop, client: muster.Client, v1: DescriptorPool
) -> None:
    await shop.open("a", v1, "1")
    shop.failures["a"] = [grpc.StatusCode.NOT_FOUND]
    with pytest.raises(Fault) as caught:
        await client.call("shop", "Till.Sell", {})
    assert (caught.value.code, caught.value.detail) == ("NOT_FOUND", "as told")


async def test_the_deadline_is_for_everything(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    with pytest.raises(Fault) as caught:
        await client.call("shop", "Till.Sell", {"item": "never"}, timeout=0.2)
    assert caught.value.code == "DEADLINE_EXCEEDED"


async def test_a_late_answer_is_asked_for_elsewhere_too(shop: Shop, v2: DescriptorPool) -> None:
    await shop.open("shop-1", v2, "2")
    await shop.open("shop-2", v2, "2")
    hedged = muster.RetryPolicy(hedging=muster.Hedging(delay=0.1))
    async with muster.Client(shop.registry, retry=hedged) as client:
        await settled(client._open.transport.pool("shop"))
        with pytest.raises(Fault, match="DEADLINE_EXCEEDED"):
            await client.call("shop", "Till.Refund", {"item": "never"}, timeout=1.5)
        assert sorted(shop.served) == ["shop-1", "shop-2"]
        with pytest.raises(Fault, match="DEADLINE_EXCEEDED"):
            await client.call("shop", "Till.Sell", {"item": "never"}, timeout=0.5)
        assert len(shop.served) == 3, "not idempotent"


async def test_cancelling_cancels_the_call(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        call = tasks.create_task(client.call("shop", "Till.Sell", {"item": "never"}))
        await shop.serving.wait()
        call.cancel()
    assert call.cancelled()


async def test_large_messages_are_converted_off_the_loop(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1")
    wanted = calls.Wanted(lambda endpoints: endpoints[0], lambda _: {"item": "much"}, size=calls.LARGE + 1)
    reply = await client.calls.perform("shop", wanted)
    assert len(reply.value["text"]) > calls.LARGE


async def test_nobody_of_that_name(client: muster.Client) -> None:
    with pytest.raises(NoInstances) as caught:
        await client.call("nobody", "Till.Sell", {})
    assert not caught.value.known


async def test_an_instance_without_reflection(shop: Shop, client: muster.Client, v1: DescriptorPool) -> None:
    await shop.open("a", v1, "1", reflect=False)
    for _ in range(3):
        with pytest.raises(Fault, match="no reflection") as caught:
            await client.call("shop", "Till.Sell", {})
        assert caught.value.code == "UNIMPLEMENTED"
    assert shop.reflected == 1


async def test_another_version_may_have_reflection(
    shop: Shop, client: muster.Client, v1: DescriptorPool, v2: DescriptorPool
) -> None:
    await shop.open("a", v1, "1", reflect=False)
    await shop.open("b", v2, "2")
    for _ in range(4):
        await client.call("shop", "Till.Sell", {})
    assert set(shop.served) == {"b"}


async def test_a_registry_that_is_away() -> None:
    async with muster.Client("consul://127.0.0.1:1") as client:
        with pytest.raises(RegistryUnavailable):
            await client.call("shop", "Till.Sell", {})


async def test_a_registry_that_never_answers_is_not_taken_for_a_slow_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with muster.Client(f"consul://127.0.0.1:{silent.getsockname()[1]}") as client:
            with pytest.raises(Fault, match="nothing is known of 'shop' yet") as caught:
                await client.call("shop", "Till.Sell", {}, timeout=0.2)
    assert caught.value.code == "DEADLINE_EXCEEDED"


async def test_the_cache_is_bounded(v1: DescriptorPool) -> None:
    known = schemas.Schemas(capacity=2)
    async with (
        offering(v1, {"shop.Till.Sell": lambda request, context: None}) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        instances = [Instance("x", "shop", "h", 1, version=str(number)) for number in range(5)]
        read = [await known.of(instance, channel) for instance in instances]
    assert len(known._entries) == 2
    assert len(set(read)) == 1, "equal schemas are held once"
