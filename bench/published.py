"""An experiment that others have published, run with the library's policies in place of Finagle's.

Linkerd's authors, in 2016 (https://linkerd.io/2016/03/16/beyond-round-robin-load-balancing-for-latency/): 11 servers,
one client with 1,000 calls a second for a minute; a median of 167 ms with a standard deviation of 5 ms; from second 15
on one server takes 2 s, for 30 s. What share of the calls is answered within 1 s?

    python -m bench published
"""

from __future__ import annotations

from math import inf
from random import Random

from bench.figure import Figure
from bench.simulation import PICKERS, Calling, Client, Results, Server, World, arrivals

THEIRS = {"round robin": 95.0, "least request": 99.0, "peak EWMA": 99.9}
"""Percent, as published."""

SERVERS = 11
RATE = 1_000.0
LIMIT = 1.0


def experiment(picker: str, seconds: float = 60.0) -> float:
    """Percent of the calls that were answered within LIMIT."""
    world, results = World(), Results()

    def steady(rng: Random) -> float:
        return rng.gauss(0.167, 0.005)

    def disturbed(rng: Random) -> float:
        return 2.0 if seconds / 4 <= world.now < seconds * 3 / 4 else steady(rng)

    times = (disturbed, *[steady] * (SERVERS - 1))
    servers = [Server(world, of_one, workers=inf) for of_one in times]
    client = Client(world, servers, Calling(PICKERS[picker]), results)
    arrivals(world, [client], lambda now: RATE)
    world.run(seconds)
    return 100 * sum(latency <= LIMIT for latency in results.latencies) / len(results.latencies)


def measure(quick: bool = False) -> list[Figure]:
    return [
        Figure(f"1 slow of 11: within 1 s, {picker}", experiment(picker, 20.0 if quick else 60.0), "%", note=note)
        for picker, note in ((picker, f"published: {theirs:g} %") for picker, theirs in THEIRS.items())
    ]
