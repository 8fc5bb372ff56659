"""Ten thousand checks that look every ten seconds: what they cost the agent, and whether they look all at once.

`python -m bench.checks http|grpc` is what they look at: a process of its own, which says of the first when it was
looked at (`GET /looked`: connections in each second since the last such question).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import load
from bench.figure import Figure
from bench.processes import Served, agent_process, started

_CHECKS = 10_000
_EVERY = 10.0
_CONNECTIONS = 16


def measure(quick: bool = False) -> list[Figure]:
    count = 1000 if quick else _CHECKS
    with _target("http") as target, _target("grpc") as grpc:
        return [
            *_measured("HTTP", count, quick, target, {"HTTP": f"http://{target.address}/"}),
            *_measured("TCP", count, quick, target, {"TCP": target.address}),
            *_measured("gRPC", count, quick, grpc, {"GRPC": f"{grpc.address}/up"}),
        ]


def _measured(kind: str, count: int, quick: bool, target: Served, check: dict[str, Any]) -> list[Figure]:
    what = f"{count:,} {kind} checks every {_EVERY:g} s"
    with agent_process() as agent:
        bodies = [{"Name": f"c{n}", "Interval": f"{_EVERY:g}s", "Timeout": "5s", **check} for n in range(count)]
        requests = [load.request("PUT", "/v1/agent/check/register", json.dumps(body).encode()) for body in bodies]
        load.run(load.ask_all(agent.address, requests, _CONNECTIONS))
        time.sleep(_EVERY)
        if kind != "gRPC":
            _looked(target)
        cpu, begun = agent.cpu, time.monotonic()
        time.sleep(_EVERY * (0.5 if quick else 3))
        share = (agent.cpu - cpu) / (time.monotonic() - begun)
        _require_passing(agent, count)
        figures = [
            Figure(f"{what}: CPU of a core", share, "", at_most=0.75 if kind == "gRPC" else 0.33),
            Figure(f"{what}: memory", agent.memory, "MB"),
        ]
        if kind != "gRPC":
            looks = _looked(target)[1:-1]
            worst = max(looks) / (sum(looks) / len(looks))
            figures.append(Figure(f"{what}: looks in the busiest second, of the mean", worst, "x", at_most=1.5))
        return figures


def _require_passing(agent: Served, count: int) -> None:
    with urllib.request.urlopen(f"http://{agent.address}/v1/health/state/passing") as response:
        passing = len(json.load(response)) - 1
    if passing < count:
        raise RuntimeError(f"{passing} of {count} checks are passing")


def _looked(target: Served) -> list[int]:
    with urllib.request.urlopen(f"http://{target.address}/looked") as response:
        return [int(count) for count in json.load(response)]


@contextmanager
def _target(kind: str) -> Iterator[Served]:
    with started([sys.executable, "-m", "bench.checks", kind], r"127\.0\.0\.1:\d+") as served:
        yield served


class _Answering(asyncio.Protocol):
    """Answers whatever it is asked, and counts connections."""

    looked: list[int]
    since: float

    @classmethod
    def begin(cls) -> list[int]:
        looked, cls.looked, cls.since = getattr(cls, "looked", []), [], time.monotonic()
        return looked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        bucket = int(time.monotonic() - self.since)
        self.looked.extend([0] * (bucket + 1 - len(self.looked)))
        self.looked[bucket] += 1

    def data_received(self, data: bytes) -> None:
        body = json.dumps(self.begin()).encode() if data.startswith(b"GET /looked ") else b"ok"
        self._transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self._transport.close()


async def _serve_http() -> None:
    _Answering.begin()
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0, backlog=4096)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


async def _serve_grpc() -> None:
    import grpc.aio
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server, servicer = grpc.aio.server(), health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
    await servicer.set("up", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    print(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    load.run(_serve_http() if sys.argv[1] == "http" else _serve_grpc())
