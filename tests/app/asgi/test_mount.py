"""An ASGI application hosted by a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc.aio
import pytest
from fastapi import FastAPI, Request
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server

from muster import Rejected, Service
from muster.http.lifespan import LifespanFailed
from muster.model.instance import GRPC, HTTP
from muster.serve.settings import Timing

pytestmark = pytest.mark.anyio

BRIEF = Timing(drain=0, stop=1)


class Greeter(SayServicer):
    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        return HelloReply(message=f"Hello, {request.name}!")


def orders(told: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        told.append("begun")
        yield {"database": "open"}
        told.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.get("/orders")
    async def listed(request: Request) -> dict[str, str]:
        return {"database": request.state.database}

    return app


async def get(port: int, path: str) -> tuple[int, Any, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.json(), response.headers


async def test_beside_grpc_with_its_lifespan_and_its_state() -> None:
    told: list[str] = []
    service = Service("orders", registry="memory://mounted", timing=BRIEF)
    service.add(add_SayServicer_to_server, Greeter())
    service.mount(orders(told))
    async with service.running():
        by_grpc, by_http = service.instances
        assert (by_grpc.protocol, by_http.protocol, by_http.service) == (GRPC, HTTP, "orders-http")
        assert (await get(by_http.port, "/orders"))[:2] == (200, {"database": "open"})
        status, health, headers = await get(by_http.port, f"/health/{by_http.id}")
        assert (status, health["status"], headers["Muster-Instance"]) == (200, "SERVING", by_http.id)
        async with grpc.aio.insecure_channel(by_grpc.address) as channel:
            assert (await SayStub(channel).Hello(HelloRequest(name="you"))).message == "Hello, you!"
        assert told == ["begun"]
    assert told == ["begun", "ended"]


async def test_alone_it_is_the_service() -> None:
    service = Service("orders", registry="memory://mounted", timing=BRIEF)
    service.mount(orders([]))
    async with service.running():
        assert [(each.service, each.protocol) for each in service.instances] == [("orders", HTTP)]


async def test_a_handler_comes_first_and_the_rest_is_the_application_s() -> None:
    service = Service("orders", register="off", timing=BRIEF, protocols=["http"])

    @service.handler
    class Listed:
        async def orders(self) -> str:
            return "typed"

    service.mount(orders([]))
    async with service.running(), aiohttp.ClientSession(f"http://127.0.0.1:{service.port}") as session:
        async with session.post("/listed/orders") as response:
            assert await response.json() == "typed"
        async with session.get("/nothing") as response:
            assert (response.status, await response.json()) == (404, {"detail": "Not Found"})


async def test_while_it_drains_callers_are_sent_away() -> None:
    service = Service("orders", register="off", timing=Timing(drain=1, stop=1.5))
    service.mount(orders([]))

    async def called(port: int, draining: bool) -> None:
        """Call until the answer says what it must; the connection is closed, or is not."""
        async with asyncio.timeout(30), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            while True:
                async with session.get("/orders") as response:
                    if (response.headers.get("Connection") == "close") is draining:
                        return

    async with asyncio.TaskGroup() as tasks, service.running():
        await called(service.port, draining=False)
        tasks.create_task(called(service.port, draining=True))


async def test_a_lifespan_that_fails_ends_the_start() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    service = Service("orders", register="off", timing=BRIEF)
    service.mount(FastAPI(lifespan=lifespan))
    with pytest.raises(LifespanFailed, match="no database"):
        async with service.running():
            pass


async def test_an_application_without_a_lifespan_is_hosted_all_the_same() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"1"})

    service = Service("orders", register="off", timing=BRIEF)
    service.mount(bare)
    async with service.running():
        assert (await get(service.port, "/x"))[:2] == (200, 1)


def test_what_cannot_be_mounted() -> None:
    service = Service("orders")
    service.mount(orders([]))
    with pytest.raises(Rejected, match="mounted already"):
        service.mount(orders([]))


async def test_http_has_to_be_among_the_protocols() -> None:
    service = Service("orders", register="off", protocols=["grpc"])
    service.mount(orders([]))
    with pytest.raises(Rejected, match="add it to protocols"):
        async with service.running():
            pass
