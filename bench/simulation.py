"""Clients and servers in virtual time: what choosing, hedging and the retry budget are worth.

The clients are the library's own: balancer, pickers, outlier ejection, attempt machine, budget and hedging, with a
clock that a heap of events moves on. The servers are queues: `WORKERS` at work at a time, the others wait in line. The
same seed gives the same numbers everywhere, in some seconds of real time.

    python -m bench simulation            the figures
    python -m bench.simulation docs/plots the charts of docs/performance.md
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import log
from pathlib import Path
from random import Random
from statistics import quantiles

from bench.chart import Chart
from bench.figure import Figure
from muster.balance.balancer import Balancer
from muster.balance.balancing import Balancing
from muster.balance.fleet import Fleet
from muster.balance.load.inflight import InFlight
from muster.balance.load.peak_ewma import PeakEWMA
from muster.balance.nodes import Node
from muster.balance.outlier import NO_EJECTION, Outliers
from muster.balance.policy import Picker
from muster.balance.round_robin import RoundRobin
from muster.balance.two_choices import TwoChoices
from muster.balance.weighted_random import WeightedRandom
from muster.call.attempt import Attempts, Fail, Retrier, Wait
from muster.call.budget import RetryBudget
from muster.call.hedge import Hedger, Hedging
from muster.call.retry import RetryPolicy
from muster.model.instance import Instance
from muster.model.outcome import Outcome
from muster.model.snapshot import Known

SEED = 20_240_601
MEAN = 0.010
"""Seconds that a call keeps a worker of a server that is well, on average."""
WORKERS = 8
INSTANCES = 10
CLIENTS = 4
METHOD = "/sim.Sim/Call"


class World:
    """A clock, and what is to happen when."""

    def __init__(self, seed: int = SEED) -> None:
        self.now = 0.0
        self.rng = Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def clock(self) -> float:
        return self.now

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        heappush(self._events, (self.now + seconds, next(self._order), happen))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, happen = heappop(self._events)
            happen()
        self.now = until


Answer = Callable[[str], None]
"""Takes the code."""


@dataclass(eq=False)
class Job:
    """A call at a server; `answer` is None once nobody waits for it."""

    seconds: float
    answer: Answer | None


class Server:
    """Works on some calls at a time, and lets the others wait. A call that nobody waits for is dropped from the line
    where `cancels`, as gRPC does when it hears of it; else it is worked on all the same."""

    def __init__(
        self, world: World, times: Callable[[Random], float], *, cancels: bool = True, workers: float = WORKERS
    ) -> None:
        self._world = world
        self._workers = workers
        self._times = times
        self._cancels = cancels
        self._line: deque[Job] = deque()
        self._busy = 0
        self.worked = 0.0
        self.served = 0

    def take(self, answer: Answer) -> Job:
        job = Job(self._times(self._world.rng), answer)
        self._line.append(job)
        self._next()
        return job

    def _next(self) -> None:
        while self._line and self._busy < self._workers:
            job = self._line.popleft()
            if job.answer is None and self._cancels:
                continue
            self._busy += 1
            self.served += 1
            self.worked += job.seconds
            self._world.after(job.seconds, lambda job=job: self._done(job))  # type: ignore[misc]

    def _done(self, job: Job) -> None:
        self._busy -= 1
        if job.answer is not None:
            job.answer("OK")
        self._next()


def usual(factor: float = 1.0) -> Callable[[Random], float]:
    """Exponential times, which are more spread than those of most services."""
    return lambda rng: -log(1 - rng.random()) * MEAN * factor


def with_stalls(share: float, stall: float) -> Callable[[Random], float]:
    """Usual times, but a share of calls stalls: a collection of garbage, a lock, a slow disk."""
    times = usual()
    return lambda rng: times(rng) + (stall if rng.random() < share else 0.0)


@dataclass(frozen=True)
class Calling:
    """How the clients of one run call. `timeout` for each attempt, in seconds."""

    picker: Callable[[World], Picker[None]]
    outliers: Outliers = NO_EJECTION
    attempts: int = 1
    budget: float = 0.2
    timeout: float | None = None
    hedging: Hedging | None = None


@dataclass
class Results:
    latencies: list[float] = field(default_factory=list)
    good: Counter[int] = field(default_factory=Counter)
    """Calls that were answered, by the second in which they were sent."""
    calls: int = 0
    attempts: int = 0

    def percentile(self, p: float) -> float:
        """Milliseconds."""
        return quantiles(self.latencies, n=1000, method="inclusive")[round(p * 1000) - 1] * 1e3


class Client:
    """One client: the library's parts, driven by events in place of an event loop."""

    def __init__(self, world: World, servers: list[Server], calling: Calling, results: Results) -> None:
        self._world = world
        self._calling = calling
        self._results = results
        instances = tuple(Instance(f"i{number}", "sim", "10.0.0.1", 1 + number) for number in range(len(servers)))
        self._servers = {instance.id: server for instance, server in zip(instances, servers, strict=True)}
        balancing = Balancing(picker=lambda: calling.picker(world), outliers=calling.outliers)
        fleet: Fleet[None] = Fleet("sim", balancing=balancing, connects=False, clock=world.clock)
        fleet.take(Known("sim", instances))
        self._balancer: Balancer[None] = Balancer(fleet)
        self._budget = RetryBudget(calling.budget, per_second=10.0 if calling.budget < 10 else 1e9)
        self._retrier = Retrier(RetryPolicy(attempts=calling.attempts, codes=TIMED_OUT), self._budget, world.rng)
        self._hedger = Hedger(calling.hedging) if calling.hedging else None

    def call(self) -> None:
        self._budget.deposit(self._world.now)
        self._results.calls += 1
        call = _Call(self._world.now)
        self._send(call)
        delay = self._hedger.delay(METHOD) if self._hedger else None
        if delay is not None:
            self._world.after(delay, lambda: self._hedge(call))

    def _hedge(self, call: _Call) -> None:
        if not call.over and self._budget.withdraw(self._world.now):
            self._send(call)

    def _send(self, call: _Call) -> None:
        node = self._balancer.choose(call.tried)
        assert node is not None
        self._results.attempts += 1
        call.tried.append(node)
        node.begin()
        sent = self._world.now
        job = self._servers[node.instance.id].take(lambda code: self._ended(call, node, job, sent, code))
        call.jobs[job] = node, sent
        if self._calling.timeout is not None:
            self._world.after(self._calling.timeout, lambda: self._late(call, node, job, sent))

    def _late(self, call: _Call, node: Node[None], job: Job, sent: float) -> None:
        if job in call.jobs:
            job.answer = None
            self._ended(call, node, job, sent, "DEADLINE_EXCEEDED")

    def _ended(self, call: _Call, node: Node[None], job: Job, sent: float, code: str) -> None:
        outcome = Outcome(code, seconds=self._world.now - sent)
        del call.jobs[job]
        node.end(outcome)
        if outcome.ok:
            self._answered(call)
        elif not call.over:
            self._failed(call, outcome)

    def _answered(self, call: _Call) -> None:
        call.over = True
        for job, (node, sent) in call.jobs.items():
            job.answer = None
            node.end(Outcome("CANCELLED", seconds=self._world.now - sent))
        call.jobs.clear()
        seconds = self._world.now - call.began
        self._results.latencies.append(seconds)
        self._results.good[int(call.began)] += 1
        if self._hedger:
            self._hedger.record(METHOD, seconds)

    def _failed(self, call: _Call, outcome: Outcome) -> None:
        call.state = call.state.after(outcome)
        decision = self._retrier.decide(call.state, outcome, self._world.now, elsewhere=True)
        match decision:
            case Fail():
                call.over = True
            case Wait(seconds):
                self._world.after(seconds, lambda: self._send(call))
            case _:
                self._send(call)


