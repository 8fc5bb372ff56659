"""What muster.asgi and muster.lifespan do to an application, in one process."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from fastapi import FastAPI
from litestar import Litestar, get
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import muster
from muster import BadConfiguration, Known, Rejected
from muster.app import presence
from muster.http.asgi import App
from muster.http.lifespan import LifespanFailed, begun
from muster.http.server import serving
from muster.model.check import TTLCheck
from muster.model.service import Registration
from muster.registry.memory import Memory
from muster.rpc.identity import METADATA
from muster.serve.lease import Lease
from muster.serve.listeners import listeners

pytestmark = pytest.mark.anyio

BRIEF = muster.Timing(drain=0, stop=1)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_RUNTIME_DIR", str(tmp_path))


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An application that knows no lifespan, and answers every path."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def seen(name: str) -> tuple[muster.Instance, ...]:
    async for answer in Memory("wrapped").watch(name):
        return answer.instances if isinstance(answer, Known) else ()
    raise AssertionError("a watch never ends by itself")


async def registered(name: str) -> muster.Instance:
    async for answer in Memory("wrapped").watch(name):
        if isinstance(answer, Known):
            return answer.instances[0]
    raise AssertionError("a watch never ends by itself")


@asynccontextmanager
async def served(app: App) -> AsyncIterator[aiohttp.ClientSession]:
    """As uvicorn does it: the lifespan begins before the port is bound."""
    async with begun(app), serving(app, "127.0.0.1:0") as bound, aiohttp.ClientSession(bound.url) as session:
        yield session


async def body(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with session.get(path) as response:
        return response.status, await (response.json() if "json" in response.content_type else response.text())


async def test_it_registers_answers_for_its_id_and_leaves_with_its_server() -> None:
    async with served(muster.asgi(hello, "plain", registry="memory://wrapped", tags=["a"], timing=BRIEF)) as session:
        instance = await registered("plain")
        assert (instance.protocol, instance.metadata[METADATA], instance.tags) == ("http", "/health", ("a",))
        assert (await body(session, f"/health/{instance.id}"))[1]["status"] == "SERVING"
        assert (await body(session, "/health/plain-000000000000"))[0] == 404
        assert (await body(session, "/healthy"))[1] == "hello"
    assert await seen("plain") == ()


async def test_another_health_path_leaves_the_application_its_own() -> None:
    app = muster.asgi(hello, "pathed", registry="memory://wrapped", health="/-/health", timing=BRIEF)
    async with served(app) as session:
        instance = await registered("pathed")
        assert instance.metadata[METADATA] == "/-/health"
        assert (await body(session, f"/-/health/{instance.id}"))[0] == 200
        assert (await body(session, "/health"))[1] == "hello"


def starlette() -> App:
    return Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])


def fastapi() -> App:
    app = FastAPI()

    @app.get("/", response_class=PlainTextResponse)
    async def root() -> str:
        return "hello"

    return app


def litestar() -> Any:
    @get("/", media_type="text/plain")
    async def root() -> str:
        return "hello"

    return Litestar([root])


def django() -> Any:
    from django.http import HttpResponse
    from django.urls import path

    class URLs:
        urlpatterns = (path("", lambda request: HttpResponse("hello")),)

    settings.configure(ROOT_URLCONF=URLs, ALLOWED_HOSTS=["*"], SECRET_KEY="test")
    return get_asgi_application()


@pytest.mark.parametrize("make", [starlette, fastapi, litestar, django])
async def test_frameworks(make: Callable[[], App]) -> None:
    async with served(muster.asgi(make(), make.__name__, registry="memory://wrapped", timing=BRIEF)) as session:
        instance = await registered(make.__name__)
        assert await body(session, "/") == (200, "hello")
        assert (await body(session, f"/health/{instance.id}"))[0] == 200


async def test_a_lifespan_that_fails_at_the_start_ends_it_and_nothing_registers() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    app = muster.asgi(FastAPI(lifespan=lifespan), "failing", registry="memory://wrapped", timing=BRIEF)
    with pytest.raises(LifespanFailed, match="no database"):
        async with begun(app):
            pass
    assert await seen("failing") == ()


async def test_a_lifespan_that_fails_at_the_stop_has_left_the_registry() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        raise RuntimeError("cannot close")

    app = muster.asgi(FastAPI(lifespan=lifespan), "stopping", registry="memory://wrapped", timing=BRIEF)
    with pytest.raises(LifespanFailed, match="cannot close"):
        async with served(app):
            await registered("stopping")
    assert await seen("stopping") == ()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"register": "sometimes"}, "it can be 'self'"),
        ({"registry": "nowhere://x"}, "nowhere"),
        ({"listen": "8000"}, "listen .MUSTER_LISTEN.*no port"),
    ],
)
async def test_a_setting_that_cannot_be_used_ends_the_start(options: dict[str, str], why: str) -> None:
    with pytest.raises(LifespanFailed, match=why):
        async with begun(muster.asgi(hello, "wrong", **options)):  # type: ignore[typeddict-item]
            pass
    with pytest.raises(BadConfiguration, match=why):
        async with muster.lifespan("wrong", **options)(None):  # type: ignore[typeddict-item]
            pass


@pytest.mark.parametrize("options", [{"tags": "blue"}, {"health": "health"}, {"weight": 0}])
def test_what_no_registry_takes_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        muster.asgi(hello, "orders", **options)


async def test_where_an_orchestrator_registers_nothing_is_written() -> None:
    async with served(muster.asgi(hello, "other", registry="memory://wrapped", register="external", timing=BRIEF)):
        pass
    assert await seen("other") == ()


async def test_a_port_that_is_not_found_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(presence, "PATIENCE", 0.0)
    monkeypatch.setattr(presence, "LATER", 0.06)
    app = muster.asgi(hello, "lost", registry="memory://wrapped", listen="127.0.0.1:1", timing=BRIEF)
    with caplog.at_level(logging.ERROR, "muster.serve"):
        async with served(app) as session:
            while True:
                status, answer = await body(session, "/health")
                assert status == 503
                if "cannot find" in answer["why"]:
                    break
    assert "set listen= or MUSTER_LISTEN" in caplog.text


async def asked(app: App, path: str) -> tuple[int, str]:
    """The answer to GET `path`: its status, and who it is from."""
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any: ...

    await app({"type": "http", "method": "GET", "path": path, "http_version": "1.1"}, receive, send)
    return told[0]["status"], dict(told[0]["headers"])[b"muster-instance"].decode()


@pytest.mark.parametrize("told", [True, False])
async def test_one_that_begins_beside_others_is_the_instance_at_once(told: bool) -> None:
    """As a new worker is. Nobody answers at the port meanwhile. That somebody knows the id tells as well that it is
    registered."""
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        (listener,) = (each for each in listeners() if each.port == inherited.getsockname()[1])
        lease = Lease("joined", listener)
        lease.join(lambda: "joined-1")
        lease.tell(told)
        app = muster.asgi(hello, "joined", registry="memory://wrapped", timing=BRIEF)
        async with asyncio.timeout(3), begun(app):
            assert await asked(app, "/health/joined-1") == (200, "joined-1")
            assert (await registered("joined")).id == "joined-1"
            assert await asked(app, "/health/joined-1") == (200, "joined-1")
        assert await asked(app, "/health/joined-1") == (200, "joined-1"), "the other one serves"
        assert [each.id for each in await seen("joined")] == ["joined-1"]
        lease.leave(stays=False)


async def test_one_that_is_stopped_at_once_removes_what_others_have_left_to_it() -> None:
    """As a new worker does when gunicorn stops while all of its workers are being replaced."""
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        (listener,) = (each for each in listeners() if each.port == inherited.getsockname()[1])
        lease = Lease("left", listener)
        instance = muster.Instance(lease.join(lambda: "left-1"), "left", "127.0.0.1", listener.port)
        await Memory("wrapped").register(Registration(instance, (TTLCheck("self", 30.0),), 60.0))
        lease.tell(True)
        lease.leave(stays=True)
        assert [each.id for each in await seen("left")] == ["left-1"]
        async with begun(muster.asgi(hello, "left", registry="memory://wrapped", timing=BRIEF)):
            pass
    assert await seen("left") == ()


async def test_websockets_and_their_messages_are_the_application_s() -> None:
    given: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        given.extend((scope, receive, send))

    async def receive() -> Any: ...
    async def send(message: Any) -> None: ...

    scope: dict[str, Any] = {"type": "websocket", "path": "/health"}
    await muster.asgi(app, "sockets")(scope, receive, send)
    assert given == [scope, receive, send]


async def test_behind_a_root_path_the_health_path_is_the_same() -> None:
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any: ...

    scope = {"type": "http", "method": "GET", "path": "/api/health", "root_path": "/api", "http_version": "1.1"}
    await muster.asgi(hello, "rooted")(scope, receive, send)
    assert told[0]["status"] == 503  # no server has begun a lifespan


async def test_a_lifespan_alone_registers_by_a_connection_or_by_the_application_s_health() -> None:
    for health in ("", "/ready"):
        options: dict[str, Any] = {"health": health} if health else {}
        life = muster.lifespan("alone", registry="memory://wrapped", timing=BRIEF, **options)
        app = FastAPI(lifespan=life)  # type: ignore[arg-type]
        app.get("/ready")(lambda: "yes")
        async with served(app):
            instance = await registered("alone")
            assert METADATA not in instance.metadata and not instance.verifiable
        assert await seen("alone") == ()
