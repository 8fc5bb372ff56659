"""muster.gateway from outside: real HTTP, real gRPC servers, a real client between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

import muster
from muster.gateway import Gateway, Limits
from muster.model.errors import BadConfiguration, RegistryUnavailable

if TYPE_CHECKING:
    from tests.gateway.conftest import Shop

pytestmark = pytest.mark.anyio

Web = aiohttp.ClientSession
EMPTY_ORDER = {"item": "", "count": 0, "mark": [], "gift": False, "size": "SMALL"}


async def problem(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The problem in a response; what every one of them has is checked here."""
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(await response.read())
    assert set(body) == {"type", "title", "status", "detail", "instance", "code"}
    assert body["status"] == response.status
    assert body["instance"] == response.url.raw_path
    return body


# Calls.


async def test_get_takes_the_request_from_the_query(shop: Shop, web: Web) -> None:
    await shop.open()
    url = "/shop/till/sell?item=green%20tea&count=2&mark=a&mark=b&address.city=Rome&gift=true&size=LARGE"
    async with web.get(url) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert await response.json() == {
            "order": {
                "item": "green tea",
                "count": 2,
                "mark": ["a", "b"],
                "address": {"city": "Rome"},
                "gift": True,
                "size": "LARGE",
            },
            "totalCents": str(2**40),
            "soldBy": "",
        }


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", "application/x+json"])
async def test_post_takes_it_from_the_body(shop: Shop, web: Web, content_type: str) -> None:
    await shop.open()
    body = json.dumps({"item": "tée", "address": {"city": "Rome"}, "mark": None})
    async with web.post("/shop/till/sell", data=body, headers={"content-type": content_type}) as response:
        assert response.status == 200
        reply = await response.json()
    assert reply["order"] == EMPTY_ORDER | {"item": "tée", "address": {"city": "Rome"}}


async def test_an_empty_body_is_an_empty_message(shop: Shop, web: Web) -> None:
    await shop.open()
    async with web.post("/shop/till/sell") as response:
        assert (await response.json())["order"] == EMPTY_ORDER


@pytest.mark.parametrize(
    "path",
    ["/shop/Till/Sell", "/shop/till/sell/", "/shop/Till.Sell", "/shop/shop.v1.Till/Sell", "/shop/shop.v1.Till.Sell"],
)
async def test_other_spellings_of_a_path(shop: Shop, web: Web, path: str) -> None:
    await shop.open()
    async with web.get(path) as response:
        assert response.status == 200


@pytest.mark.parametrize("name", ["eu.shop", "shop-two", "shop_3", "4shop"])
async def test_names_with_dots_and_dashes(shop: Shop, web: Web, name: str) -> None:
    await shop.open(name)
    async with web.get(f"/{name}/till/sell?item=tea") as response:
        assert response.status == 200


async def test_head_is_a_get_without_its_body(shop: Shop, web: Web) -> None:
    await shop.open()
    async with web.get("/shop/till/sell?item=tea") as got, web.head("/shop/till/sell?item=tea") as headed:
        assert headed.status == 200
        assert headed.headers["content-length"] == got.headers["content-length"]
        assert await headed.read() == b""
    async with web.head("/nobody/till/sell") as headed:
        assert headed.status == 404


async def test_a_large_message_goes_both_ways(shop: Shop, web: Web) -> None:
    await shop.open()
    marks = ["x" * 100] * 9_000
    async with web.post("/shop/till/sell", json={"item": "big:1000000", "mark": marks}) as response:
        reply = await response.json()
    assert len(reply["soldBy"]) == 1_000_000
    assert reply["order"]["mark"] == marks


async def test_headers_become_metadata_and_metadata_headers(shop: Shop, web: Web) -> None:
    await shop.open()
    headers = {"Authorization": "Bearer x", "X-Request-Id": "9", "Grpc-Metadata-Tenant": "acme", "X-Other": "no"}
    async with web.get("/shop/till/sell", headers=headers) as response:
        assert response.headers["grpc-metadata-till"] == "7"
        assert "grpc-metadata-grpc-odd" not in response.headers
    sent = shop.metadata[-1]
    assert (sent["authorization"], sent["x-request-id"], sent["tenant"]) == ("Bearer x", "9", "acme")
    assert "x-other" not in sent