TIMED_OUT = frozenset({"DEADLINE_EXCEEDED"})


@dataclass(eq=False)
class _Call:
    began: float
    over: bool = False
    tried: list[Node[None]] = field(default_factory=list)
    jobs: dict[Job, tuple[Node[None], float]] = field(default_factory=dict)
    state: Attempts = field(default_factory=lambda: Attempts(idempotent=True))


def arrivals(world: World, clients: list[Client], rate: Callable[[float], float]) -> None:
    """Calls at random moments, `rate(now)` a second in all: nobody waits for an answer before the next call."""

    def arrive() -> None:
        world.rng.choice(clients).call()
        world.after(world.rng.expovariate(rate(world.now)), arrive)

    world.after(0.0, arrive)


def least_request(world: World) -> Picker[None]:
    return TwoChoices(InFlight(), world.rng)


PICKERS: dict[str, Callable[[World], Picker[None]]] = {
    "round robin": lambda world: RoundRobin(world.rng),
    "random": lambda world: WeightedRandom(world.rng),
    "least request": least_request,
    "peak EWMA": lambda world: TwoChoices(PeakEWMA(clock=world.clock), world.rng),
}

# One slow instance of ten.


def one_slow(picker: str, seconds: float, rate: float = 600.0, outliers: Outliers = NO_EJECTION) -> Results:
    """The slow one takes ten times as long: it can just about do its tenth of the calls."""
    world, results = World(), Results()
    servers = [Server(world, usual(10.0 if number == 0 else 1.0)) for number in range(INSTANCES)]
    calling = Calling(PICKERS[picker], outliers=outliers)
    clients = [Client(world, servers, calling, results) for _ in range(CLIENTS)]
    arrivals(world, clients, lambda now: rate)
    world.run(seconds)
    return results


# Hedging.


def stalling(hedging: Hedging | None, seconds: float) -> tuple[Results, float]:
    """One call in a hundred stalls for 0.2 s, wherever it goes. Also returns the seconds of work done for each call."""
    world, results = World(), Results()
    servers = [Server(world, with_stalls(0.01, 0.2)) for _ in range(INSTANCES)]
    clients = [Client(world, servers, Calling(least_request, hedging=hedging), results) for _ in range(CLIENTS)]
    arrivals(world, clients, lambda now: 2_000.0)
    world.run(seconds)
    return results, sum(server.worked for server in servers) / results.calls


