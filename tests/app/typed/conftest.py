"""A greeter of typed handlers in this process, by gRPC and by HTTP, and a client that finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import grpc.aio
import msgspec
import pydantic
import pytest

import muster
from muster.registry.memory import Memory


class HelloRequest(msgspec.Struct):
    name: str
    times: int = 1


class HelloReply(msgspec.Struct):
    message: str


class Order(pydantic.BaseModel):
    item: str
    count: int = pydantic.Field(default=1, ge=1)


class Call(msgspec.Struct):
    """What a handler knows of its call."""

    method: str
    caller: str
    tenant: str
    trace: str
    remaining: float | None


class Notes:
    """What a test sees of the handlers, and how it lets them go on."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.calls = 0


class Say:
    """The name of a request may be a command."""

    def __init__(self, notes: Notes, greeting: str = "Hello") -> None:
        self._notes = notes
        self._greeting = greeting

    @muster.idempotent
    async def hello(self, request: HelloRequest) -> HelloReply:
        """Greets."""
        self._notes.calls += 1
        await self._obey(request.name)
        return HelloReply(f"{self._greeting} {request.name}")

    async def list_hellos(self, request: HelloRequest) -> AsyncIterator[HelloReply]:
        await self._obey(request.name)
        for number in range(request.times):
            yield HelloReply(f"{number} {request.name}")
        await self._obey(request.name.removeprefix("after "))

    async def collect(self, names: AsyncIterator[str]) -> list[str]:
        return [name async for name in names]

    async def chat(self, names: AsyncIterator[str]) -> AsyncIterator[str]:
        async for name in names:
            await self._obey(name)
            yield name.upper()

    async def order(self, order: Order) -> Order:
        return order

    async def ping(self) -> None:
        return None

    async def call(self) -> Call:
        call = muster.current_call()
        return Call(call.method, call.caller, call.get("tenant"), call.trace, call.remaining)

    async def broken(self) -> int:
        return "no number"  # type: ignore[return-value]

    async def _obey(self, name: str) -> None:
        if name == "nobody":
            raise muster.Fault("NOT_FOUND", "nobody of that name")
        if name == "teapot":
            raise muster.Fault("TEAPOT", "short and stout")
        if name == "bug":
            raise KeyError("the secret")
        if name == "wait":
            self._notes.begun.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._notes.cancelled.set()


class Greeter:
    """The running service, and ways to it that know nothing of muster."""

    def __init__(self, service: muster.Service, registry: Memory, notes: Notes, raw: aiohttp.ClientSession) -> None:
        self.service = service
        self.registry = registry
        self.notes = notes
        self.http = raw

    async def post(self, path: str, body: Any = b"", **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"Content-Type": "application/json", **headers}
        async with self.http.post(path, data=BytesIO(data), headers=named) as answer:
            return answer.status, msgspec.json.decode(await answer.read())


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def greeter(notes: Notes) -> AsyncIterator[Greeter]:
    registry = Memory(f"typed {id(notes)}")
    limits = muster.Limits(received=1_000_000)
    timing = muster.Timing(drain=0.0, stop=1.0)
    service = muster.Service("greeter", version="1.2.0", registry=registry, limits=limits, timing=timing)

    @service.lifespan
    async def resources() -> AsyncIterator[dict[str, Any]]:
        yield {"notes": notes, "unused": 1}

    service.handler(Say)
    async with service.running(), aiohttp.ClientSession(f"http://{service.instances[1].address}") as raw:
        yield Greeter(service, registry, notes, raw)


@pytest.fixture
async def channel(greeter: Greeter) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(greeter.service.address) as channel:
        yield channel


@pytest.fixture
async def client(greeter: Greeter) -> AsyncIterator[muster.Client]:
    async with muster.Client(greeter.registry) as client:
        yield client


@pytest.fixture(params=["greeter", "greeter-http"], ids=["grpc", "http"])
def say(client: muster.Client, request: pytest.FixtureRequest) -> Say:
    """The typed client, by either protocol."""
    return client.service(Say, request.param)
