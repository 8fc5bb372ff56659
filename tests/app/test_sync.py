"""A sync client finds and calls services: on memory, on the embedded agent and on a real Consul."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import greeter_pb2
import greeter_pb2_grpc
import grpc
import pytest

import muster
from muster.registry.memory import Memory
from muster.testing.servers import ConsulServer

EXAMPLES = Path(__file__).parents[2] / "examples"


class Say(greeter_pb2_grpc.SayServicer):
    async def Hello(self, request, context):
        return greeter_pb2.HelloReply(message=f"Hello, {request.name}!")

    async def ListHellos(self, request, context):
        await asyncio.Event().wait()
        yield greeter_pb2.HelloReply()


@contextmanager
def on_a_loop(*managers: Any) -> Iterator[list[Any]]:
    """What the async context managers give, entered on a loop in another thread."""
    ready, ending = threading.Event(), threading.Event()
    values: list[Any] = []

    async def keep() -> None:
        async with AsyncExitStack() as stack:
            for manager in managers:
                values.append(await stack.enter_async_context(manager))
            ready.set()
            await asyncio.to_thread(ending.wait)

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(asyncio.run, keep())
        running.add_done_callback(lambda _: ready.set())
        ready.wait()
        try:
            if running.done():
                running.result()
            yield values
        finally:
            ending.set()


def service(registry: str, name: str = "greeter", **options) -> muster.Service:
    made = muster.Service(name, version="1.0", registry=registry, timing=muster.Timing(drain=0), **options)
    made.add(greeter_pb2_grpc.add_SayServicer_to_server, Say())
    return made


@pytest.fixture(params=["memory", "agent", "consul"])
def registry(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "memory":
        yield "memory://sync-client-tests"
    elif request.param == "agent":
        from muster.agent import Agent

        with on_a_loop(Agent(http="127.0.0.1:0")) as (agent,):
            yield agent.url
    else:
        with ConsulServer(request.getfixturevalue("consul_binary")) as server:
            yield server.url


def test_register_discover_call(registry: str) -> None:
    with on_a_loop(service(registry).running()) as (greeter,), muster.sync.Client(registry) as client:
        say = greeter_pb2_grpc.SayStub(client.channel("greeter"))
        assert say.Hello(greeter_pb2.HelloRequest(name="stub")).message == "Hello, stub!"
        assert client.call("greeter", "Say.Hello", {"name": "JSON"})["message"] == "Hello, JSON!"
        snapshot = client.snapshot("greeter")
        assert isinstance(snapshot, muster.Known)
        assert [instance.id for instance in snapshot.instances] == [greeter.id]
        assert "greeter" in client.names()
        assert client.explain("greeter").chosen == greeter.id
        with client.pool("greeter").lease(timeout=5) as lease:
            assert lease.instance.id == greeter.id
        assert client.pool("greeter").pick().instance.id == greeter.id


def test_a_stream_whose_time_is_up_before_its_first_message_holds_up_nobody() -> None:
    """gRPC brings the initial metadata of such a stream after its status, and on the same thread."""
    registry = "memory://sync-stream-tests"
    with on_a_loop(service(registry).running()), muster.sync.Client(registry) as client:
        say = greeter_pb2_grpc.SayStub(client.channel("greeter"))
        for _ in range(20):
            with pytest.raises(grpc.RpcError) as raised:
                next(say.ListHellos(greeter_pb2.HelloRequest(), timeout=0.02))
            assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert say.Hello(greeter_pb2.HelloRequest(name="still there")).message == "Hello, still there!"


def test_nobody_there_fails_fast_with_the_reason(registry: str) -> None:
    with muster.sync.Client(registry) as client:
        with pytest.raises(muster.NoInstances, match="the registry knows nobody") as raised:
            client.call("nobody", "Say.Hello", {})
        assert not raised.value.known
        with pytest.raises(muster.NoInstances):
            client.pool("nobody").lease(timeout=5)
        with pytest.raises(TimeoutError):
            client.pool("nobody").lease(timeout=0.05, wait_for_ready=True)
        assert client.snapshot("nobody") == muster.Absent("nobody")


def test_a_watch_tells_of_who_comes_and_goes(registry: str) -> None:
    with muster.sync.Client(registry) as client:
        snapshots = client.watch("greeter")
        assert next(snapshots) == muster.Absent("greeter")
        with on_a_loop(service(registry).running()) as (greeter,):
            known = next(snapshots)
            assert isinstance(known, muster.Known)
            assert [instance.id for instance in known.instances] == [greeter.id]
        for snapshot in snapshots:
            if isinstance(snapshot, muster.Absent) or not snapshot.instances:
                break


def test_channels_and_pools_are_narrowed_down() -> None:
    registry = "memory://narrowed"
    with (
        on_a_loop(service(registry, tags=["blue"]).running()),
        on_a_loop(service(registry, tags=["green"]).running()) as (green,),
        muster.sync.Client(registry) as client,
    ):
        with client.pool("greeter", tags=["green"]).lease(timeout=5) as lease:
            assert lease.instance.id == green.id
        say = greeter_pb2_grpc.SayStub(client.channel("greeter", tags=["green"], version="1.x"))
        assert say.Hello(greeter_pb2.HelloRequest(name="x")).message == "Hello, x!"
        with pytest.raises(grpc.RpcError, match="not 2"):
            greeter_pb2_grpc.SayStub(client.channel("greeter", version="2.x")).Hello(greeter_pb2.HelloRequest())
        with pytest.raises(muster.BadConfiguration):
            client.channel("greeter", version=">=newest")
        with pytest.raises(muster.BadConfiguration, match="expected a list"):
            client.channel("greeter", dc="east")
        with pytest.raises(muster.BadConfiguration, match="knows of no datacenters"):
            client.pool("greeter", dc=["east"]).pick()


def test_a_registry_object_stays_the_callers() -> None:
    with on_a_loop(service("memory://an object").running()):
        for _ in range(2):
            with muster.sync.Client(Memory("an object")) as client:
                assert client.call("greeter", "Say.Hello")["message"] == "Hello, !"


def test_an_override_needs_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_a_loop(service("", register="off").running()) as (greeter,):
        monkeypatch.setenv("MUSTER_OVERRIDE_GREETER", greeter.address)
        with muster.sync.Client("consul://127.0.0.1:1") as client:
            assert client.call("greeter", "Say.Hello", {"name": "x"})["message"] == "Hello, x!"


def test_a_registry_that_is_away_is_named() -> None:
    with muster.sync.Client("consul://127.0.0.1:1") as client:
        with pytest.raises(muster.RegistryUnavailable, match=r"127\.0\.0\.1:1"):
            client.snapshot("greeter")
        with pytest.raises(muster.RegistryUnavailable, match=r"127\.0\.0\.1:1"):
            client.pool("greeter").lease(timeout=5)


def test_a_client_that_is_not_open_says_so() -> None:
    client = muster.sync.Client("memory://x")
    for _ in range(2):
        for use in (client.channel, client.pool, client.snapshot):
            with pytest.raises(RuntimeError, match="not open"):
                use("greeter")
        with client, pytest.raises(RuntimeError, match="already"):
            client.open()
    client.close()


@pytest.mark.parametrize("url", ["ftp://x", "consul://host:port", "static://?greeter=nowhere"])
def test_a_url_that_cannot_be_used_is_named(url: str) -> None:
    client = muster.sync.Client(url)
    with pytest.raises(muster.BadConfiguration):
        client.open()
    with pytest.raises(RuntimeError, match="not open"):
        client.channel("greeter")


def test_closing_ends_whoever_waits() -> None:
    client = muster.sync.Client("memory://waiting").open()
    with ThreadPoolExecutor(2) as threads:
        watching = threads.submit(list, client.watch("nobody"))
        leasing = threads.submit(client.pool("nobody").lease, wait_for_ready=True)
        client.close()
        for waiting in (watching, leasing):
            assert isinstance(waiting.exception(5), RuntimeError | muster.NoInstances)


def test_it_may_be_used_in_a_thread_of_an_async_program() -> None:
    """The loop that runs there is another, and stays the one that runs there."""

    async def program(client: muster.sync.Client) -> str:
        loop = asyncio.get_running_loop()
        reply = greeter_pb2_grpc.SayStub(client.channel("greeter")).Hello(greeter_pb2.HelloRequest(name="x"))
        assert asyncio.get_running_loop() is loop
        answer = await asyncio.to_thread(client.call, "greeter", "Say.Hello", {"name": "y"})
        return reply.message + answer["message"]

    with on_a_loop(service("memory://mixed").running()), muster.sync.Client("memory://mixed") as client:
        assert asyncio.run(program(client)) == "Hello, x!Hello, y!"


def test_an_observer_cannot_use_the_client_that_it_observes() -> None:
    """An observer is called there."""
    raised: list[BaseException] = []

    def observe(event: object) -> None:
        try:
            client.snapshot("greeter")
        except RuntimeError as error:
            raised.append(error)

    with muster.sync.Client("memory://observed", observe=observe) as client:
        next(client.watch("greeter"))
    assert "cannot use them" in str(raised[0])


def test_the_arguments_are_those_of_the_async_client() -> None:
    for name in ("__init__", "channel", "pool", "call", "explain"):
        ours, theirs = (inspect.signature(getattr(kind, name)) for kind in (muster.sync.Client, muster.Client))
        assert list(ours.parameters.values()) == list(theirs.parameters.values()), name


def test_the_example_of_replicas(fleet, tmp_path: Path) -> None:
    store = {"STORE": str(tmp_path / "store.json"), "cwd": EXAMPLES / "replicas"}
    for role in ("primary", "replica", "replica"):
        fleet.start("store.py", role, **store).until("at port")
    out = fleet.run("client.py", **store)
    assert out.splitlines() == ["OK", "42, says the primary", *["42, says the replica"] * 4]


def test_a_program_that_never_closes_ends_in_silence(fleet) -> None:
    program = "import muster; c = muster.sync.Client().open(); c.call('greeter', 'Say.Hello', {}); print('done')"
    assert fleet.run("-W", "error", "-c", program) == "done\n"
