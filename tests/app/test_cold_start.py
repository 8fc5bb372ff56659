"""A start while the registry is down, with nothing on disk: overrides alone find services, for every kind of use."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import greeter_pb2
import greeter_pb2_grpc
import pytest

import muster
import muster.sync
from muster.gateway import Gateway
from muster.http.server import serving
from muster.model.snapshot import instances_of

pytestmark = pytest.mark.anyio

DOWN = "consul://127.0.0.1:1"
"""Nobody listens there."""

REQUEST = greeter_pb2.HelloRequest(name="x")


class Say(greeter_pb2_grpc.SayServicer):
    async def Hello(self, request, context):
        return greeter_pb2.HelloReply(message=f"Hello, {request.name}!")


async def web(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(params=["addresses", "dns", "passthrough", "environment"])
async def overridden(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[None]:
    """Two services that no registry knows: `greeter` for gRPC and `web` for HTTP."""
    greeter = muster.Service("greeter", registry=DOWN, register="off", timing=muster.Timing(drain=0))
    greeter.add(greeter_pb2_grpc.add_SayServicer_to_server, Say())
    async with greeter.running(), serving(web, "127.0.0.1:0") as bound:
        places = {"greeter": greeter.address, "web": bound.address}
        if request.param == "environment":
            for name, address in places.items():
                monkeypatch.setenv(f"MUSTER_OVERRIDE_{name.upper()}", address)
        else:
            file = tmp_path / "overrides.json"
            many = request.param == "addresses"
            file.write_text(json.dumps({name: {request.param: [at] if many else at} for name, at in places.items()}))
            monkeypatch.setenv("MUSTER_OVERRIDES", str(file))
        async with asyncio.timeout(30):
            yield


@pytest.mark.usefixtures("overridden")
async def test_an_async_client() -> None:
    async with muster.Client(DOWN) as client:
        say = greeter_pb2_grpc.SayStub(client.channel("greeter"))
        assert (await say.Hello(REQUEST)).message == "Hello, x!"
        assert (await client.call("greeter", "Say.Hello", {"name": "x"}))["message"] == "Hello, x!"
        async with client.http.get("http://web/path") as response:
            assert await response.text() == "ok"
        assert [client.overridden(name) for name in ("greeter", "web", "other")] == [True, True, False]
        async for snapshot in client.watch("web"):
            assert len(instances_of(snapshot)) == 1
            break
        async with client.pool("web").lease() as lease:
            assert lease.instance.service == "web"


@pytest.mark.usefixtures("overridden")
async def test_a_client_for_threads() -> None:
    def call() -> str:
        with muster.sync.Client(DOWN) as client:
            return greeter_pb2_grpc.SayStub(client.channel("greeter")).Hello(REQUEST, timeout=10).message

    assert await asyncio.to_thread(call) == "Hello, x!"


@pytest.mark.usefixtures("overridden")
async def test_a_gateway() -> None:
    async with (
        muster.Client(DOWN) as client,
        Gateway(client, http="127.0.0.1:0") as gateway,
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.url}/greeter/say/hello?name=x") as response,
    ):
        assert (await response.json())["message"] == "Hello, x!"


@pytest.mark.usefixtures("overridden")
async def test_the_command_line() -> None:
    command = [sys.executable, "-m", "muster", "call", "greeter", "Say.Hello", '{"name": "x"}', "--registry", DOWN]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Hello, x!" in done.stdout) == (0, True), done.stderr


@pytest.mark.usefixtures("overridden")
async def test_why_on_the_command_line() -> None:
    command = [sys.executable, "-m", "muster", "instances", "greeter", "--explain", "--registry", DOWN]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "next" in done.stdout) == (0, True), done.stderr
