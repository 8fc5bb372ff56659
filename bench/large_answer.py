"""A large answer of Consul: what it takes to read, and for how long it keeps the event loop from other work.

The first answer for a name is read as a whole, later ones only where they differ. The loop's longest pause contains the
one piece that nothing can interrupt, splitting the JSON into entries, which is measured by itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from bench.figure import Figure, of_repeats
from muster.model.events import Event, SnapshotUpdated
from muster.model.snapshot import instances_of
from muster.registry.url import open_registry
from muster.watch.hub import Hub
from muster.watch.overrides import Overrides

_spawn = multiprocessing.get_context("spawn")


def measure(quick: bool = False) -> list[Figure]:
    return [figure for size in ((1000,) if quick else (1000, 10_000, 100_000)) for figure in _measured(size)]


def _measured(size: int) -> list[Figure]:
    body = _body(size, 0)
    split = min(_split_seconds(body) for _ in range(5)) * 1e3
    with _serving(size) as address:
        first, later, pauses = asyncio.run(_followed(address))
    note = f"{len(body) / 1e6:.1f} MB; splitting alone {split:.1f} ms"
    return [
        Figure(f"{size} instances: first answer", first * 1e3, "ms", note=note),
        of_repeats(f"{size} instances: one changed", [each * 1e3 for each in later], "ms"),
        Figure(f"{size} instances: longest pause of the loop, first", pauses[0] * 1e3, "ms"),
        of_repeats(f"{size} instances: longest pause of the loop, later", [each * 1e3 for each in pauses[1:]], "ms"),
    ]


def _split_seconds(body: bytes) -> float:
    began = time.perf_counter()
    msgspec.json.decode(body, type=list[msgspec.Raw])
    return time.perf_counter() - began


async def _followed(address: str) -> tuple[float, list[float], list[float]]:
    """Seconds from the first byte of the first answer and of the next five, and the loop's longest pause in each."""
    events: asyncio.Queue[tuple[float, Event]] = asyncio.Queue()

    def observe(event: Event) -> None:
        events.put_nowait((time.perf_counter(), event))

    taken, pauses = [], []
    async with open_registry(f"consul://{address}?timeout=60s") as registry, asyncio.TaskGroup() as group:
        ticker = _Ticker()
        ticking = group.create_task(ticker.run())
        async with Hub(registry, observe, overrides=Overrides(environ={})) as hub:  # type: ignore[arg-type]
            hub.watch("web")
            for _ in range(6):
                moment, event = await events.get()
                assert isinstance(event, SnapshotUpdated), event
                sent = instances_of(event.snapshot)[0].metadata["sent"]
                taken.append(moment - float(sent))
                pauses.append(ticker.longest())
        ticking.cancel()
    return taken[0], taken[1:], pauses


@contextmanager
def _serving(size: int) -> Iterator[str]:
    """The address of a process that answers as Consul does; each answer differs from the last in one instance."""
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=_serve, args=(theirs, size))
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, size: int) -> None:
    asyncio.run(_answering(pipe, size))


async def _answering(pipe: Connection, size: int) -> None:
    rest = _body(size, 1)[1:]
    answers = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        while await reader.readuntil(b"\r\n\r\n"):
            answers += 1
            await asyncio.sleep(1.0)  # so that what the answer before it cost is over
            first = json.dumps(_entry(0, {"sent": repr(time.perf_counter())})).encode()
            head = (
                f"HTTP/1.1 200 OK\r\nX-Consul-Index: {answers}\r\nContent-Length: {len(first) + len(rest) + 2}\r\n\r\n"
            )
            writer.write(head.encode() + b"[" + first + b"," + rest)
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    pipe.send(f"{host}:{port}")
    await server.serve_forever()


def _body(size: int, start: int) -> bytes:
    return json.dumps([_entry(number, {}) for number in range(start, size)]).encode()


def _entry(number: int, meta: dict[str, str]) -> dict[str, Any]:
    """As Consul 1.8 writes an instance that muster registered: about 1,400 bytes."""
    name = f"web-{number:08}"
    node = {"ID": "4f6b7f0c-1b8e-4f6a-9b1e-2a0f3c5d7e90", "Node": f"node-{number % 100}", "Address": "10.0.0.1"}
    both = {"CreateIndex": number, "ModifyIndex": number}
    service = {"ID": name, "Service": "web", "Tags": ["a"], "Address": f"10.1.{number // 250 % 250}.{number % 250}"}
    own = {"version": "1.2.0", "protocol": "grpc", "zone": "east", "muster": "1;0123456789abcdef", **meta}
    rest = {"Port": 8000, "Weights": {"Passing": 1, "Warning": 1}, "Proxy": {"MeshGateway": {}, "Expose": {}}}
    checks = [_check("serfHealth", ""), _check(f"{name}:self", name), _check(f"{name}:reach", name)]
    return {
        "Node": {**node, "Datacenter": "dc1", "TaggedAddresses": {"lan": "10.0.0.1", "wan": "10.0.0.1"}, **both},
        "Service": {**service, **rest, "Meta": own, "EnableTagOverride": False, "Connect": {}, **both},
        "Checks": [{**check, **both} for check in checks],
    }


def _check(check_id: str, service: str) -> dict[str, Any]:
    notes = "a heartbeat within 30s; removed after 1m0s critical" if service else ""
    about = {"Node": "node-1", "CheckID": check_id, "Name": check_id[-5:], "Status": "passing", "Notes": notes}
    return {
        **about,
        "Output": "serving",
        "ServiceID": service,
        "ServiceName": "web",
        "ServiceTags": ["a"],
        "Type": "ttl",
    }


class _Ticker:
    """Wakes all the time, and remembers by how much it was late at most."""

    def __init__(self) -> None:
        self._longest = 0.0

    def longest(self) -> float:
        """Since it was asked last."""
        longest, self._longest = self._longest, 0.0
        return longest

    async def run(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            self._longest = max(self._longest, time.perf_counter() - began - 0.001)
