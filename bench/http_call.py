"""HTTP requests through `client.http`, against bare aiohttp to the same three servers in turn.

`python -m bench.http_call serve` is one of the servers: uvicorn with a small application.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any

import aiohttp
import uvicorn

from bench.figure import Figure, of_repeats
from muster import Client, Instance
from muster.registry.static import Static

IN_FLIGHT = 16
TIMEOUT = 10.0
PATH = "/say/hello?name=world"
BODY = b'{"message": "Hello, world! Hello, world! Hello, world! Hello!"}'

Get = Callable[[], AbstractAsyncContextManager[aiohttp.ClientResponse]]


def measure(quick: bool = False) -> list[Figure]:
    with servers(3) as instances:
        return asyncio.run(_compare(instances, 200 if quick else 1000, 3 if quick else 31))


async def _compare(instances: list[Instance], requests: int, repeats: int) -> list[Figure]:
    """Short turns, each kind of request first in every other pair: the machine's speed drifts."""
    async with AsyncExitStack() as stack:
        kinds = [await _bare(instances, stack), await _ours(instances, stack)]
        for kind in kinds:
            await _turn(kind, requests)
        throughput, cpu = [], []
        for number in range(repeats):
            order = (0, 1) if number % 2 else (1, 0)
            turns = {which: await _turn(kinds[which], requests) for which in order}
            (bare_seconds, bare_cpu), (our_seconds, our_cpu) = turns[0], turns[1]
            throughput.append(bare_seconds / our_seconds)
            cpu.append(our_cpu / bare_cpu)
    return [
        of_repeats(f"HTTP GET, {IN_FLIGHT} in flight: throughput against bare aiohttp", throughput, "x", at_least=0.92),
        of_repeats("HTTP GET: client CPU per request against bare aiohttp", cpu, "x"),
    ]


async def _turn(get: Get, requests: int) -> tuple[float, float]:
    """Wall and CPU seconds of this process for so many requests."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            async with get() as answer:
                assert await answer.read() == BODY

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())
    return time.perf_counter() - began, time.process_time() - cpu


async def _bare(instances: list[Instance], stack: AsyncExitStack) -> Get:
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
    await stack.enter_async_context(session)
    turn = itertools.cycle([f"http://{instance.address}{PATH}" for instance in instances])
    return lambda: session.get(next(turn))


async def _ours(instances: list[Instance], stack: AsyncExitStack) -> Get:
    client = await stack.enter_async_context(Client(Static({"bench": instances}), timeout=TIMEOUT))
    return lambda: client.http.get(f"http://bench{PATH}")


@contextmanager
def servers(count: int) -> Iterator[list[Instance]]:
    """So many servers, each in a process of its own."""
    command = [sys.executable, "-m", "bench.http_call", "serve"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        yield [_started(f"bench-{number}", process) for number, process in enumerate(processes)]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _started(name: str, process: subprocess.Popen[str]) -> Instance:
    assert process.stdout is not None
    return Instance(name, "bench", "127.0.0.1", int(process.stdout.readline()), protocol="http")


async def _application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def _serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(_application, log_level="error", lifespan="off", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    _serve()
