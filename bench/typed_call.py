"""A typed handler called through `client.service`, against grpc.aio with protobuf: about 1 KB each way, one server
process of each kind, 16 calls in flight.

The CPU of both ends counts, since on one machine they share it: what a call costs decides how many there can be.

`python -m bench.typed_call typed|protobuf` is one of the servers.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import grpc
import grpc.aio
import msgspec
from google.protobuf.struct_pb2 import ListValue, Value

from bench.figure import Figure, of_repeats
from muster import Client, Instance, Service
from muster.registry.static import Static

IN_FLIGHT = 16
TIMEOUT = 5.0
WORDS = ["x" * 20] * 40
"""As JSON 0.93 KB, as protobuf's list of values 1.0 KB."""


class Words(msgspec.Struct):
    words: list[str]


class Echo:
    async def say(self, request: Words) -> Words:
        return request

    async def cpu(self) -> float:
        return time.process_time()


Call = Callable[[], Awaitable[Any]]


class Kind(NamedTuple):
    """`server_cpu` gives the seconds of CPU that the server has used."""

    call: Call
    server_cpu: Call


class Turn(NamedTuple):
    """Wall seconds for some calls, and CPU seconds at both ends."""

    seconds: float
    client: float
    server: float


def measure(quick: bool = False) -> list[Figure]:
    with servers() as ports:
        return asyncio.run(_compare(ports, 200 if quick else 1000, 3 if quick else 31))


async def _compare(ports: dict[str, list[int]], calls: int, repeats: int) -> list[Figure]:
    """Short turns, each kind first in one of three rounds: the machine's speed drifts."""
    async with AsyncExitStack() as stack:
        kinds = {"protobuf": await stack.enter_async_context(_protobuf(ports["protobuf"][0]))}
        for protocol, port in zip(("grpc", "http"), ports["typed"], strict=True):
            kinds[protocol] = await stack.enter_async_context(_typed(protocol, port))
        for kind in kinds.values():
            await _turn(kind, calls)
        rounds = [await _round(kinds, number, calls) for number in range(repeats)]
    return [*_figures("HTTP/1.1", "http", rounds, 1.5), *_figures("gRPC", "grpc", rounds, None)]


async def _round(kinds: dict[str, Kind], number: int, calls: int) -> dict[str, Turn]:
    names = list(kinds)
    first = number % len(names)
    return {name: await _turn(kinds[name], calls) for name in (*names[first:], *names[:first])}


def _figures(what: str, name: str, rounds: list[dict[str, Turn]], at_least: float | None) -> list[Figure]:
    pairs = [(turns["protobuf"], turns[name]) for turns in rounds]
    title = f"typed over {what}, {IN_FLIGHT} in flight, against grpc.aio with protobuf"
    rate = [bare.seconds / ours.seconds for bare, ours in pairs]
    cpu = [(bare.client + bare.server) / (ours.client + ours.server) for bare, ours in pairs]
    return [
        of_repeats(f"{title}: rate", rate, "x", at_least=at_least),
        of_repeats(f"{title}: calls per CPU second, both ends", cpu, "x"),
    ]


async def _turn(kind: Kind, calls: int) -> Turn:
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await kind.call()

    server, cpu, began = await kind.server_cpu(), time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Turn(seconds, cpu, await kind.server_cpu() - server)


@asynccontextmanager
async def _protobuf(port: int) -> AsyncIterator[Kind]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        say = channel.unary_unary("/bench.Echo/Say", ListValue.SerializeToString, ListValue.FromString)
        cpu = channel.unary_unary("/bench.Echo/Cpu", Value.SerializeToString, Value.FromString)
        request = ListValue()
        request.extend(WORDS)

        async def used() -> float:
            return float((await cpu(Value())).number_value)

        yield Kind(lambda: say(request, timeout=TIMEOUT), used)


@asynccontextmanager
async def _typed(protocol: str, port: int) -> AsyncIterator[Kind]:
    instance = Instance(f"bench-{protocol}", "bench", "127.0.0.1", port, protocol=protocol)
    async with Client(Static({"bench": [instance]}), timeout=TIMEOUT) as client:
        echo = client.service(Echo, "bench")
        request = Words(WORDS)
        yield Kind(lambda: echo.say(request), echo.cpu)


@contextmanager
def servers() -> Iterator[dict[str, list[int]]]:
    """The ports of both servers, each in a process of its own."""
    kinds = ("protobuf", "typed")
    processes = [
        subprocess.Popen([sys.executable, "-m", "bench.typed_call", kind], stdout=subprocess.PIPE, text=True)
        for kind in kinds
    ]
    try:
        yield {kind: _ports(process) for kind, process in zip(kinds, processes, strict=True)}
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _ports(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(port) for port in process.stdout.readline().split()]


async def _serve_protobuf() -> None:
    async def say(request: ListValue, context: Any) -> ListValue:
        return request

    async def cpu(request: Value, context: Any) -> Value:
        return Value(number_value=time.process_time())

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(say, ListValue.FromString, ListValue.SerializeToString),
        "Cpu": grpc.unary_unary_rpc_method_handler(cpu, Value.FromString, Value.SerializeToString),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def _serve_typed() -> None:
    service = Service("bench", register="off")
    service.handler(Echo)
    async with service.running():
        print(*(instance.port for instance in service.instances), flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(_serve_typed() if sys.argv[1] == "typed" else _serve_protobuf())
