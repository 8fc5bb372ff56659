"""Any request has an answer, and no request is the gateway's own fault."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import muster
from muster.gateway.app import App
from muster.gateway.body import BodyLimits
from muster.gateway.forward import Forwarder
from muster.gateway.names import Names

if TYPE_CHECKING:
    from tests.gateway.conftest import Shop

pytestmark = pytest.mark.anyio

ANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "get", "PRI"])
PATHS = st.sampled_from(["/", "/-/health", "/shop", "/shop/till/sell", "/shop/till/list-sales", "/shop/till", "/x"])
TEXT = st.text(alphabet="abcitem=&.%0f1/-_\u00e9", max_size=20)
FIELDS = st.sampled_from(["item", "count", "mark", "address", "gift", "size", "city", "x", "\ud800"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=6,
)
BODIES = VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            b"content-type",
            b"content-encoding",
            b"grpc-timeout",
            b"authorization",
            b"grpc-metadata-x",
            b"grpc-metadata-x-bin",
        ]
    ),
    st.sampled_from([b"", b"application/json", b"1S", b"gzip", b"\xff", b"AAE=", b"a, b"]),
)


@pytest.fixture
async def app(shop: Shop, client: muster.Client) -> App:
    await shop.open()
    names = Names(client.names, client.overridden, clock=lambda: 0.0)
    return App(Forwarder(client, names, 5.0), BodyLimits(1000, 5.0), 10)


async def ask(app: App, method: str, path: str, query: str, headers: dict[bytes, bytes], body: bytes) -> Any:
    """Status, headers and body of the answer, as the application sends them."""
    scope = {
        "type": "http",
        "method": method,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": list(headers.items()),
    }
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop(0) if messages else await forever()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, content = sent
    return start["status"], dict(start["headers"]), content["body"]


async def forever() -> None:
    await asyncio.Event().wait()


@ANY
@given(method=METHODS, path=PATHS | TEXT.map("/".__add__), query=TEXT, headers=HEADERS, body=BODIES)
async def test_any_request_has_an_answer(
    app: App, method: str, path: str, query: str, headers: dict[bytes, bytes], body: bytes
) -> None:
    status, answered, content = await ask(app, method, path, query, headers, body)
    assert status in (200, 400, 404, 405, 413, 415, 501, 504)
    if content:
        assert (json.loads(content)["status"] if status != 200 else 200) == status
    assert (answered[b"content-type"] == b"application/problem+json") == (status != 200)


@ANY
@given(value=VALUES)
async def test_any_json_is_an_order_or_no_order(app: App, value: Any) -> None:
    headers = {b"content-type": b"application/json"}
    body = json.dumps(value).encode()
    status, _, _ = await ask(app, "POST", "/shop/till/sell", "", headers, body)
    assert status == (413 if len(body) > 1000 else status)
    assert status in (200, 400, 413)
