"""Unary gRPC calls through a channel by name, against bare grpc.aio channels to the same three servers in turn.

By name as it is by default: least request, outlier ejection, retry budget, deadlines. And with all else that can be
asked for: idempotent, with a time for each attempt, hedged after the 95th percentile, limits for the calls under way.

`python -m bench.grpc_call ID` is one of the servers.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, NamedTuple

import grpc
import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from bench.figure import Figure, of_repeats
from muster.call.breaker import Concurrency
from muster.call.hedge import Hedging
from muster.call.retry import RetryPolicy
from muster.client.pool import settled
from muster.grpc.transport import GrpcTransport
from muster.model.instance import Instance
from muster.model.snapshot import Known, Snapshot
from muster.watch.latest import Latest

PATH = "/bench.Echo/Say"
IN_FLIGHT = 16
TIMEOUT = 5.0
REQUEST = StringValue(value="x" * 64)

DEFAULT = "by default"
OURS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "with everything on": {
        "idempotent": {"*"},
        "policy": RetryPolicy(attempt_timeout=1.0, hedging=Hedging()),
        "concurrency": Concurrency(instance=100, service=200, pending=100),
    },
}

Call = Callable[[], Awaitable[Any]]


class Turn(NamedTuple):
    """Wall and CPU seconds of this process for some calls."""

    seconds: float
    cpu: float


def measure(quick: bool = False) -> list[Figure]:
    with servers(3) as instances:
        return asyncio.run(_compare(instances, 200 if quick else 1000, 3 if quick else 31))


async def _compare(instances: list[Instance], calls: int, repeats: int) -> list[Figure]:
    """Short turns, each kind of call first in one of three rounds: the machine's speed drifts."""
    async with AsyncExitStack() as stack:
        kinds = {"bare": await _bare(instances, stack)}
        for name, options in OURS.items():
            kinds[name] = await _ours(instances, stack, options)
        for kind in kinds.values():
            await _turn(kind, calls)
        rounds = [await _round(kinds, number, calls) for number in range(repeats)]
    return [figure for name in OURS for figure in _figures(name, rounds)]


async def _round(kinds: dict[str, Call], number: int, calls: int) -> dict[str, Turn]:
    names = list(kinds)
    first = number % len(names)
    return {name: await _turn(kinds[name], calls) for name in (*names[first:], *names[:first])}


def _figures(name: str, rounds: list[dict[str, Turn]]) -> list[Figure]:
    throughput = [turns["bare"].seconds / turns[name].seconds for turns in rounds]
    cpu = [turns[name].cpu / turns["bare"].cpu for turns in rounds]
    what = f"gRPC unary, {name}"
    bound = name == DEFAULT
    return [
        of_repeats(
            f"{what}, {IN_FLIGHT} in flight: throughput against bare", throughput, "x", at_least=0.95 if bound else None
        ),
        of_repeats(f"{what}: client CPU per call against bare", cpu, "x", at_most=1.15 if bound else None),
    ]


async def _turn(call: Call, calls: int) -> Turn:
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await call()

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())
    return Turn(time.perf_counter() - began, time.process_time() - cpu)


async def _bare(instances: list[Instance], stack: AsyncExitStack) -> Call:
    stubs = []
    for instance in instances:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(instance.address))
        await channel.channel_ready()
        stubs.append(_stub(channel))
    turn = itertools.cycle(stubs)
    return lambda: next(turn)(REQUEST, timeout=TIMEOUT)


async def _ours(instances: list[Instance], stack: AsyncExitStack, options: dict[str, Any]) -> Call:
    transport = await stack.enter_async_context(GrpcTransport(Fixed(instances), **options))
    await settled(transport.pool("bench"))
    stub = _stub(transport.channel("bench"))
    return lambda: stub(REQUEST, timeout=TIMEOUT)


def _stub(channel: grpc.aio.Channel) -> Any:
    return channel.unary_unary(PATH, StringValue.SerializeToString, StringValue.FromString)


class Fixed:
    """A hub whose one name always has the same instances."""

    def __init__(self, instances: list[Instance]) -> None:
        self.latest: Latest[Snapshot] = Latest(Known("bench", tuple(instances)))

    def watch(self, name: str, datacenters: tuple[str, ...] = ()) -> Fixed:
        return self

    def close(self) -> None:
        return None


@contextmanager
def servers(count: int) -> Iterator[list[Instance]]:
    """So many servers, each in a process of its own."""
    with servers_and_pids(count) as (instances, _):
        yield instances


@contextmanager
def servers_and_pids(count: int) -> Iterator[tuple[list[Instance], list[int]]]:
    """The same, for who wants to do them harm."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.grpc_call", f"bench-{number}"], stdout=subprocess.PIPE, text=True
        )
        for number in range(count)
    ]
    try:
        instances = [_started(f"bench-{number}", process) for number, process in enumerate(processes)]
        yield instances, [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _started(name: str, process: subprocess.Popen[str]) -> Instance:
    assert process.stdout is not None
    return Instance(name, "bench", "127.0.0.1", int(process.stdout.readline()), protocol="grpc", verifiable=True)


async def _serve(name: str) -> None:
    async def say(request: StringValue, context: Any) -> StringValue:
        return request

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    handler = grpc.unary_unary_rpc_method_handler(say, StringValue.FromString, StringValue.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Say": handler}),))
    checks = health.aio.HealthServicer()
    await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
