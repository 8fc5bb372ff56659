"""What strangers do to a socket: requests cut, mixed up, sent slowly, half closed, broken off. None of it is an error
of the agent's, holds up another client, or leaves anything behind.

    MUSTER_FUZZ=5000 pytest --timeout=0 tests/agent/test_fuzz_sockets.py      so many connections
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest
from tests.agent.strangers import Asked, sequences, tried

from muster.agent import Agent

pytestmark = pytest.mark.anyio

SOON = 30.0
AT_ONCE = 20
STATUSES = {200, 301, 400, 401, 404, 405, 408, 409, 413, 429, 431, 500, 501, 503}


async def test_no_stream_of_bytes_harms_the_agent(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    streams = list(enumerate(sequences(3, tried(200))))
    async with asyncio.TaskGroup() as tasks:
        healthy = tasks.create_task(_healthy(agent))
        for start in range(0, len(streams), AT_ONCE):
            async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
                for seed, requests in streams[start : start + AT_ONCE]:
                    group.create_task(_harass(agent, Random(seed), requests))
        healthy.cancel()
    await _nothing_waits(agent)
    assert [
        record.getMessage() for record in caplog.records if record.exc_info or record.levelno > logging.WARNING
    ] == []


async def _healthy(agent: Agent) -> None:
    """A client that is served all the while."""
    async with _connected(agent) as (reader, writer):
        while True:
            writer.write(b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(SOON):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                await reader.readuntil(b'"' + agent.address.encode() + b'"')


async def _harass(agent: Agent, rng: Random, requests: list[Asked]) -> None:
    data = _spoilt(rng, b"".join(map(_bytes, requests)))
    async with _connected(agent) as (reader, writer):
        for part in _parts(rng, data):
            writer.write(part)
            async with asyncio.timeout(SOON):
                await writer.drain()
        how = rng.random()
        if how < 0.3:
            writer.transport.abort()
        elif how < 0.7:
            writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                sent = await reader.read()
                assert not sent or int(sent[9:12]) in STATUSES


def _bytes(asked: Asked) -> bytes:
    path = asked.path.replace(" ", "%20").encode("utf-8", "replace")
    lines = [asked.method.encode() + b" " + path + b"?" + asked.query.encode() + b" HTTP/1.1", b"Host: x"]
    lines += [f"{name}: {value}".encode() for name, value in asked.headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(asked.body), b"", asked.body])


def _spoilt(rng: Random, data: bytes) -> bytes:
    """With up to two things in it put wrong, where that is not enough as it is."""
    for _ in range(rng.choice((0, 0, 1, 2))):
        at, length = rng.randrange(len(data) + 1), rng.randrange(200)
        insert = rng.choice(
            (
                b"",
                rng.randbytes(3),
                b"\r\n",
                b"\r\n\r\n",
                b"\x00",
                b"Content-Length: 5\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"\r\nConnection: close\r\n",
                b"\r\nExpect: 100-continue\r\n",
                b"\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
                b"x" * 100_000,
                b"GET /v1/health/service/a?index=99999999999999999&wait=10m HTTP/1.1\r\nHost: x\r\n\r\n",
            )
        )
        data = data[:at] + insert + data[at + rng.choice((0, length)) :]
    return data


def _parts(rng: Random, data: bytes) -> list[bytes]:
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 1, 4))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@asynccontextmanager
async def _connected(agent: Agent) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, which the agent may break off."""
    host, _, port = agent.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        with suppress(ConnectionError):
            yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _nothing_waits(agent: Agent) -> None:
    """Returns once the agent has noticed that everybody has gone."""
    async with asyncio.timeout(SOON):
        while await _blocked(agent):
            await asyncio.sleep(0.01)


async def _blocked(agent: Agent) -> float:
    async with _connected(agent) as (reader, writer):
        writer.write(b"GET /v1/agent/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
    gauges = {gauge["Name"]: gauge["Value"] for gauge in json.loads(body)["Gauges"]}
    return float(gauges["muster_agent_blocked_queries"])
