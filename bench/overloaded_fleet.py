"""A fleet with more to do than it can: whether what instances say of themselves makes it worse. In virtual time.

Ten instances, each one event loop that works on calls one after the other; nothing else of it runs meanwhile, so what
a busy loop is late by grows with its load. They judge themselves by that, the registry passes it on, and clients choose
by least request among those that are not critical, with timeouts and no retries. Verdicts:

- muster's: critical from five seconds on without a tick, as a thread beside sees it (`muster.serve.watchdog`);
- naive: critical once the loop is 0.1 s late, as health checks with a short timeout have it.

Readers of the registry are muster's clients, who go on calling where most of a set is critical, or others, who do not.

    python -m bench overloaded_fleet
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from bench.figure import Figure
from bench.simulation import MEAN, Answer, Job, World, least_request, usual
from muster.balance.balancer import Balancer
from muster.balance.balancing import Balancing
from muster.balance.eligible import PANIC
from muster.balance.fleet import Fleet
from muster.balance.outlier import NO_EJECTION
from muster.model.check import Health
from muster.model.instance import Instance
from muster.model.outcome import Outcome
from muster.model.snapshot import Known
from muster.serve.condition import of_loop
from muster.serve.settings import Timing
from muster.serve.watchdog import MOST, TICK, Witness, looked

INSTANCES = 10
CLIENTS = 4
TIMEOUT = 1.0
CAN = INSTANCES / MEAN
"""Calls a second that the fleet can do."""
TOLD = 0.1
"""Seconds until readers know what the registry knows."""
NAIVE = 0.1
OVERLOAD = (10.0, 30.0)


class EventLoop:
    """Works on what was ready when its turn began, then looks what has become ready meanwhile; ticks in between. A call
    that nobody waits for any more is dropped when its turn comes."""

    def __init__(self, world: World, times: Callable[[Random], float]) -> None:
        self._world = world
        self._times = times
        self._ready: list[Job] = []
        self._turn: tuple[float, float] | None = None
        self._ticks = 0

    def take(self, answer: Answer) -> Job:
        return self._take(Job(self._times(self._world.rng), answer))

    def block(self, seconds: float) -> None:
        """From the next turn on it does nothing else."""
        self._take(Job(seconds, lambda code: None))

    def _take(self, job: Job) -> Job:
        self._ready.append(job)
        if self._turn is None:
            self._begin()
        return job

    @property
    def ticks(self) -> int:
        """An idle loop ticks all the time."""
        self._ticks += self._turn is None
        return self._ticks

    @property
    def late(self) -> float:
        """Seconds since the turn began, or that the last one took."""
        began, length = self._turn or (self._world.now, 0.0)
        return max(self._world.now - began, length)

    def _begin(self) -> None:
        turn, self._ready = [job for job in self._ready if job.answer is not None], []
        self._ticks += 1
        length = 0.0
        for job in turn:
            length += job.seconds
            self._world.after(length, lambda job=job: _answer(job))  # type: ignore[misc]
        self._turn = (self._world.now, length) if turn else None
        if turn:
            self._world.after(length, self._begin)


def _answer(job: Job) -> None:
    if job.answer is not None:
        job.answer("OK")


Verdict = Callable[[EventLoop, Witness], Health]


def no_verdict(loop: EventLoop, seen: Witness) -> Health:
    return Health.PASSING


def by_watchdog(loop: EventLoop, seen: Witness) -> Health:
    return of_loop(seen.silent if seen.silent > MOST else 0.0, 0.0, Timing()).health


def by_lag(loop: EventLoop, seen: Witness) -> Health:
    return Health.CRITICAL if loop.late > NAIVE else Health.PASSING


class Registry:
    """Looks at every loop as often as a watchdog does, and tells all readers what has changed."""

    def __init__(self, world: World, loops: list[EventLoop], verdict: Verdict) -> None:
        self._world = world
        self._loops = loops
        self._verdict = verdict
        self._seen = [Witness(-1, 0.0)] * len(loops)
        self._healths = [Health.PASSING] * len(loops)
        self.readers: list[Callable[[Known], object]] = []
        self.most_critical = 0
        for number in range(len(loops)):
            world.after(world.rng.uniform(0, TICK), lambda number=number: self._look(number))  # type: ignore[misc]

    @property
    def known(self) -> Known:
        return Known(
            "sim",
            tuple(
                Instance(f"i{number}", "sim", "10.0.0.1", 1 + number, health=health)
                for number, health in enumerate(self._healths)
            ),
        )

    def _look(self, number: int) -> None:
        loop = self._loops[number]
        self._seen[number] = looked(self._seen[number], loop.ticks, self._world.now)
        health = self._verdict(loop, self._seen[number])
        if health is not self._healths[number]:
            self._healths[number] = health
            self.most_critical = max(self.most_critical, self._healths.count(Health.CRITICAL))
            self._world.after(TOLD, lambda known=self.known: self._tell(known))  # type: ignore[misc]
        self._world.after(TICK, lambda: self._look(number))

    def _tell(self, known: Known) -> None:
        for reader in self.readers:
            reader(known)


@dataclass(frozen=True)
class Tally:
    """Calls by the second in which they were sent: all, and those that were answered."""

    sent: Counter[int] = field(default_factory=Counter[int])
    good: Counter[int] = field(default_factory=Counter[int])

    def answered(self, seconds: range) -> float:
        """Percent of the calls, or of what can be done where that is less."""
        could = min(sum(self.sent[second] for second in seconds), len(seconds) * CAN)
        return 100 * sum(self.good[second] for second in seconds) / could


class Client:
    """Chooses as muster's clients do; without `panic`, as those who never call a critical instance."""

    def __init__(self, world: World, loops: list[EventLoop], registry: Registry, tally: Tally, panic: bool) -> None:
        self._world = world
        self._tally = tally
        self._loops = {f"i{number}": loop for number, loop in enumerate(loops)}
        balancing = Balancing(
            picker=lambda: least_request(world), outliers=NO_EJECTION, panic=PANIC if panic else 0.0, slow_start=0.0
        )
        fleet: Fleet[None] = Fleet("sim", balancing=balancing, connects=False, clock=world.clock)
        fleet.take(registry.known)
        registry.readers.append(fleet.take)
        self._balancer: Balancer[None] = Balancer(fleet)

    def call(self) -> None:
        self._tally.sent[int(self._world.now)] += 1
        node = self._balancer.choose()
        if node is None:
            return
        sent = self._world.now
        node.begin()

        def ended(code: str) -> None:
            job.answer = None
            node.end(Outcome(code, seconds=self._world.now - sent))
            self._tally.good[int(sent)] += code == "OK"

        job = self._loops[node.instance.id].take(ended)
        self._world.after(TIMEOUT, lambda: job.answer and job.answer("DEADLINE_EXCEEDED"))


