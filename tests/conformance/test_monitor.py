"""The log as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

MONITOR = "/v1/agent/monitor"
REGISTER = "/v1/agent/service/register"


async def test_levels_and_methods_are_refused_alike(both: Any) -> None:
    for level in ("bogus", "warning", "5"):
        await both.ask("GET", f"{MONITOR}?loglevel={level}")
    for path in (MONITOR, "/v1/agent/leave", "/v1/agent/reload"):
        await both.ask("POST", path)
        await both.ask("OPTIONS", path)


@asynccontextmanager
async def streaming(address: str, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """What follows the head of an answer that goes on."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 ok\r\n") and b"transfer-encoding: chunked" in head
        assert b"content-type" not in head
        yield reader
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    ("query", "begins"),
    [("", b"20"), ("?loglevel=trace", b"20"), ("?loglevel=INFO", b"20"), ("?logjson", b'{"@level":"info"')],
)
async def test_what_happens_is_streamed(both: Any, query: str, begins: bytes) -> None:
    for address in (both.real, both.agent):
        async with asyncio.timeout(30), streaming(address, MONITOR + query) as lines:
            await both.send(address, "PUT", REGISTER, {"Name": "seen", "Tags": [query]})
            line = b""
            while b"seen" not in line:
                await lines.readuntil(b"\r\n")
                line = await lines.readuntil(b"\n\r\n")
            assert line.startswith(begins)
            assert query == "?logjson" or b"Z [" in line
        await both.send(address, "PUT", "/v1/agent/service/deregister/seen")
