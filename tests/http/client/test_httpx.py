"""httpx's client on muster's transport."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from muster.http.httpx import Transport
from muster.model.errors import NoInstances

pytestmark = pytest.mark.anyio

URL = "http://greeter"


@pytest.fixture
async def client(world: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=Transport(await world.session())) as client:
        yield client


async def test_requests_arrive_with_their_parts(world: Any, client: httpx.AsyncClient) -> None:
    await world.web("a")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await client.request(method, f"{URL}/echo?a=b%2Fc", json={"y": 1}, headers={"X-Tenant": "t"})
        told = answer.json()
        assert (told["by"], told["method"], told["query"], told["body"]) == ("a", method, {"a": "b/c"}, '{"y":1}')
        headers = told["headers"]
        assert (headers["Host"], headers["X-Tenant"], headers["User-Agent"]) == (
            "greeter",
            "t",
            f"python-httpx/{httpx.__version__}",
        )
        assert headers["Content-Type"] == "application/json"
    answer = await client.get(f"{URL}/status/404")
    assert (answer.status_code, answer.reason_phrase, answer.text, answer.http_version) == (
        404,
        "Not Found",
        "a",
        "HTTP/1.1",
    )


async def test_bodies_are_streamed_both_ways(world: Any, client: httpx.AsyncClient) -> None:
    server = await world.web("a")

    async def numbers() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    assert (await client.post(f"{URL}/echo", content=numbers())).json()["body"] == "012"
    async with client.stream("GET", f"{URL}/stream?hang") as answer:
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(2)] == ["0", "1"]
        server.release.set()


async def test_a_compressed_body_is_unfolded_once(world: Any, client: httpx.AsyncClient) -> None:
    await world.web("a")
    answer = await client.get(f"{URL}/compressed")
    assert answer.text == "a" * 1000
    assert len(gzip.compress(b"a" * 1000)) == int(answer.headers["Content-Length"])


async def test_redirects_are_httpxs_to_follow(world: Any, client: httpx.AsyncClient) -> None:
    await world.web("a")
    await world.web("o", name="orders")
    assert (await client.get(f"{URL}/redirect?to=http://orders/echo")).status_code == 302
    answer = await client.get(f"{URL}/redirect?to=http://orders/echo", follow_redirects=True)
    assert answer.json()["by"] == "o"


async def test_the_same_retries(world: Any, client: httpx.AsyncClient) -> None:
    servers = [await world.web(letter) for letter in "ab"]
    assert (await client.get(f"{URL}/once/503")).status_code == 200
    assert (await client.post(f"{URL}/once/502", content=b"x")).status_code == 502
    await servers[0].stop()
    for _ in range(4):
        assert (await client.post(f"{URL}/echo", content=b"x")).json()["by"] == "b"


async def test_nobody_there(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ConnectError, match="the registry knows nobody") as failed:
        await client.get("http://nobody/")
    assert isinstance(failed.value.__cause__, NoInstances)
    assert failed.value.request.url == "http://nobody/"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("greeter/hang", httpx.ReadTimeout),
        ("greeter/drop", httpx.RemoteProtocolError),
        ("greeter/cut?of=1000000", httpx.RemoteProtocolError),
        ("greeter/stream?hang", httpx.ReadTimeout),
        ("greeter:8080/", httpx.UnsupportedProtocol),
        ("127.0.0.1/", httpx.UnsupportedProtocol),
    ],
)
async def test_errors_are_httpxs(world: Any, client: httpx.AsyncClient, path: str, error: type[Exception]) -> None:
    await world.web("a")
    with pytest.raises(error):
        await client.get(f"http://{path}", timeout=0.2)


async def test_no_proxy_is_used(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await world.web("a")
    async with httpx.AsyncClient(transport=Transport(await world.session())) as client:
        assert (await client.get(f"{URL}/status/200")).text == "a"


def test_without_httpx_the_extra_is_named() -> None:
    program = "import sys; sys.modules['httpx'] = None; import muster.http.httpx"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'muster-discovery[httpx]'" in done.stderr