@dataclass(frozen=True)
class Came:
    """`answered`: as Tally, in the time that counts; how many instances were critical at a time, at most."""

    answered: float
    most_critical: int


@dataclass(frozen=True)
class Scene:
    """`load` from second 10 on, of what the fleet can do; 60 % before. `blocked`: for how long one loop is then."""

    load: float
    blocked: float = 0.0

    def now(self, when: float) -> float:
        return self.load if when >= OVERLOAD[0] else min(self.load, 0.6)


SCENES = {
    "90 % load": Scene(0.9),
    "85 % load, one loop blocked": Scene(0.85, blocked=30.0),
    "20 % too much to do": Scene(1.2),
}


def run(scene: Scene, verdict: Verdict, panic: bool, counts: tuple[float, float] = OVERLOAD) -> Came:
    """What comes of the calls that are sent between two moments."""
    world, tally = World(), Tally()
    loops = [EventLoop(world, usual()) for _ in range(INSTANCES)]
    registry = Registry(world, loops, verdict)
    clients = [Client(world, loops, registry, tally, panic) for _ in range(CLIENTS)]

    def arrive() -> None:
        world.rng.choice(clients).call()
        world.after(world.rng.expovariate(CAN * scene.now(world.now)), arrive)

    world.after(0.0, arrive)
    if scene.blocked:
        world.after(OVERLOAD[0], lambda: loops[0].block(scene.blocked))
    world.run(counts[1] + TIMEOUT)
    return Came(tally.answered(range(int(counts[0]), int(counts[1]))), registry.most_critical)


VERDICTS: dict[str, tuple[Verdict, bool]] = {
    "no verdict": (no_verdict, True),
    "muster's watchdog": (by_watchdog, True),
    "muster's watchdog, readers without panic": (by_watchdog, False),
    "critical above 0.1 s": (by_lag, True),
    "critical above 0.1 s, readers without panic": (by_lag, False),
}


def measure(quick: bool = False) -> list[Figure]:
    counts = (10.0, 14.0) if quick else OVERLOAD
    figures: list[Figure] = []
    for scene, described in SCENES.items():
        for name, (verdict, panic) in VERDICTS.items():
            came = run(described, verdict, panic, counts)
            note = f"{came.most_critical} of {INSTANCES} critical at most"
            least = 99.0 if verdict is by_watchdog and scene == "90 % load" else None
            figures.append(Figure(f"{scene}, {name}: answered", came.answered, "%", at_least=least, note=note))
    return figures
