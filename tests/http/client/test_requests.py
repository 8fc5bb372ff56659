"""requests in threads, on muster's adapter."""

from __future__ import annotations

import asyncio
import io
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from muster.http.requests import Adapter
from muster.model.errors import NoInstances

pytestmark = pytest.mark.anyio

URL = "http://greeter"


@contextmanager
def calling(session: Any) -> Iterator[requests.Session]:
    """A requests session whose requests are sent by `session`, on the running loop; for other threads."""
    loop = asyncio.get_running_loop()

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work(session), loop).result()

    adapter = Adapter(do)
    with requests.Session() as made:
        made.mount("http://", adapter)
        made.mount("https://", adapter)
        yield made


@pytest.fixture
async def client(world: Any) -> Any:
    with calling(await world.session()) as made:
        yield made


thread = asyncio.to_thread


async def test_requests_arrive_with_their_parts(world: Any, client: requests.Session) -> None:
    await world.web("a")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        url, headers = f"{URL}/echo?a=b%2Fc", {"X-Tenant": "t"}
        answer = await thread(client.request, method, url, json={"y": 1}, headers=headers)
        told = answer.json()
        assert (told["by"], told["method"], told["query"], told["body"]) == ("a", method, {"a": "b/c"}, '{"y": 1}')
        assert (told["headers"]["Host"], told["headers"]["X-Tenant"]) == ("greeter", "t")
        assert told["headers"]["User-Agent"] == f"python-requests/{requests.__version__}"
    answer = await thread(client.get, f"{URL}/status/404")
    assert (answer.status_code, answer.reason, answer.text, answer.url) == (404, "Not Found", "a", f"{URL}/status/404")
    assert (await thread(client.head, f"{URL}/status/200")).content == b""


async def test_cookies_are_kept_by_requests(world: Any, client: requests.Session) -> None:
    await world.web("a")
    answer = await thread(client.get, f"{URL}/echo")
    assert answer.cookies["seen"] == "yes"


@pytest.mark.parametrize(
    "data",
    [b"012", "012", io.BytesIO(b"012"), io.StringIO("012"), (piece for piece in (b"0", b"12"))],
    ids=["bytes", "str", "file", "text file", "generator"],
)
async def test_bodies_of_every_kind(world: Any, client: requests.Session, data: Any) -> None:
    await world.web("a")
    assert (await thread(client.post, f"{URL}/echo", data=data)).json()["body"] == "012"


async def test_a_form_with_a_file(world: Any, client: requests.Session) -> None:
    await world.web("a")
    answer = await thread(client.post, f"{URL}/echo", files={"file": ("name.txt", b"content")})
    assert 'filename="name.txt"' in answer.json()["body"]


async def test_an_answer_is_streamed(world: Any, client: requests.Session) -> None:
    server = await world.web("a")

    def two_lines() -> list[bytes]:
        with client.get(f"{URL}/stream?hang", stream=True) as answer:
            lines = answer.iter_lines()
            return [next(lines), next(lines)]

    assert await thread(two_lines) == [b"0", b"1"]
    server.release.set()
    answer = await thread(client.get, f"{URL}/stream", stream=True)
    assert await thread(lambda: answer.content) == b"0\n1\n2\n"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_compressed_body_is_unfolded(world: Any, client: requests.Session, stream: bool) -> None:
    await world.web("a")
    answer = await thread(client.get, f"{URL}/compressed", stream=stream)
    assert await thread(lambda: answer.text) == "a" * 1000


async def test_redirects_are_requests_to_follow(world: Any, client: requests.Session) -> None:
    await world.web("a")
    await world.web("o", name="orders")
    answer = await thread(client.get, f"{URL}/redirect?to=http://orders/echo")
    assert (answer.json()["by"], [hop.status_code for hop in answer.history]) == ("o", [302])


async def test_the_same_retries(world: Any, client: requests.Session) -> None:
    servers = [await world.web(letter) for letter in "ab"]
    assert (await thread(client.get, f"{URL}/once/503")).status_code == 200
    assert (await thread(client.post, f"{URL}/once/502", data=b"x")).status_code == 502
    await servers[0].stop()
    for _ in range(4):
        assert (await thread(client.post, f"{URL}/echo", data=b"x")).json()["by"] == "b"


async def test_many_threads_share_it(world: Any, client: requests.Session) -> None:
    for letter in "abc":
        await world.web(letter)

    def work() -> set[str]:
        with ThreadPoolExecutor(8) as threads:
            return {answer.text for answer in threads.map(client.get, [f"{URL}/status/200"] * 100)}

    assert await thread(work) <= {"a", "b", "c"}


async def test_nobody_there(client: requests.Session) -> None:
    with pytest.raises(requests.ConnectionError, match="the registry knows nobody") as failed:
        await thread(client.get, "http://nobody/")
    assert isinstance(failed.value.__cause__, NoInstances)
    assert failed.value.request.url == "http://nobody/"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("greeter/hang", requests.ReadTimeout),
        ("greeter/drop", requests.ConnectionError),
        ("greeter/cut?of=1000000", requests.exceptions.ChunkedEncodingError),
        ("greeter/stream?hang", requests.ReadTimeout),
        ("greeter:8080/", requests.exceptions.InvalidURL),
    ],
)
@pytest.mark.parametrize("timeout", [0.2, (1, 0.2)])
async def test_errors_are_those_of_requests(
    world: Any, client: requests.Session, path: str, error: type[Exception], timeout: Any
) -> None:
    await world.web("a")
    with pytest.raises(error):
        await thread(client.get, f"http://{path}", timeout=timeout)


async def test_without_a_timeout_the_clients_own_holds(world: Any) -> None:
    await world.web("a")
    with calling(await world.session(timeout=0.2)) as client, pytest.raises(requests.ReadTimeout, match="in time"):
        await thread(client.get, f"{URL}/hang")


async def test_https(world: Any, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("greeter").configure_cert(context)
    await world.web("a", ssl_context=context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with calling(await world.session()) as client:
        with pytest.raises(requests.exceptions.SSLError, match="certificate"):
            await thread(client.get, "https://greeter/echo")
        for verify in (str(bundle), False):
            answer = await thread(client.get, "https://greeter/echo", verify=verify)
            assert answer.json()["by"] == "a"


async def test_no_proxy_is_used(world: Any, client: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await world.web("a")
    assert (await thread(client.get, f"{URL}/status/200")).text == "a"


def test_without_requests_the_extra_is_named() -> None:
    program = "import sys; sys.modules['requests'] = None; import muster.http.requests"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'muster-discovery[requests]'" in done.stderr
