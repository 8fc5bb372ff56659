"""`muster run --workers 2` against `--workers 1`: requests a second where the handler needs the processor, how evenly
connections that come at once are dealt, and what dealing costs the parent.

On two cores, the client among them: twice as fast it cannot be.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.figure import Figure, of_repeats
from bench.load import request, run
from bench.processes import Served, started
from muster import Service
from muster.serve.settings import Timing

CONNECTIONS = 16
BUSY = 0.002
"""Seconds of CPU for a call: some database rows turned into JSON."""

service = Service("bench-workers", register="off", protocols="http", timing=Timing(drain=0.0))


@service.handler
class Job:
    async def spend(self) -> int:
        """Uses the processor for a while; returns who did."""
        end = time.thread_time() + BUSY
        while time.thread_time() < end:
            pass
        return os.getpid()

    async def who(self) -> int:
        return os.getpid()


def measure(quick: bool = False) -> list[Figure]:
    with ExitStack() as stack:
        one, two, four = (stack.enter_context(_workers(count)) for count in (1, 2, 4))
        repeats, calls = (3, 100) if quick else (15, 500)
        ratios = [run(_rate(two, calls)) / run(_rate(one, calls)) for _ in range(repeats)]
        greatest = [run(_share(four, CONNECTIONS)) for _ in range(repeats)]
        return [
            of_repeats(
                f"--workers 2 against 1: calls a second of {BUSY * 1000:g} ms CPU each",
                ratios,
                "x",
                note=f"{os.cpu_count()} cores, the client on one of them",
            ),
            of_repeats(
                f"{CONNECTIONS} connections at once, 4 workers: the most that one gets", greatest, "", at_most=4
            ),
            _cost(four, 100 if quick else 2000),
        ]


@contextmanager
def _workers(count: int) -> Iterator[Served]:
    command = [sys.executable, "-m", "muster", "run", "bench.workers:service", "--workers", str(count)]
    with started(command, r"127\.0\.0\.1:\d+") as served:
        yield served


async def _rate(served: Served, calls: int) -> float:
    """Calls a second over CONNECTIONS connections."""
    seconds, _ = await _called(served, "/job/spend", CONNECTIONS, calls)
    return calls / seconds


async def _share(served: Served, connections: int) -> float:
    """How many of so many connections the same worker has."""
    _, who = await _called(served, "/job/who", connections, connections)
    return float(max(who.values()))


def _cost(served: Served, connections: int) -> Figure:
    """What a connection costs the parent, which alone is looked at."""
    before = served.cpu
    for _ in range(connections // 20):
        run(_called(served, "/job/who", 20, 20))
    return Figure("dealing out a connection: CPU of the parent", (served.cpu - before) / connections * 1e6, "µs")


async def _called(served: Served, path: str, connections: int, calls: int) -> tuple[float, Counter[bytes]]:
    """Seconds for so many calls over new connections, at least one on each; and the answers: who gave them."""
    who: Counter[bytes] = Counter()
    call = request("POST", path)

    async def ask(share: int) -> None:
        reader, writer = await asyncio.open_connection(*served.address.split(":"))
        for _ in range(share):
            writer.write(call)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            who[await reader.readexactly(length)] += 1
        writer.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(connections):
            tasks.create_task(ask(len(range(number, calls, connections))))
    return time.perf_counter() - began, who