async def test_many_at_once_over_few_connections(shop: Shop, web: Web) -> None:
    await shop.open()
    await shop.open()

    async def one(number: int) -> int:
        async with web.get(f"/shop/till/sell?count={number}") as response:
            count: int = (await response.json())["order"]["count"]
            return count

    assert await asyncio.gather(*(one(number) for number in range(200))) == list(range(200))


# Lists.


async def test_the_index_lists_the_services(shop: Shop, web: Web) -> None:
    await shop.open()
    await shop.open("eu.shop")
    async with web.get("/") as response:
        assert await response.json() == {"services": {"eu.shop": "/eu.shop", "shop": "/shop"}}


async def test_a_service_lists_its_endpoints(shop: Shop, web: Web) -> None:
    await shop.open()
    async with web.get("/shop") as response:
        assert await response.json() == {
            "service": "shop",
            "endpoints": {
                "shop.v1.Till.Sell": "/shop/till/sell",
                "shop.v1.Till.ListSales": "/shop/till/list-sales",
            },
        }


async def test_health(web: Web) -> None:
    async with web.get("/-/health") as response:
        assert await response.json() == {"status": "ready"}


# Who is there, and who is not.


async def test_an_unknown_service(web: Web) -> None:
    async with web.get("/nobody/till/sell") as response:
        assert response.status == 404
        assert (await problem(response))["detail"] == "no service 'nobody' is registered"


async def test_unknown_names_cost_no_watch(client: muster.Client, web: Web) -> None:
    for number in range(5):
        async with web.get(f"/nobody-{number}/till/sell") as response:
            assert response.status == 404
    assert client._open.hub._watched == {}


async def test_an_override_reaches_a_service_that_is_not_registered(
    shop: Shop, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.open()
    [instance] = (await shop_instances(shop)).instances
    monkeypatch.setenv("MUSTER_OVERRIDE_ELSEWHERE", instance.address)
    async with web.get("/elsewhere/till/sell") as response:
        assert response.status == 200


async def shop_instances(shop: Shop) -> Any:
    async for answer in shop.registry.watch("shop"):
        return answer
    raise AssertionError


async def test_a_service_is_reached_as_soon_as_it_is_registered(shop: Shop, web: Web) -> None:
    async with web.get("/shop/till/sell") as response:
        assert response.status == 404
    await shop.open()
    async with web.get("/shop/till/sell") as response:
        assert response.status == 200


async def test_an_unknown_method_with_a_list_of_what_there_is(shop: Shop, web: Web) -> None:
    await shop.open()
    async with web.get("/shop/till/buy") as response:
        assert response.status == 404
        body = await problem(response)
    assert body["detail"] == ("the service 'shop' has no 'till.buy'; it offers: /shop/till/sell, /shop/till/list-sales")


async def test_a_path_that_means_two_methods(shop: Shop, web: Web) -> None:
    await shop.open("shop", "shop.v1.Till.Sell", "shop.v2.Till.Sell")
    async with web.get("/shop/till/sell") as response:
        assert response.status == 400
        assert "/shop/shop.v1.Till/Sell, /shop/shop.v2.Till/Sell" in (await problem(response))["detail"]


async def test_a_service_whose_instances_are_ill(shop: Shop, web: Web) -> None:
    await shop.fall_ill(await shop.open())
    async with web.get("/shop/till/sell") as response:
        assert response.status == 503
        assert response.headers["retry-after"] == "1"
        body = await problem(response)
    assert body["code"] == "UNAVAILABLE"
    assert "critical" in body["detail"]


async def test_a_service_without_reflection(shop: Shop, web: Web) -> None:
    await shop.open(reflect=False)
    async with web.get("/shop/till/sell") as response:
        assert response.status == 501
        assert "switch reflection on" in (await problem(response))["detail"]


async def test_a_streaming_method(shop: Shop, web: Web) -> None:
    await shop.open()
    async with web.get("/shop/till/list-sales") as response:
        assert response.status == 501
        assert "is a streaming method" in (await problem(response))["detail"]


async def test_a_registry_that_is_away() -> None:
    async with (
        muster.Client("consul://127.0.0.1:1") as client,
        Gateway(client, "127.0.0.1:0") as gateway,
        Web(gateway.url) as web,
    ):
        for path in ("/shop/till/sell", "/", "/-/health"):
            async with web.get(path) as response:
                assert response.status == 503
                assert response.headers["retry-after"] == "1"
                await problem(response)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NOT_FOUND", 404),
        ("INVALID_ARGUMENT", 400),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("ALREADY_EXISTS", 409),
        ("RESOURCE_EXHAUSTED", 429),
        ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500),
        ("UNAVAILABLE", 503),
        ("CANCELLED", 499),
    ],
)
async def test_what_the_service_answers(shop: Shop, web: Web, code: str, status: int) -> None:
    await shop.open()
    async with web.get(f"/shop/till/sell?item=fail:{code}") as response:
        assert response.status == status
        body = await problem(response)
    assert (body["code"], body["detail"]) == (code, "as ordered")


