"""When handlers are made and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc.aio
import pytest
from tests.app.typed.conftest import Notes, Say

import muster
from muster.registry.memory import Memory

pytestmark = pytest.mark.anyio


def new(**options: Any) -> muster.Service:
    return muster.Service("greeter", register="off", timing=muster.Timing(drain=0.0, stop=1.0), **options)


class Echo:
    async def echo(self, text: str) -> str:
        return text


class NeedsDatabase:
    def __init__(self, database: object) -> None: ...

    async def ping(self) -> None: ...


class Odd:
    async def odd(self, value: complex) -> None: ...


async def test_nothing_is_made_before_the_start() -> None:
    made = []

    class Made(Echo):
        def __init__(self) -> None:
            made.append(self)

    service = new()
    assert service.handler(Made) is Made
    assert made == []
    for _ in range(2):
        async with service.running():
            pass
    assert len(made) == 2


async def test_the_lifespan_is_around_everything() -> None:
    service, order = new(), []
    service.before_start(lambda: order.append("before start"))
    service.after_start(lambda: order.append("after start"))
    service.after_stop(lambda: order.append("after stop"))

    @service.lifespan
    async def resources() -> AsyncIterator[dict[str, object]]:
        order.append("open")
        yield {"database": object()}
        order.append("close")

    service.handler(NeedsDatabase)
    async with service.running():
        order.append("body")
    assert order == ["before start", "open", "after start", "body", "close", "after stop"]


async def test_a_context_manager_will_do() -> None:
    service = new()

    @asynccontextmanager
    async def resources() -> AsyncIterator[dict[str, object]]:
        yield {"database": object()}

    service.lifespan(resources)
    service.handler(NeedsDatabase)
    async with service.running():
        assert [each.protocol for each in service.instances] == ["grpc", "http"]


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (NeedsDatabase, "NeedsDatabase is made of 'database', which the lifespan does not yield; it yields nothing"),
        (Odd, "the type complex has no JSON form"),
        (Notes, "Notes has no methods to call"),
    ],
)
async def test_a_class_that_cannot_be_served_ends_the_start(cls: type, text: str) -> None:
    service, stopped = new(), []
    service.after_stop(lambda: stopped.append(True))
    service.handler(cls)
    with pytest.raises(muster.Rejected, match=text):
        async with service.running():
            pytest.fail("it started")
    assert stopped == [True]


async def test_classes_whose_paths_are_one() -> None:
    class ECHO(Echo):
        pass

    service = new()
    service.handler(Echo)
    service.handler(ECHO)
    with pytest.raises(muster.Rejected, match="would have one path, /echo/echo"):
        async with service.running():
            pass


async def test_a_lifespan_that_raises_ends_the_start_or_is_heard_at_the_end() -> None:
    for when in ("open", "close"):
        service = new()

        @service.lifespan
        async def resources(when: str = when) -> AsyncIterator[None]:
            if when == "open":
                raise OSError("no database")
            yield None
            raise OSError("no database")

        service.handler(Echo)
        with pytest.raises(OSError, match="no database"):
            async with service.running():
                assert when == "close"


async def test_what_a_lifespan_yields_is_a_mapping() -> None:
    service, closed = new(), []

    @service.lifespan  # type: ignore[type-var]
    async def resources() -> AsyncIterator[int]:
        yield 5
        closed.append(True)

    service.handler(Echo)
    with pytest.raises(muster.Rejected, match="has to yield a mapping"):
        async with service.running():
            pass
    assert closed == [True]


def test_slips_that_show_at_once() -> None:
    service = new()
    service.handler(Echo)
    with pytest.raises(muster.Rejected, match="there is a handler Echo already"):
        service.handler(Echo)
    with pytest.raises(muster.Rejected, match="handler needs a class"):
        service.handler(Say(Notes()))  # type: ignore[type-var]
    service.lifespan(lambda: None)  # type: ignore[type-var, arg-type, return-value]
    with pytest.raises(muster.Rejected, match="there is a lifespan already"):
        service.lifespan(lambda: None)  # type: ignore[type-var, arg-type, return-value]
    with pytest.raises(muster.Rejected, match="protocols="):
        new(protocols=["grpc", "smtp"])


async def test_names_and_ports_are_settable() -> None:
    registry = Memory("typed names")
    service = muster.Service(
        "greeter",
        registry=registry,
        advertise="10.0.0.7:80",
        protocols=["http", "grpc"],
        second=muster.Second("greeter-rpc"),
        timing=muster.Timing(drain=0.0),
    )
    service.handler(Echo)
    async with service.running():
        web, rpc = service.instances
        assert (web.service, web.protocol, web.address) == ("greeter", "http", "10.0.0.7:80")
        assert (rpc.service, rpc.protocol, rpc.host) == ("greeter-rpc", "grpc", "10.0.0.7")
        async with muster.Client(registry) as client:
            assert set(await client.names()) == {"greeter", "greeter-rpc"}
    async with muster.Client(registry) as client:
        assert await client.names() == {}


async def test_http_alone() -> None:
    service = new(protocols=["http"])
    service.handler(Echo)
    async with service.running():
        (instance,) = service.instances
        assert (instance.service, instance.protocol) == ("greeter", "http")
        url = f"http://{instance.address}/echo/echo"
        async with aiohttp.ClientSession() as session, session.post(url, json="x") as answer:
            assert await answer.json() == "x"


async def test_calls_under_way_finish_and_the_rest_is_cancelled_at_the_end() -> None:
    notes, service = Notes(), new()

    @service.lifespan
    async def resources() -> AsyncIterator[dict[str, object]]:
        yield {"notes": notes}

    service.handler(Say)

    async def cut_off(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"http://{service.instances[1].address}/say/hello", json={"name": "wait"})

    async with asyncio.TaskGroup() as tasks, service.running(), aiohttp.ClientSession() as session:
        tasks.create_task(cut_off(session))
        async with asyncio.timeout(30):
            await notes.begun.wait()
    assert notes.cancelled.is_set()


async def test_more_calls_than_wanted_are_refused() -> None:
    notes, service = Notes(), new(limits=muster.Limits(calls=1))

    @service.lifespan
    async def resources() -> AsyncIterator[dict[str, object]]:
        yield {"notes": notes}

    service.handler(Say)
    async with (
        service.running(),
        aiohttp.ClientSession(f"http://{service.instances[1].address}") as session,
        asyncio.timeout(30),
        asyncio.TaskGroup() as tasks,
    ):
        first = tasks.create_task(session.post("/say/hello", json={"name": "wait"}).__aenter__())
        await notes.begun.wait()
        async with session.post("/say/ping") as answer:
            assert answer.status == 503
        first.cancel()


async def test_beside_generated_code() -> None:
    from greeter_pb2_grpc import SayServicer, add_SayServicer_to_server

    service = new()
    service.add(add_SayServicer_to_server, SayServicer())
    service.handler(Echo)
    async with service.running(), grpc.aio.insecure_channel(service.address) as channel:
        assert await channel.unary_unary("/greeter.Echo/Echo")(b'"x"') == b'"x"'


async def test_not_twice_under_one_name() -> None:
    from greeter_pb2_grpc import SayServicer, add_SayServicer_to_server

    service = new()
    service.add(add_SayServicer_to_server, SayServicer())
    service.lifespan(lambda: asynccontextmanager(_nothing)())
    service.handler(Say)
    with pytest.raises(muster.Rejected, match=r"greeter.Say is offered by generated code and by a handler"):
        async with service.running():
            pass


async def _nothing() -> AsyncIterator[dict[str, object]]:
    yield {"notes": Notes()}


class Shout:
    async def echo(self, text: str) -> str:
        return text.upper()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_two_classes_of_one_service(protocol: str) -> None:
    registry = Memory(f"two classes {protocol}")
    service = muster.Service("echo", registry=registry, protocols=[protocol], timing=muster.Timing(drain=0.0))
    service.handler(Echo)
    service.handler(Shout)
    async with service.running(), muster.Client(registry) as client:
        assert await client.service(Echo, "echo").echo("x") == "x"
        assert await client.service(Shout, "echo").echo("x") == "X"
