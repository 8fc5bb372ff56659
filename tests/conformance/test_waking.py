"""Writes, and which of the readers that wait have an answer after each."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"
CHECK = "/v1/agent/check/register"


async def test_what_wakes_whom(both: Any) -> None:
    """Writes, and which of the readers that wait have an answer after each."""
    readers = ["health/service/wake", "catalog/service/wake", "catalog/services", "health/state/any", "catalog/nodes"]
    ttl = {"CheckID": "wake-ttl", "TTL": "60s"}
    steps = [
        (REGISTER, {"Name": "wake"}, {0, 1, 2}),
        (REGISTER, {"Name": "wake"}, set()),
        (REGISTER, {"Name": "wake", "Port": 1}, {0, 1, 2}),
        (REGISTER, {"Name": "neighbour"}, {2}),
        ("/v1/agent/service/deregister/neighbour", None, {2}),
        (REGISTER, {"Name": "wake", "Port": 1, "Check": ttl}, {0, 3}),
        ("/v1/agent/check/pass/wake-ttl", None, {0, 3}),
        ("/v1/agent/check/pass/wake-ttl?note=more", None, set()),
        (CHECK, {"Name": "wake-node", "TTL": "60s", "Status": "passing"}, {0, 3}),
        ("/v1/agent/check/deregister/wake-node", None, {0, 3}),
        ("/v1/agent/service/deregister/wake", None, {0, 1, 2, 3}),
    ]
    try:
        for path, body, expected in steps:
            news = {readers[n] for n in expected}
            real, ours = await woken(both, readers, news, path, body)
            assert ours == news, f"the agent, after {path} {body}"
            assert real == ours, f"{path} {body}"
    finally:
        for name in ("wake", "neighbour"):
            await both.each("PUT", f"/v1/agent/service/deregister/{name}")
        await both.each("PUT", "/v1/agent/check/deregister/wake-node")


async def woken(both: Any, readers: list[str], expected: set[str], path: str, body: Any) -> tuple[set[str], set[str]]:
    """Which of `readers`, at each server, have an answer because of a write. Those `expected` are given more time."""
    waiting = {
        (server, reader): await begin(address, reader, (await both.send(address, "GET", f"/v1/{reader}")).index)
        for server, address in enumerate((both.real, both.agent))
        for reader in readers
    }
    try:
        await asyncio.sleep(LONG_ENOUGH)
        await both.ask("PUT", path, body)
        async with asyncio.TaskGroup() as group:
            answered = {
                place: group.create_task(is_answered(connection, SOON if place[1] in expected else LONG_ENOUGH))
                for place, connection in waiting.items()
            }
    finally:
        for _, writer in waiting.values():
            writer.close()
    real, ours = ({reader for (at, reader), task in answered.items() if at == n and task.result()} for n in (0, 1))
    return real, ours


SOON = 30.0
LONG_ENOUGH = 0.15
"""For a request to arrive and wait, and for an answer to come: what should not come cannot be waited for otherwise."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def begin(address: str, reader: str, index: int) -> Connection:
    host, port = address.split(":")
    connection = await asyncio.open_connection(host, int(port))
    connection[1].write(f"GET /v1/{reader}?index={index}&wait=60s HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


async def is_answered(connection: Connection, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return b"200 OK" in await connection[0].readline()
    except TimeoutError:
        return False