# Mistakes in requests.


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "no JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b"[]", "expected an object (shop.v1.Order), found a list"),
        (b'{"itm": 1}', "unknown field 'itm'; did you mean 'item'?"),
        (b'{"count": "x"}', "field 'count': expected a whole number (int32), found the string 'x'"),
        (b'{"address": {"city": 5}}', "field 'address.city': expected a string, found the number 5"),
        (b'{"count": NaN}', "NaN is no JSON value"),
        (b'{"item": "a", "item": "b"}', "the name 'item' twice"),
        (b"\xff", "no UTF-8"),
    ],
)
async def test_a_body_that_does_not_fit(shop: Shop, web: Web, body: bytes, text: str) -> None:
    await shop.open()
    async with web.post("/shop/till/sell", data=body, headers={"content-type": "application/json"}) as response:
        assert response.status == 400
        answer = await problem(response)
    assert answer["code"] == "INVALID_ARGUMENT"
    assert text in answer["detail"]
    assert shop.orders == []


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("itm=x", "unknown field 'itm'; did you mean 'item'?"),
        ("count=x", "field 'count': expected a whole number (int32), found the string 'x'"),
        ("size=HUGE", "field 'size': expected one of SMALL, LARGE (shop.v1.Size), found the string 'HUGE'"),
        ("gift=maybe", "parameter 'gift': expected true or false, found 'maybe'"),
        ("item=a&item=b", "parameter 'item' is given twice"),
    ],
)
async def test_a_query_that_does_not_fit(shop: Shop, web: Web, query: str, text: str) -> None:
    await shop.open()
    async with web.get(f"/shop/till/sell?{query}") as response:
        assert response.status == 400
        assert text in (await problem(response))["detail"]


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/json; charset=latin-1"}]
)
async def test_a_body_that_is_not_said_to_be_json(shop: Shop, web: Web, headers: Mapping[str, str]) -> None:
    await shop.open()
    skip = ("content-type",)
    async with web.post("/shop/till/sell", data=b"{}", headers=headers, skip_auto_headers=skip) as response:
        assert response.status == 415
        assert response.headers["accept"] == "application/json"
        assert "expected content-type application/json" in (await problem(response))["detail"]


async def test_a_compressed_body(web: Web) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    async with web.post("/shop/till/sell", data=b"x", headers=headers) as response:
        assert response.status == 415


async def test_a_query_and_a_body_exclude_each_other(shop: Shop, web: Web) -> None:
    await shop.open()
    async with web.post("/shop/till/sell?item=tea", json={}) as response:
        assert response.status == 400
        assert "POST takes its request from the body" in (await problem(response))["detail"]
    async with web.request("GET", "/shop/till/sell", json={}) as response:
        assert response.status == 400
        assert "GET takes its request from the query" in (await problem(response))["detail"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods(web: Web, method: str) -> None:
    async with web.request(method, "/shop/till/sell") as response:
        assert response.status == 405
        assert response.headers["allow"] == "GET, HEAD, POST"
        await problem(response)


async def test_lists_are_not_posted_to(web: Web) -> None:
    async with web.post("/", json={}) as response:
        assert response.status == 405
        assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["//", "/a/b/c/d", "/shop//sell"])
