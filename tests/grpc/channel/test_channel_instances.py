"""Which instances get calls: as they come, drain, die, come back, and are not who they should be."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub, add_SayServicer_to_server

from muster.model.check import CheckState, Health
from muster.model.errors import NoInstances, RegistryUnavailable
from muster.model.events import InstanceEjected, InstanceReturned
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Known, Pending, Stale

pytestmark = pytest.mark.anyio


async def hello(stub: Any, **options: Any) -> str:
    reply = await stub.Hello(HelloRequest(name="x"), **options)
    return str(reply.served_by)


async def called(stub: Any, times: int = 12) -> set[str]:
    return {await hello(stub) for _ in range(times)}


async def refused(stub: Any, **options: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hello(stub, **options)
    return caught.value


async def connected(world: Any, *greeters: Any, **options: Any) -> tuple[Any, Any]:
    """A transport that is ready to call the greeters, and a stub on it."""
    transport = await world.transport(**options)
    stub = SayStub(transport.channel("greeter"))
    world.book.know(*greeters)
    await world.ready(transport, *(greeter.id for greeter in greeters))
    return transport, stub


# Knowledge.


@pytest.mark.parametrize(
    ("snapshot", "cause", "text"),
    [
        (Pending("greeter", "connection refused"), RegistryUnavailable, "connection refused"),
        (Absent("greeter"), NoInstances, "no instance of 'greeter' to call: the registry knows nobody of that name"),
        (
            Known(
                "greeter",
                (
                    Instance(
                        "g1",
                        "greeter",
                        "10.0.0.1",
                        80,
                        health=Health.CRITICAL,
                        failing=(CheckState("self", Health.CRITICAL, "TTL expired"),),
                    ),
                    Instance("g2", "greeter", "10.0.0.1", 81, protocol="http"),
                ),
            ),
            NoInstances,
            "2 registered: 1 critical (self: TTL expired), 1 speaking http, not grpc",
        ),
    ],
)
async def test_nobody_to_call(world: Any, snapshot: Any, cause: type[Exception], text: str) -> None:
    world.book.latest.set(snapshot)
    stub = await world.stub()
    error = await refused(stub)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert text in (error.details() or "")
    assert isinstance(error.__cause__, cause)
    streaming = stub.ListHellos(HelloRequest())
    with pytest.raises(grpc.aio.AioRpcError, match=r"greeter"):
        await streaming.read()
    writing = stub.Chat()
    await asyncio.sleep(0)
    with pytest.raises((asyncio.InvalidStateError, grpc.aio.AioRpcError)):
        await writing.write(HelloRequest())
    assert await writing.code() is grpc.StatusCode.UNAVAILABLE


async def test_calls_wait_for_the_first_answer_of_the_registry(world: Any) -> None:
    greeter = await world.greeter("g1")
    stub = await world.stub()
    call = stub.Hello(HelloRequest(name="x"))
    stream = stub.ListHellos(HelloRequest(name="x"))
    collecting = stub.CollectNames()
    asyncio.get_running_loop().call_later(0.05, world.book.know, greeter)
    await collecting.write(HelloRequest(name="a"))
    await collecting.done_writing()
    assert (await call).served_by == "g1"
    assert len([reply async for reply in stream]) == 3
    assert (await collecting).message == "a"


async def test_waiting_is_bounded_by_the_timeout(world: Any) -> None:
    error = await refused(await world.stub(), timeout=0.05)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "nothing is known of 'greeter' yet" in (error.details() or "")


async def test_a_waiting_call_can_be_cancelled(world: Any) -> None:
    call = (await world.stub()).Hello(HelloRequest())
    assert not call.done()
    assert call.cancel()
    assert call.cancelled()
    assert await call.code() is grpc.StatusCode.CANCELLED
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("snapshot", [Absent("greeter"), Pending("greeter", "refused"), Known("greeter", ())])
async def test_wait_for_ready_waits_for_somebody_to_register(world: Any, snapshot: Any) -> None:
    greeter = await world.greeter("g1")
    world.book.latest.set(snapshot)
    stub = await world.stub()
    call = stub.Hello(HelloRequest(name="x"), wait_for_ready=True)
    asyncio.get_running_loop().call_later(0.05, world.book.know, greeter)
    assert (await call).served_by == "g1"


async def test_the_last_known_instances_are_called_while_the_registry_is_away(world: Any) -> None:
    greeter = await world.greeter("g1")
    _, stub = await connected(world, greeter)
    world.book.latest.set(Stale("greeter", (greeter.instance,), since=0.0, why="refused"))
    assert await called(stub) == {"g1"}


async def test_channel_states(world: Any) -> None:
    channel = (await world.transport()).channel("greeter")
    assert channel.get_state() is grpc.ChannelConnectivity.CONNECTING
    loop = asyncio.get_running_loop()
    loop.call_soon(world.book.latest.set, Absent("greeter"))
    await channel.wait_for_state_change(grpc.ChannelConnectivity.CONNECTING)
    assert channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE
    loop.call_soon(world.book.know, await world.greeter("g1"))
    await channel.channel_ready()
    assert channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY


# Coming and going.


async def test_a_connection_is_kept_over_snapshots(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    transport, stub = await connected(world, *greeters)
    before = {transport.pool("greeter").choose().link for _ in range(4)}
    warned = replace(greeters[0].instance, health=Health.WARNING, tags=("new",))
    world.book.know(warned, greeters[1])
    assert {transport.pool("greeter").choose().link for _ in range(4)} == before
    assert await called(stub) == {"g1", "g2"}


async def test_critical_instances_get_no_calls_and_keep_their_connection(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    _, stub = await connected(world, *greeters)
    world.book.know(replace(greeters[0].instance, health=Health.CRITICAL), greeters[1])
    assert await called(stub) == {"g2"}
    world.book.know(*greeters)
    assert await called(stub) == {"g1", "g2"}
    assert len(world.told(InstanceReturned)) == 2


async def test_an_instance_that_has_gone_finishes_its_calls_and_is_closed(world: Any) -> None:
    leaving, staying = await world.greeter("g1"), await world.greeter("g2")
    transport, stub = await connected(world, leaving)
    link = transport.pool("greeter").choose().link
    call = stub.Hello(HelloRequest(name="hang"))
    chat = stub.Chat()
    await chat.write(HelloRequest(name="a"))
    world.book.know(staying)
    await world.ready(transport, "g2")
    assert await called(stub) == {"g2"}
    assert (await chat.read()).message == "Hello a"
    await chat.write(HelloRequest(name="b"))
    assert (await chat.read()).message == "Hello b"
    leaving.say.release.set()
    assert (await call).served_by == "g1"
    assert not link.closed
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    await world.until(lambda: link.closed)


async def test_a_lease_holds_a_link(world: Any) -> None:
    greeter = await world.greeter("g1")
    transport, _ = await connected(world, greeter)
    async with transport.pool("greeter").lease() as lease:
        world.book.know()
        await asyncio.sleep(0)
        assert (await SayStub(lease.link.channel).Hello(HelloRequest(name="x"))).served_by == lease.instance.id
        assert not lease.link.closed
    assert lease.link.closed or lease.link.retired


async def test_draining_instances_get_no_new_calls(world: Any) -> None:
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    transport, stub = await connected(world, *greeters)
    call = stub.Hello(HelloRequest(name="hang"))
    other = stub.Hello(HelloRequest(name="hang"))
    await greeters[0].serving(False)
    await world.ready(transport, "g2")
    assert await called(stub) == {"g2"}
    assert [(event.instance_id, event.why) for event in world.told(InstanceEjected)] == [
        ("g1", "draining, or not serving yet")
    ]
    for greeter in greeters:
        greeter.say.release.set()
    assert {(await call).served_by, (await other).served_by} == {"g1", "g2"}
    await greeters[0].serving(True)
    await world.ready(transport, "g1", "g2")


async def test_a_drained_stop_under_load_fails_no_call(world: Any) -> None:
    """The server stops once it has had time to finish what was on its way when it said that it drains."""
    greeters = [await world.greeter("g1"), await world.greeter("g2")]
    transport, stub = await connected(world, *greeters)
    draining = next(node for node in transport.pool("greeter")._members.fleet.nodes if node.instance.id == "g1")
    stopping = False
    served: list[str] = []

    async def load() -> None:
        while not stopping:
            served.append(await hello(stub))

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(load())
        await greeters[0].serving(False)
        await world.ready(transport, "g2")
        await world.until(lambda: not draining.inflight)
        await greeters[0].stop(5)
        count = len(served)
        await world.until(lambda: len(served) > count + 100)
        stopping = True
    assert set(served[-50:]) == {"g2"}


# Dying and coming back.


async def test_a_killed_instance_gets_no_more_calls_and_is_back_at_once(world: Any) -> None:
    dying, staying = world.process("g1"), await world.greeter("g2")
    transport, stub = await connected(world, dying, staying)
    dying.signal(signal.SIGKILL)
    dying.popen.wait()
    results = [await asyncio.gather(hello(stub), return_exceptions=True) for _ in range(50)]
    failed = [result for (result,) in results if result != "g2"]
    assert len(failed) <= 1, failed
    await world.ready(transport, "g2")
    back = world.process("g1", dying.port)
    began = time.monotonic()
    await world.ready(transport, "g1", "g2")
    assert time.monotonic() - began < 4, "gRPC by itself would wait for up to two minutes"
    assert await called(stub) == {"g1", "g2"}
    assert back.port == dying.port


async def test_killing_under_load_fails_only_what_was_under_way(world: Any) -> None:
    dying, staying = world.process("g1"), await world.greeter("g2")
    _, stub = await connected(world, dying, staying)
    stopping = False
    failed: list[grpc.aio.AioRpcError] = []
    served = 0

    async def load() -> None:
        nonlocal served
        while not stopping:
            try:
                await hello(stub)
                served += 1
            except grpc.aio.AioRpcError as error:
                failed.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(load())
        await world.until(lambda: served > 100)
        dying.signal(signal.SIGKILL)
        dying.popen.wait()
        count = served
        await world.until(lambda: served > count + 200)
        stopping = True
    assert len(failed) <= 8
    assert all("g1 at 127.0.0.1" in (error.details() or "") for error in failed)


async def test_idempotent_calls_survive_a_kill_under_load(world: Any) -> None:
    dying, staying = world.process("g1"), await world.greeter("g2")
    stub = await world.stub(idempotent={"/greeter.Say/Hello"})
    world.book.know(dying, staying)
    stopping = False
    served = 0

    async def load() -> None:
        nonlocal served
        while not stopping:
            await hello(stub)
            served += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(load())
        await world.until(lambda: served > 100)
        dying.signal(signal.SIGKILL)
        dying.popen.wait()
        count = served
        await world.until(lambda: served > count + 200)
        stopping = True


async def test_the_only_instance_is_called_again_when_it_is_back(world: Any) -> None:
    first = world.process("g1")
    _, stub = await connected(world, first)
    first.signal(signal.SIGKILL)
    first.popen.wait()
    await world.until(lambda: world.told(InstanceEjected))
    error = await refused(stub)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    call = stub.Hello(HelloRequest(name="x"), wait_for_ready=True, timeout=120)
    world.process("g1", first.port)
    assert (await call).served_by == "g1"


async def test_a_stopped_process_costs_its_calls_their_time_and_is_called_again(world: Any) -> None:
    stopped, staying = world.process("g1"), await world.greeter("g2")
    _, stub = await connected(world, stopped, staying)
    stopped.signal(signal.SIGSTOP)
    results = [await asyncio.gather(hello(stub, timeout=1.0), return_exceptions=True) for _ in range(4)]
    errors = [result for (result,) in results if isinstance(result, grpc.aio.AioRpcError)]
    assert [error.code() for error in errors] == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2
    assert all((error.details() or "").startswith("g1 at ") for error in errors)
    world.book.know(replace(stopped.instance, health=Health.CRITICAL), staying)
    assert await called(stub) == {"g2"}
    stopped.signal(signal.SIGCONT)
    world.book.know(stopped, staying)
    assert await called(stub) == {"g1", "g2"}


async def test_a_server_that_limits_the_age_of_connections_goes_on_being_called(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.grpc.connection.STEADY", 0.05)
    greeter = await world.greeter("g1", options=(("grpc.max_connection_age_ms", 150),))
    transport, stub = await connected(world, greeter)
    first = transport.pool("greeter").choose().link
    while len(greeter.say.peers) < 6:
        assert await hello(stub) == "g1"
    await world.until(lambda: first.closed)
    await world.ready(transport, "g1")
    assert transport.pool("greeter").choose().link is not first


# Strangers.


async def test_a_stranger_on_a_dead_instances_port_gets_no_call(world: Any) -> None:
    dead, staying = world.process("g1"), await world.greeter("g2")
    transport, stub = await connected(world, dead, staying, idempotent={"*"})
    dead.signal(signal.SIGKILL)
    dead.popen.wait()
    stranger = await world.greeter("stranger", dead.port)
    assert await called(stub, 50) == {"g2"}
    await world.until(lambda: any("stranger" in one.why_not for one in transport.pool("greeter").explain().candidates))
    assert await called(stub, 50) == {"g2"}
    assert stranger.say.calls == 0
    assert world.told(InstanceEjected)[-1].instance_id == "g1"


async def test_a_stranger_that_came_while_the_loop_was_busy_gets_no_call(world: Any) -> None:
    """The event loop knows nothing yet of the lost connection when the calls are made."""
    dead, staying = world.process("g1"), await world.greeter("g2")
    _, stub = await connected(world, dead, staying, idempotent={"*"})
    dead.signal(signal.SIGKILL)
    dead.popen.wait()
    world.process("stranger", dead.port)
    calls = [stub.Hello(HelloRequest(name="x")) for _ in range(10)]
    assert {(await call).served_by for call in calls} == {"g2"}


@pytest.mark.parametrize("kind", ["no health service", "knows only others"])
async def test_a_server_that_does_not_know_the_id_is_a_stranger(world: Any, kind: str) -> None:
    if kind == "knows only others":
        greeter = await world.greeter("other")
        port, say = greeter.port, greeter.say
    else:
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        say = type((await world.greeter("any")).say)("stranger")
        add_SayServicer_to_server(say, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        world.stack.push_async_callback(server.stop, None)
    world.book.know(Instance("g1", "greeter", "127.0.0.1", port, verifiable=True))
    error = await refused(await world.stub())
    assert f"a stranger answers at 127.0.0.1:{port}: it does not know instance g1" in (error.details() or "")
    assert say.calls == 0
    (event,) = world.told(InstanceEjected)
    assert "stranger" in event.why


async def test_an_instance_that_is_a_stranger_at_first_is_called_once_it_says_who_it_is(world: Any) -> None:
    greeter = await world.greeter("g1")
    late = replace(greeter.instance, id="late")
    world.book.know(late)
    stub = await world.stub()
    await refused(stub)
    greeter.id = "late"
    await greeter.serving(True)
    assert await hello(stub, wait_for_ready=True) == "g1"


# Instances that others registered.


async def test_foreign_instances_need_no_health_service(world: Any) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    add_SayServicer_to_server(type((await world.greeter("any")).say)("foreign"), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    world.book.know(Instance("f1", "greeter", "127.0.0.1", port))
    transport = await world.transport()
    stub = SayStub(transport.channel("greeter"))
    assert await hello(stub) == "foreign"
    await server.stop(None)
    await world.ready(transport)
    error = await refused(stub)
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_reason_of_a_refused_connection_is_told(world: Any) -> None:
    greeter = await world.greeter("g1")
    await greeter.stop()
    for verifiable in (True, False):
        world.book.know(replace(greeter.instance, verifiable=verifiable, id=f"g{verifiable}"))
        error = await refused(await world.stub())
        assert "onnection refused" in (error.details() or "")


async def test_a_server_that_accepts_and_says_nothing(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.grpc.life.FIRST_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for verifiable in (True, False):
            world.book.know(Instance(f"g{verifiable}", "greeter", "127.0.0.1", port, verifiable=verifiable))
            error = await refused(await world.stub())
            assert "within 0.2 s" in (error.details() or "")


async def test_a_server_that_speaks_something_else(world: Any) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    world.book.know(Instance("g1", "greeter", "127.0.0.1", server.sockets[0].getsockname()[1]))
    error = await refused(await world.stub(), timeout=30)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    server.close()