# A storm of retries.

HEAVY = 4.0
"""How many times as long a call takes here."""
MOST = INSTANCES * WORKERS / MEAN / HEAVY
"""Calls a second that the instances can do."""
CALM = MOST * 0.6
STORM = (10.0, 15.0)
TIMEOUT = 0.25
UNLIMITED = 1e9


def storm(budget: float, seconds: float, attempts: int = 3, outliers: Outliers = Outliers()) -> Results:
    """For five seconds the calls are 1.4 times what the instances can do, and servers work on what nobody waits for."""
    world, results = World(), Results()
    servers = [Server(world, usual(HEAVY), cancels=False) for _ in range(INSTANCES)]
    calling = Calling(least_request, outliers, attempts=attempts, budget=budget, timeout=TIMEOUT)
    clients = [Client(world, servers, calling, results) for _ in range(CLIENTS)]
    arrivals(world, clients, lambda now: MOST * 1.4 if STORM[0] <= now < STORM[1] else CALM)
    world.run(seconds)
    return results


# Figures and charts.


def measure(quick: bool = False) -> list[Figure]:
    length = 20.0 if quick else 120.0
    return [*_slow_figures(length), *_hedging_figures(length), *_storm_figures(40.0)]


def _slow_figures(length: float) -> list[Figure]:
    runs = {picker: one_slow(picker, length) for picker in PICKERS}
    worst = runs["round robin"].percentile(0.99)
    figures = [
        Figure(
            f"1 slow of 10: p99, {picker}",
            run.percentile(0.99),
            "ms",
            at_most={"least request": worst, "peak EWMA": worst / 2}.get(picker),
            note=f"p50 {run.percentile(0.5):.3g} ms, p99.9 {run.percentile(0.999):.3g} ms",
        )
        for picker, run in runs.items()
    ]
    ejecting = one_slow("round robin", length, outliers=Outliers(latency=3.0))
    return [*figures, Figure("1 slow of 10: p99, round robin, ejected by latency", ejecting.percentile(0.99), "ms")]


def _hedging_figures(length: float) -> list[Figure]:
    (plain, work), (hedged, more) = stalling(None, length / 2), stalling(Hedging(), length / 2)
    return [
        Figure("stalls: p99.9 without hedging", plain.percentile(0.999), "ms"),
        Figure("stalls: p99.9 with hedging", hedged.percentile(0.999), "ms", at_most=plain.percentile(0.999) / 2),
        Figure("hedging: calls sent more", (hedged.attempts / hedged.calls - 1) * 100, "%", at_most=8.0),
        Figure("hedging: work more", (more / work - 1) * 100, "%", note="the losers are cancelled, some in the line"),
    ]


def _storm_figures(length: float) -> list[Figure]:
    figures: list[Figure] = []
    for name, budget, least in (("without a budget", UNLIMITED, None), ("with the budget of 20 %", 0.2, 95.0)):
        run = storm(budget, length)
        after = sum(run.good[second] for second in range(int(length) - 3, int(length) - 1)) / 2 / CALM * 100
        note = f"{run.attempts / run.calls:.2f} attempts a call"
        figures.append(Figure(f"after a storm, {name}: calls answered", after, "%", at_least=least, note=note))
    return figures


ONE_IN = "one in so many calls is slower"


def _tail(run: Results) -> list[tuple[float, float]]:
    """p99 is at 100, p99.9 at 1,000."""
    return [(one_in, run.percentile(1 - 1 / one_in)) for one_in in (1.25, 2, 4, 10, 20, 50, 100, 200, 500, 1000)]


def charts() -> dict[str, str]:
    """SVG by file name."""
    slow = {picker: _tail(one_slow(picker, 120.0)) for picker in PICKERS}
    rates = (100.0, 300.0, 600.0, 750.0, 1_000.0, 2_000.0, 4_000.0)
    by_load = {
        picker: [(rate, one_slow(picker, 20.0, rate).percentile(0.99)) for rate in rates]
        for picker in ("round robin", "least request", "peak EWMA")
    }
    hedged = {
        "no hedging": _tail(stalling(None, 60.0)[0]),
        "hedging": _tail(stalling(Hedging(), 60.0)[0]),
    }
    storms = {
        name: [(float(second), float(storm_of.good[second])) for second in range(39)]
        for name, storm_of in (
            ("no retries", storm(0.2, 40.0, attempts=1)),
            ("3 attempts", storm(UNLIMITED, 40.0)),
            ("with budget", storm(0.2, 40.0)),
        )
    }
    return {
        "one-slow.svg": Chart("One slow instance of ten", ONE_IN, "ms", slow, log_x=True, log_y=True).svg(),
        "one-slow-load.svg": Chart("p99 with one slow instance of ten", "calls/s", "ms", by_load, log_y=True).svg(),
        "hedging.svg": Chart("One call in a hundred stalls", ONE_IN, "ms", hedged, log_x=True, log_y=True).svg(),
        "storm.svg": Chart("Overload from second 10 to 15", "second", "answered/s", storms).svg(),
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in charts().items():
        (folder / name).write_text(svg)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