async def test_paths_that_lead_nowhere(gateway: Gateway, path: str) -> None:
    status, _ = await raw(gateway, f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert status == 404


async def test_a_header_that_cannot_be_metadata(shop: Shop, web: Web) -> None:
    await shop.open()
    async with web.get("/shop/till/sell", headers={"Grpc-Metadata-Content-Length": "5"}) as response:
        assert response.status == 400
        assert "grpc-metadata-content-length" in (await problem(response))["detail"]


# Limits.


async def with_limits(client: muster.Client, limits: Limits) -> AsyncIterator[tuple[Gateway, Web]]:
    async with Gateway(client, "127.0.0.1:0", limits=limits) as gateway, Web(gateway.url) as web:
        yield gateway, web


async def test_a_body_over_the_limit(shop: Shop, client: muster.Client) -> None:
    await shop.open()
    async for gateway, web in with_limits(client, Limits(body_bytes=1000)):
        body = json.dumps({"item": "x" * 980}).encode()
        headers = {"content-type": "application/json"}
        async with web.post("/shop/till/sell", data=body[:-1] + b" " * (1001 - len(body)) + b"}", headers=headers) as r:
            assert r.status == 413
            assert "more than 1000 bytes" in (await problem(r))["detail"]
        async with web.post("/shop/till/sell", data=body[:-1] + b" " * (1000 - len(body)) + b"}", headers=headers) as r:
            assert r.status == 200
        # Without a length in advance, and with one that is out of the question.
        chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".replace(b" / ", b" /a/b/c ")
        assert (await raw(gateway, chunked + b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n", end=False))[0] == 413
        assert (await raw(gateway, chunked + b"fffff\r\n" + b"x" * 20_000, end=False))[0] == 413
        announced = b"POST /a/b/c HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n"
        assert (await raw(gateway, announced + b"\r\n"))[0] == 413
        assert (await raw(gateway, announced + b"Expect: 100-continue\r\n\r\n"))[0] == 413


async def test_a_client_that_waits_to_be_asked_for_its_body(shop: Shop, gateway: Gateway) -> None:
    await shop.open()
    reader, writer = await asyncio.open_connection(*gateway.address.split(":"))
    writer.write(
        b"POST /shop/till/sell HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_a_slow_body(client: muster.Client) -> None:
    async for gateway, _ in with_limits(client, Limits(body_seconds=0.05)):
        head = b"POST /a/b/c HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n123"
        status, body = await raw(gateway, head)
        assert status == 408
        assert b"did not come within 0.05 s" in body


@pytest.mark.parametrize("timeout", ["100m", None])
async def test_a_slow_call(shop: Shop, client: muster.Client, timeout: str | None) -> None:
    await shop.open()
    async for _, web in with_limits(client, Limits(timeout=30.0 if timeout else 0.1)):
        headers = {"Grpc-Timeout": timeout} if timeout else {}
        async with web.get("/shop/till/sell?item=wait", headers=headers) as response:
            assert response.status == 504
            assert (await problem(response))["code"] == "DEADLINE_EXCEEDED"
        await asyncio.wait_for(shop.cancelled.wait(), 30)


async def test_a_timeout_that_is_none(web: Web) -> None:
    async with web.get("/shop/till/sell", headers={"Grpc-Timeout": "soon"}) as response:
        assert response.status in (400, 404)


async def test_more_requests_than_wanted(shop: Shop, client: muster.Client) -> None:
    await shop.open()
    async for _, web in with_limits(client, Limits(concurrent=1)):
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(status_of(web, "/shop/till/sell?item=wait"))
            await shop.selling.wait()
            async with web.get("/shop/till/sell") as response:
                assert response.status == 503
                assert response.headers["retry-after"] == "1"
                await problem(response)
            shop.go.set()
            assert await first == 200
        async with web.get("/shop/till/sell") as response:
            assert response.status == 200


# Clients that go away, and the end.


@pytest.mark.parametrize("half", [True, False])
async def test_a_client_that_goes_away_takes_its_call_along(shop: Shop, gateway: Gateway, half: bool) -> None:
    await shop.open()
    _, writer = await asyncio.open_connection(*gateway.address.split(":"))
    writer.write(b"GET /shop/till/sell?item=wait HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.wait_for(shop.selling.wait(), 30)
    if half:
        writer.write_eof()
    else:
        writer.close()
    await asyncio.wait_for(shop.cancelled.wait(), 30)
    writer.close()


async def test_a_client_that_goes_away_in_mid_body(shop: Shop, gateway: Gateway, web: Web) -> None:
    await shop.open()
    _, writer = await asyncio.open_connection(*gateway.address.split(":"))
    writer.write(b"POST /shop/till/sell HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n123")
    await writer.drain()
    writer.close()
    async with web.get("/shop/till/sell") as response:
        assert response.status == 200


async def status_of(web: Web, url: str) -> int:
    async with web.get(url) as response:
        return int(response.status)


async def cut_off(web: Web, url: str) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await web.get(url)


async def test_the_end_lets_calls_finish_and_takes_no_new_ones(shop: Shop, client: muster.Client) -> None:
    await shop.open()
    async with Web() as web, asyncio.TaskGroup() as tasks:
        async with Gateway(client, "127.0.0.1:0") as gateway:
            url = f"{gateway.url}/shop/till/sell"
            first = tasks.create_task(status_of(web, f"{url}?item=wait"))
            await shop.selling.wait()
            asyncio.get_running_loop().call_later(0.05, shop.go.set)
        assert await first == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await web.get(url)


async def test_the_end_does_not_wait_longer_than_its_grace(shop: Shop, client: muster.Client) -> None:
    await shop.open()
    async with Web() as web, asyncio.TaskGroup() as tasks:
        async with Gateway(client, "127.0.0.1:0", grace=0.05) as gateway:
            tasks.create_task(cut_off(web, f"{gateway.url}/shop/till/sell?item=wait"))
            await shop.selling.wait()
        await asyncio.wait_for(shop.cancelled.wait(), 30)


async def test_a_taken_port(client: muster.Client, gateway: Gateway) -> None:
    with pytest.raises(BadConfiguration, match="another process has that port"):
        async with Gateway(client, gateway.address):
            pass


async def test_it_has_no_address_before_it_is_open(client: muster.Client) -> None:
    with pytest.raises(RuntimeError, match="use 'async with"):
        _ = Gateway(client).url


async def test_it_can_be_opened_again(client: muster.Client) -> None:
    gateway = Gateway(client, "127.0.0.1:0")
    for _ in range(2):
        async with gateway, Web(gateway.url) as web, web.get("/-/health") as response:
            assert response.status == 200


async def test_a_fault_of_the_gateway_itself_is_told_without_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        calls: Any = None

        def overridden(self, name: str) -> bool:
            return False

        async def names(self) -> Mapping[str, frozenset[str]]:
            raise ValueError("inside")

    async with Gateway(Broken(), "127.0.0.1:0") as gateway, Web(gateway.url) as web, web.get("/") as response:
        assert response.status == 500
        assert "inside" not in json.dumps(await problem(response))
    assert "inside" in caplog.text


async def test_a_registry_that_comes_back(shop: Shop, client: muster.Client) -> None:
    class Flaky:
        failing = True
        calls = client.calls
        overridden = client.overridden

        async def names(self) -> Mapping[str, frozenset[str]]:
            if self.failing:
                raise RegistryUnavailable("away")
            return await client.names()

    await shop.open()
    flaky = Flaky()
    async with Gateway(flaky, "127.0.0.1:0") as gateway, Web(gateway.url) as web:
        async with web.get("/-/health") as response:
            assert response.status == 503
        async with web.get("/shop/till/sell") as response:
            assert response.status == 200, "a registry that cannot list names is no reason to refuse a call"
        flaky.failing = False
        async with web.get("/-/health") as response:
            assert response.status == 200
        flaky.failing = True
        async with web.get("/-/health") as response:
            assert response.status == 200, "what is known still serves"


async def raw(gateway: Gateway, request: bytes, *, end: bool = True) -> tuple[int, bytes]:
    """Sends bytes; the status and the rest of the answer, all of it if the server ends the connection."""
    reader, writer = await asyncio.open_connection(*gateway.address.split(":"))
    try:
        writer.write(request)
        answer = await asyncio.wait_for(reader.read() if end else reader.read(4096), 30)
    finally:
        writer.close()
    return int(answer.split()[1]), answer
