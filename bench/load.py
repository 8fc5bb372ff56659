"""A client that costs little beside the servers it measures: prepared requests over raw connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

import httptools
import uvloop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Like asyncio.run, on a loop that costs less."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def request(method: str, target: str, body: bytes = b"") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: bench\r\n"
    return (head + (f"Content-Length: {len(body)}\r\n\r\n" if method != "GET" else "\r\n")).encode() + body


class Asker(asyncio.Protocol):
    """One connection. `answered` is told of each answer: its status, and when its last byte was there."""

    def __init__(self, answered: Callable[[Asker, int, float], None]) -> None:
        self._answered = answered
        self._parser: httptools.HttpResponseParser = httptools.HttpResponseParser(self)
        self.index = b""
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, request: bytes) -> None:
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-consul-index":
            self.index = value

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        self._answered(self, status, time.perf_counter())


async def connected(address: str, answered: Callable[[Asker, int, float], None]) -> Asker:
    host, _, port = address.rpartition(":")
    _, asker = await asyncio.get_running_loop().create_connection(lambda: Asker(answered), host, int(port))
    return asker


async def ask_all(address: str, requests: Iterable[bytes], connections: int) -> float:
    """Asks everything, each connection its next once it has its answer. Returns the seconds that it took."""
    left: Iterator[bytes] = iter(requests)
    busy = connections
    done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def answered(asker: Asker, status: int, at: float) -> None:
        nonlocal busy
        following = next(left, None)
        if status != 200:
            done.set_exception(RuntimeError(f"status {status}"))
        elif following is not None:
            asker.ask(following)
        else:
            busy -= 1
            if not busy:
                done.set_result(at)

    askers = [await connected(address, answered) for _ in range(connections)]
    began = time.perf_counter()
    for asker in askers:
        asker.ask(next(left))
    try:
        return await done - began
    finally:
        for asker in askers:
            asker.transport.close()
