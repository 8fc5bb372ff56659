"""Whatever is asked, the API answers once, the short way as the usual way, and never with an error of its own making.

MUSTER_FUZZ=40000 pytest tests/agent/api/test_any_request.py    so many sequences of some four
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

import pytest
from tests.agent.strangers import Asked, sequences, tried

from muster.agent.api.app import API
from muster.agent.api.request import parse_target
from muster.agent.identity import identify
from muster.agent.local import Timing
from muster.agent.settings import InForce, Limits
from muster.agent.state import living_state
from muster.http.prompt import Reply, WholeRequest

EXPECTED = {200, 301, 400, 401, 404, 405, 409, 413, 429, 500, 501, 503}
"""500 is what Consul answers to much that is the client's fault; a crash is no answer here, but an exception."""

_OF_THE_MOMENT = ("/v1/agent/host", "/v1/agent/metrics", "/v1/event/fire")
_WITHOUT_END = "/v1/agent/monitor"
_LIMITS = Limits(max_blocked_queries=10, http_max_body_bytes=1 << 20)


@pytest.mark.parametrize("seed", [1])
def test_any_sequence_of_requests_is_answered(seed: int) -> None:
    for requests in sequences(seed, tried(400)):
        asyncio.run(ask_all(requests))


async def ask_all(requests: list[Asked]) -> None:
    identity = identify("127.0.0.1", 1, "n", "dc1")
    async with living_state("n", 1000, Timing(), InForce(_LIMITS)) as begin:
        state = begin(identity)
        api = API(state)
        state.waiters.close()
        for asked in requests:
            await answered(api, asked)


async def answered(api: API, asked: Asked) -> None:
    target = quote(asked.path, safe="/%").encode() + (b"?" + asked.query.encode() if asked.query else b"")
    headers = [(name.encode(), value.encode()) for name, value in asked.headers]
    reply = api.prompt(WholeRequest(asked.method, target, headers, asked.body))
    if reply is None and asked.path.startswith(_WITHOUT_END):
        return
    assert isinstance(reply, Reply)
    status = int(reply.head[9:12])
    assert status in EXPECTED
    assert b"\r\nContent-Length: %d\r\n" % len(reply.body) in reply.head
    if asked.method == "GET" and not asked.path.startswith(_OF_THE_MOMENT):
        assert await usual(api, asked.method, target, headers, asked.body) == (status, reply.body)
        if status == 200 and b"application/json" in reply.head and b"gzip" not in reply.head:
            json.loads(reply.body)


async def usual(
    api: API, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, bytes]:
    """The answer as an ASGI application."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    address = parse_target(target)
    assert address is not None
    path, raw_path, query = address
    scope = {"type": "http", "method": method, "path": path, "raw_path": raw_path, "query_string": query}
    await api({**scope, "headers": headers}, receive, send)
    start, rest = sent
    assert int(dict(start["headers"])[b"Content-Length"]) == len(rest["body"])
    return start["status"], rest["body"]
