"""What choosing an instance costs, by policy and size; what a change costs; and that the event loop is never held.

All in CPU time of the thread: what other processes take of a core does not count.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from statistics import median
from timeit import timeit

from bench.chart import Chart
from bench.figure import Figure, of_repeats
from muster.balance.balancing import Balancing
from muster.balance.nodes import Readiness
from muster.client.connector import Link, Report
from muster.client.pool import Pool
from muster.model.instance import Instance
from muster.model.snapshot import Known, Snapshot
from muster.watch.latest import Latest

CONSTANT = ("round_robin", "random", "least_request", "peak_ewma", "zone_aware")
HASHING = ("ring_hash", "maglev", "rendezvous")
SIZES = (10, 100, 1_000, 10_000)
BOUNDS = {100: 3.0, 10_000: 5.0}
"""Microseconds of a pick at a size; hashing pickers are reported."""

HELD = 20.0
"""Milliseconds."""


def measure(quick: bool = False) -> list[Figure]:
    repeats = 3 if quick else 11
    figures = [_pick(picker, size, repeats) for picker in (*CONSTANT, *HASHING) for size in SIZES]
    figures += [_applying(repeats), _applying_new(repeats), _joining(repeats)]
    figures += [_held(picker, repeats) for picker in ("least_request", "ring_hash", "maglev")]
    return [*figures, _collection(repeats), _built("ring_hash", repeats), _built("maglev", repeats), _memory(repeats)]


def chart(figures: list[Figure]) -> str:
    """What a pick costs against the size of the set, as SVG."""
    cost = {figure.what: figure.value for figure in figures}
    lines = {
        picker: [(float(size), cost[f"pick, {picker}, {size:,} instances"]) for size in SIZES]
        for picker in (*CONSTANT, *HASHING)
    }
    return Chart("Cost of a pick", "instances", "µs", lines, log_x=True, log_y=True).svg()


def instances(count: int) -> list[Instance]:
    return [
        Instance(f"db-{number:08x}", "db", "10.0.0.1", 1 + number % 65535, zone=f"z{number % 3}", verifiable=True)
        for number in range(count)
    ]


class _Applied:
    """A pool without connections, and the means to change its snapshot."""

    def __init__(self, count: int, picker: str = "least_request") -> None:
        self.instances = instances(count)
        self.latest: Latest[Snapshot] = Latest(Known("db", tuple(self.instances)))
        self.pool: Pool[Link] = Pool(self.latest, balancing=Balancing(picker=picker))
        self.pool.open()
        self.pool.choose()

    def change(self, changed: list[Instance]) -> float:
        """Milliseconds until the next pick knows of it."""
        self.instances = changed
        snapshot = Known("db", tuple(changed))
        start = time.thread_time()
        self.latest.set(snapshot)
        self.pool.choose()
        return (time.thread_time() - start) * 1e3


def _pick(picker: str, size: int, repeats: int) -> Figure:
    pool = _Applied(size, picker).pool
    key = "user-4711" if picker in HASHING else None
    number = 50 if picker == "rendezvous" and size > 100 else 5_000
    times = [
        timeit(lambda: pool.choose((), key), timer=time.thread_time, number=number) / number * 1e6
        for _ in range(repeats)
    ]
    at_most = BOUNDS.get(size) if picker in CONSTANT else None
    return of_repeats(f"pick, {picker}, {size:,} instances", times, "µs", at_most=at_most)


def _one_changed(before: list[Instance], turn: int) -> list[Instance]:
    after = list(before)
    after[turn] = replace(after[turn], version=str(turn), weight=1 + turn % 2)
    return after


def _applying(repeats: int) -> Figure:
    applied = _Applied(10_000)
    times = [applied.change(_one_changed(applied.instances, turn)) for turn in range(repeats)]
    note = "and the next pick; the unchanged are the objects that they were, as the Consul reader gives them"
    return of_repeats("applying 10,000, one changed", times, "ms", at_most=10.0, note=note)


def _applying_new(repeats: int) -> Figure:
    applied = _Applied(10_000)
    times = [applied.change(_one_changed(instances(10_000), turn)) for turn in range(repeats)]
    return of_repeats(
        "applying 10,000 new objects, one changed", times, "ms", note="from a backend that reads all anew"
    )


def _joining(repeats: int) -> Figure:
    applied = _Applied(10_000)
    times: list[float] = []
    for turn in range(repeats):
        here = list(applied.instances)
        here.insert(turn * 7, replace(here[0], id=f"new-{turn}"))
        del here[5_000 + turn]
        times.append(applied.change(here))
    return of_repeats("applying 10,000, one left and one joined", times, "ms", at_most=10.0)


class _Wire:
    """A link and a connection that cost nothing, so that the pool's own part is measured."""

    def hold(self) -> None: ...

    def release(self) -> None: ...

    def close(self) -> None: ...


