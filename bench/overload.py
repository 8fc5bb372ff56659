"""Overload, and what a limit on the calls under way is worth that a client finds by itself. In virtual time.

Clients, servers and clock are those of `bench.simulation`. A limiter bounds what one client has under way in the whole
service; what finds no room fails at once. Two that adapt are tried, as others have them:

- adaptive: one more for each limit's worth of answers, a tenth less for each call that ran out of time, as TCP does;
  it is the library's own (`Concurrency(adaptive=True)`);
- gradient: the limit follows the ratio of the usual latency to the present one, and leaves room for a queue of the
  limit's square root (Netflix's concurrency-limits, Gradient2Limit).

    python -m bench overload
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from random import Random
from typing import Protocol

from bench.figure import Figure
from bench.simulation import (
    CLIENTS,
    HEAVY,
    INSTANCES,
    MOST,
    TIMEOUT,
    Calling,
    Client,
    Job,
    Results,
    Server,
    World,
    _Call,
    arrivals,
    least_request,
    usual,
)
from muster.balance.nodes import Node
from muster.balance.outlier import Outliers
from muster.call.adapting import Adaptive
from muster.model.outcome import Outcome

HEAVY_TIMES = usual(HEAVY)

RIGHT = 30.0
"""What suits these servers: half as many again as keep all workers busy, a client's part of it."""


class Limiter(Protocol):
    """`limit`: calls under way that are allowed now."""

    limit: float

    def ended(self, outcome: Outcome, under_way: int) -> None: ...


class Fixed:
    def __init__(self, limit: float = inf) -> None:
        self.limit = limit

    def ended(self, outcome: Outcome, under_way: int) -> None:
        pass


class Gradient:
    """`usual` is an average over some 600 calls, `now` over some 10."""

    limit = 20.0

    def __init__(self) -> None:
        self._usual = self._now = 0.0

    def ended(self, outcome: Outcome, under_way: int) -> None:
        self._now += (outcome.seconds - self._now) / 10
        self._usual += (outcome.seconds - self._usual) / 600 if self._usual else outcome.seconds
        if self._usual > 2 * self._now:  # after an overload the usual latency is too high
            self._usual *= 0.95
        if under_way * 2 > self.limit:
            gradient = max(0.5, min(1.0, 1.5 * self._usual / self._now))
            self.limit = max(4.0, self.limit * 0.8 + (self.limit * gradient + sqrt(self.limit)) * 0.2)


LIMITERS: dict[str, Callable[[], Limiter]] = {
    "no limit": Fixed,
    "adaptive": Adaptive,
    "gradient": Gradient,
    "the right limit": lambda: Fixed(RIGHT),
}


class Limited(Client):
    """A client with a limiter."""

    def __init__(
        self, world: World, servers: list[Server], calling: Calling, results: Results, limiter: Limiter
    ) -> None:
        super().__init__(world, servers, calling, results)
        self._limiter = limiter
        self._under_way = 0
        self.refused = 0

    def call(self) -> None:
        if self._under_way < self._limiter.limit:
            super().call()
        else:
            self._results.calls += 1
            self.refused += 1

    def _send(self, call: _Call) -> None:
        self._under_way += 1
        super()._send(call)

    def _ended(self, call: _Call, node: Node[None], job: Job, sent: float, code: str) -> None:
        self._limiter.ended(Outcome(code, seconds=self._world.now - sent), self._under_way)
        self._under_way -= 1
        super()._ended(call, node, job, sent, code)


@dataclass(frozen=True)
class Scene:
    """`load`: of what the servers can do, from second 10 on. `cancels`: they drop from their line what nobody waits
    for. `limited`: how many of the clients have a limiter; the others have none. `times`: of the calls."""

    load: float = 1.5
    cancels: bool = False
    limited: int = CLIENTS
    times: Callable[[Random], float] = HEAVY_TIMES


def mixed(rng: Random) -> float:
    """Nine quick calls and a slow one, as of two methods; the mean is that of `usual(HEAVY)`."""
    return usual(HEAVY * (5.5 if rng.random() < 0.1 else 0.5))(rng)


@dataclass(frozen=True)
class Came:
    """What came of the calls from second 15 on, in percent of what the servers can do: `answered` of those of clients
    with a limiter, `others` of the other clients'; `refused`: percent of the calls of the former. `p50` in ms."""

    answered: float
    others: float
    refused: float
    p50: float


def run(scene: Scene, limiter: Callable[[], Limiter], seconds: float) -> Came:
    world, ours, theirs = World(), Results(), Results()
    servers = [Server(world, scene.times, cancels=scene.cancels) for _ in range(INSTANCES)]
    calling = Calling(least_request, Outliers(), attempts=3, budget=0.2, timeout=TIMEOUT)
    limited = [Limited(world, servers, calling, ours, limiter()) for _ in range(scene.limited)]
    free = [Client(world, servers, calling, theirs) for _ in range(CLIENTS - scene.limited)]
    arrivals(world, [*limited, *free], lambda now: MOST * (scene.load if now >= 10 else 0.5))
    world.run(15.0)
    refused, calls = sum(client.refused for client in limited), ours.calls
    ours.latencies.clear()
    world.run(15.0 + seconds)
    share = 100 / MOST / (seconds - 1)
    window = range(15, 14 + int(seconds))
    return Came(
        sum(ours.good[second] for second in window) * share,
        sum(theirs.good[second] for second in window) * share,
        100 * (sum(client.refused for client in limited) - refused) / (ours.calls - calls),
        ours.percentile(0.5) if len(ours.latencies) > 1 else inf,
    )


SCENES = {
    "overload": Scene(),
    "overload, servers that drop what nobody waits for": Scene(cancels=True),
    "overload, half of the clients": Scene(limited=CLIENTS // 2),
    "overload, half of the clients, servers that drop": Scene(limited=CLIENTS // 2, cancels=True),
    "70 % load, two methods of different cost": Scene(load=0.7, times=mixed),
}


def measure(quick: bool = False) -> list[Figure]:
    length = 6.0 if quick else 20.0
    figures: list[Figure] = []
    for scene, described in SCENES.items():
        for name, limiter in LIMITERS.items():
            came = run(described, limiter, length)
            note = f"others {came.others:.0f} %, refused {came.refused:.1f} %, p50 {came.p50:.0f} ms"
            least = 90.0 if (scene, name) == ("overload", "adaptive") else None
            figures.append(Figure(f"{scene}, {name}: answered", came.answered, "%", at_least=least, note=note))
    return figures
