"""Requests as bytes on a connection of their own: what a client library would hide is what these tests are about."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Reply:
    """An answer; header names in lower case, the body unpacked."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def index(self) -> int:
        return int(self.headers["x-consul-index"])


Ask = Callable[..., Awaitable[Reply]]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """`await ask(address, "GET", "/v1/...", body, headers)`: a body that is no string or bytes is sent as JSON."""
    threads = ThreadPoolExecutor(64)

    async def ask_(
        address: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, _ask, address, method, path, body, headers or {})

    yield ask_
    threads.shutdown(wait=False)


async def waiting_at(ask: Ask, address: str, count: int = 1) -> None:
    """Returns once so many requests wait at this agent for something to change."""
    metrics = "/v1/agent/metrics?format=prometheus"
    async with asyncio.timeout(30):
        while f"muster_agent_blocked_queries {count}\n" not in (await ask(address, "GET", metrics)).text:
            await asyncio.sleep(0.005)


def _ask(address: str, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
        connection.request(method, path, body.encode() if isinstance(body, str) else body, headers)
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    given = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, given, gzip.decompress(data) if given.get("content-encoding") == "gzip" else data)