class _Wires:
    def __init__(self) -> None:
        self.reports: list[Report[_Wire]] = []

    def connect(self, instance: Instance, report: Report[_Wire]) -> _Wire:
        self.reports.append(report)
        return _Wire()


async def _longest_pause(picker: str) -> float:
    """Milliseconds that the loop was held at most while 10,000 instances came, connected, and one of them left.

    The garbage collector does not count: its pauses grow with all that a program keeps, and it has a figure of its own.
    """
    latest: Latest[Snapshot] = Latest(Known("db", ()))
    wires = _Wires()
    pool: Pool[_Wire] = Pool(latest, connector=wires, balancing=Balancing(picker=picker))
    pool.open()
    known = Known("db", tuple(instances(10_000)))
    loop = asyncio.get_running_loop()
    longest, last = 0.0, time.thread_time()

    async def turn() -> None:
        nonlocal longest, last
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now

    async def settle() -> None:
        while pool.busy:
            await turn()

    await turn()
    loop.call_soon(latest.set, known)
    await turn()
    await turn()
    await settle()
    for number, report in enumerate(wires.reports):
        report(Readiness.READY, "", _Wire())
        if number % 100 == 0:
            pool.choose(key="key")
            await turn()
    await settle()
    loop.call_soon(latest.set, Known("db", known.instances[1:]))
    await turn()
    await turn()
    pool.choose(key="key")
    await turn()
    await settle()
    pool.close()
    return longest * 1e3


def _held(picker: str, repeats: int) -> Figure:
    gc.collect()
    gc.disable()
    try:
        times = [asyncio.run(_longest_pause(picker)) for _ in range(min(repeats, 5))]
    finally:
        gc.enable()
    note = "10,000 instances come and connect, and one leaves"
    return of_repeats(f"longest hold of the loop, {picker}", times, "ms", at_most=HELD, note=note)


def _collection(repeats: int) -> Figure:
    kept = _Applied(10_000)
    gc.collect()
    times = [timeit(gc.collect, timer=time.thread_time, number=1) * 1e3 for _ in range(repeats)]
    note = "Python's own, with a pool of 10,000; gc.freeze() once all is loaded makes it shorter"
    kept.pool.close()
    return of_repeats("a full garbage collection", times, "ms", note=note)


def _built(picker: str, repeats: int) -> Figure:
    def build(size: int) -> float:
        start = time.thread_time()
        _Applied(size, picker)
        return (time.thread_time() - start) * 1e3

    large = median(build(10_000) for _ in range(min(repeats, 3)))
    note = f"in slices of 2 ms; {large:.3g} ms for 10,000"
    return of_repeats(
        f"building the table, {picker}, 100 instances", [build(100) for _ in range(repeats)], "ms", note=note
    )


def _memory(repeats: int) -> Figure:
    """What one pool keeps of an instance, the Instance itself included."""

    def size() -> float:
        gc.collect()
        tracemalloc.start()
        kept = _Applied(10_000)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        sys.intern(kept.pool.name)  # alive until here
        return used / 10_000

    note = "the Instance and the pool's node; without a connection"
    return of_repeats("memory of a watched instance", [size() for _ in range(min(repeats, 3))], "B", note=note)


if __name__ == "__main__":
    Path(sys.argv[1], "pick.svg").write_text(chart([_pick(p, n, 5) for p in (*CONSTANT, *HASHING) for n in SIZES]))
