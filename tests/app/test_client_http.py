"""`client.http` and what is built on it, as programs use them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import requests

import muster
from muster.call.retry import RetryPolicy
from muster.http.asgi import Receive, Scope, Send
from muster.http.server import serving
from muster.model.check import TTLCheck
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.registry.url import open_registry

pytestmark = pytest.mark.anyio


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    body = f"hello from {scope['path']}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def busy(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def registered(url: str, app: object = hello) -> AsyncIterator[int]:
    """A service `web` in the registry at `url`; gives its port."""
    async with serving(app, "127.0.0.1:0") as bound, open_registry(url) as registry:  # type: ignore[arg-type]
        instance = Instance("web-1", "web", bound.host, bound.port, protocol="http")
        await registry.register(Registration(instance, (TTLCheck("self", 30.0),)))
        yield bound.port
        await registry.deregister("web-1")


@pytest.fixture(params=["memory", "agent"])
async def registry(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[str]:
    if request.param == "memory":
        yield "memory://client-http-tests"
    else:
        from muster.agent import Agent

        async with Agent(http="127.0.0.1:0") as agent:
            yield agent.url


async def test_register_discover_call(registry: str) -> None:
    async with registered(registry), muster.Client(registry) as client:
        async with client.http.get("http://web/path") as answer:
            assert (answer.status, await answer.text()) == (200, "hello from /path")
        async with httpx.AsyncClient(transport=client.httpx_transport()) as borrowed:
            assert (await borrowed.get("http://web/path")).text == "hello from /path"
        with pytest.raises(muster.NoInstances, match="the registry knows nobody"):
            await client.http.get("http://nobody/")


async def test_requests_in_a_thread(registry: str) -> None:
    def work() -> str:
        with muster.sync.Client(registry) as client, requests.Session() as session:
            session.mount("http://", client.requests_adapter())
            return session.get("http://web/path").text

    async with registered(registry):
        assert await asyncio.to_thread(work) == "hello from /path"


async def test_an_answer_outlives_its_client_and_is_closed_in_peace() -> None:
    def work() -> None:
        with muster.sync.Client("memory://outlived") as client, requests.Session() as session:
            session.mount("http://", client.requests_adapter())
            answer = session.get("http://web/path", stream=True)
        answer.close()

    async with registered("memory://outlived"):
        await asyncio.to_thread(work)


async def test_an_override_sends_requests_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with registered("memory://elsewhere") as port:
        monkeypatch.setenv("MUSTER_OVERRIDE_WEB", f"127.0.0.1:{port}")
        async with (
            muster.Client("consul://127.0.0.1:1") as client,
            asyncio.timeout(30),
            client.http.get("http://web/") as answer,
        ):
            assert answer.status == 200


async def test_what_a_client_is_told_of_retries_holds_for_http(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with registered("memory://busy", busy):
        for retries, attempts in (("true", 2), ("false", 1)):
            overrides = tmp_path / f"{retries}.toml"
            overrides.write_text(f"[web]\nretries = {retries}\n")
            monkeypatch.setenv("MUSTER_OVERRIDES", str(overrides))
            told: list[muster.Event] = []
            policy = RetryPolicy(attempts=2)
            async with (
                muster.Client("memory://busy", retry=policy, observe=told.append) as client,
                client.http.get("http://web/") as answer,
            ):
                assert answer.status == 503
            assert sum(type(event).__name__ == "AttemptFailed" for event in told) == attempts


async def test_one_budget_for_both_transports() -> None:
    async with muster.Client("memory://budget") as client:
        assert client.http._calling.retrier is client._open.transport.retrier


async def test_a_client_that_is_not_open_says_so() -> None:
    client = muster.Client("memory://closed")
    for ask in (lambda: client.http, client.httpx_transport):
        with pytest.raises(RuntimeError, match="async with"):
            ask()
    async with client:
        session = client.http
        assert session is client.http
    assert session.closed
    async with client:
        assert client.http is not session


def test_without_the_extras_their_names_are_told() -> None:
    program = """
import asyncio, sys
sys.modules["httpx"] = sys.modules["requests"] = None
import muster
async def main():
    async with muster.Client("memory://x") as client:
        try: client.httpx_transport()
        except muster.BadConfiguration as error: print(error)
asyncio.run(main())
with muster.sync.Client("memory://x") as client:
    try: client.requests_adapter()
    except muster.BadConfiguration as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "muster-discovery[httpx]" in done.stdout and "muster-discovery[requests]" in done.stdout
