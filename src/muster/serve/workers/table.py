"""Which workers there are, and what is to be done about them. Pure: functions of the table, an event and the time.

    STARTING ──> SERVING ──> LEAVING ──> KILLED
        └───────────┴─ ended ─┴──────────┘

- As many serve as are wanted. One that ends unasked has crashed, and is replaced; after several crashes in a row with
  growing pauses. One that gives no sign of life for too long is killed, which is a crash too.
- Reload: one by one, a new one starts, and once it serves an old one is asked to leave. A new one that does not get as
  far ends the reload, and the others stay.
- Restart, for development: all leave, then all start; where that fails, nothing is done before the next one.
- At the first start nobody is replaced. When all have failed, that is the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from muster.model.backoff import Backoff

BACKOFF = Backoff(initial=0.5, maximum=30.0)

STEADY = 10.0
"""Seconds that a worker must have served for its crash to be the first in a row."""

HURRIED = 1.0
"""Seconds that workers have left once somebody is in a hurry."""


class Phase(StrEnum):
    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Worker:
    """`number` is never used again; `place` is the lowest that was free: below twice the number of workers. `since`:
    when it came into its phase. `ready`: it says that it is well; `known`: and that others can find it. `closed`: it
    takes no connections any more. `silent`: looks since the last sign of life."""

    number: int
    place: int
    generation: int
    since: float
    phase: Phase = Phase.STARTING
    ready: bool = False
    known: bool = False
    closed: bool = False
    silent: int = 0

    @property
    def stays(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.SERVING)


@dataclass(frozen=True, slots=True)
class Rules:
    """`wanted`: how many. `looks`: after so many in a row without a sign of life a worker is killed. `grace`: seconds
    that one may take to leave. `patient`: whoever fails at the start is not replaced before the next restart."""

    wanted: int
    looks: int = 120
    grace: float = 10.0
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """`generation`: of those to be started. `due`: when the next may be. `held`: none may, before somebody asks.
    `served`: at least one has ever served. `at_once`: those of older generations leave together."""

    rules: Rules
    workers: tuple[Worker, ...] = ()
    generation: int = 0
    started: int = 0
    failures: int = 0
    due: float = 0.0
    held: bool = False
    served: bool = False
    at_once: bool = False
    stopping: bool = False

    @property
    def staying(self) -> tuple[Worker, ...]:
        return tuple(each for each in self.workers if each.stays)

    @property
    def old(self) -> tuple[Worker, ...]:
        """Those that a reload or restart has to replace yet."""
        return tuple(each for each in self.staying if each.generation < self.generation)

    @property
    def ready(self) -> int:
        """How many serve and are well."""
        return sum(each.ready for each in self.staying)

    @property
    def serving(self) -> int:
        """The same, of those that are wanted: while workers are replaced there may be one more."""
        return min(self.ready, self.rules.wanted)

    @property
    def failed(self) -> bool:
        """None has got as far as to serve, and nobody waits for another try."""
        return self.held and not self.served and not self.rules.patient and not self.workers

    @property
    def over(self) -> bool:
        return self.failed or (self.stopping and not self.workers)

    def has(self, phase: Phase) -> bool:
        return any(each.phase is phase for each in self.workers)


@dataclass(frozen=True, slots=True)
class Told:
    """A worker serves, and is `ready` or not: its checks fail, or it is about to go. `known`: others can find it."""

    number: int
    ready: bool
    known: bool = True


@dataclass(frozen=True, slots=True)
class Alive:
    """A worker gave a sign of life."""

    number: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A worker takes no connections any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Ended:
    number: int


@dataclass(frozen=True, slots=True)
class Looked:
    """It is time to look how things are. To come every LOOK seconds."""


@dataclass(frozen=True, slots=True)
class Reload:
    """Replace all, also at the very start. `at_once`: all leave before the first new one starts."""

    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Stopping:
    """Everybody is to leave; the second time in a hurry."""


Event = Told | Alive | Closed | Ended | Looked | Reload | Stopping

LOOK = 0.25


@dataclass(frozen=True, slots=True)
class Start:
    number: int
    place: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Ask a worker to. `alone`: others serve, and it is to take no new connections meanwhile. `at_once`: without a
    drain. `young`: it has not served yet."""

    number: int
    alone: bool = False
    at_once: bool = False
    young: bool = False


@dataclass(frozen=True, slots=True)
class Kill:
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The reload has failed; those who serve stay."""


Action = Start | Leave | Kill | GivenUp


def step(table: Table, event: Event, now: float, rng: Random) -> tuple[Table, tuple[Action, ...]]:
    """The table after `event`, and what to do. Events of workers that are there no more change nothing."""
    table, first = _noted(table, event, now, rng)
    table, then = _arranged(table, now)
    return table, (*first, *then)


def _noted(table: Table, event: Event, now: float, rng: Random) -> tuple[Table, tuple[Action, ...]]:
    match event:
        case Told():
            return _told(table, event, now), ()
        case Alive(number):
            return _with(table, *(replace(each, silent=0) for each in table.workers if each.number == number)), ()
        case Closed(number):
            return _with(table, *(replace(each, closed=True) for each in table.workers if each.number == number)), ()
        case Ended(number):
            return _ended(table, number, now, rng)
        case Looked():
            return _looked(table, now)
        case Reload(at_once):
            anew = replace(table, generation=table.generation + 1, at_once=at_once, held=False, failures=0, due=now)
            return anew, ()
        case Stopping():
            return _stopping(table, now)


def _told(table: Table, told: Told, now: float) -> Table:
    worker = _find(table, told.number)
    if worker is None or not worker.stays:
        return table
    worker = replace(worker, ready=told.ready, known=told.known)
    if worker.phase is Phase.STARTING and told.ready:
        table = replace(table, served=True, held=table.held and table.rules.patient)
        worker = replace(worker, phase=Phase.SERVING, since=now)
    return _with(table, worker)


def _ended(table: Table, number: int, now: float, rng: Random) -> tuple[Table, tuple[Action, ...]]:
    worker = _find(table, number)
    if worker is None:
        return table, ()
    table = replace(table, workers=tuple(each for each in table.workers if each.number != number))
    if worker.phase is Phase.LEAVING or table.stopping:
        return table, ()
    starting = worker.phase is Phase.STARTING
    if starting and worker.generation == table.generation and table.old:
        stay = tuple(replace(each, generation=table.generation) for each in table.workers)
        return replace(table, workers=stay), (GivenUp(),)
    steady = worker.phase is Phase.SERVING and now - worker.since >= STEADY
    failures = 1 if steady else table.failures + 1
    held = table.held or (starting and (table.rules.patient or not table.served))
    return replace(table, failures=failures, due=now + BACKOFF.pause(failures, rng), held=held), ()


def _looked(table: Table, now: float) -> tuple[Table, tuple[Action, ...]]:
    """Silence is counted in looks, so that a machine that was asleep, or has no time for us either, harms nobody."""
    kills: list[Kill] = []
    for each in table.workers:
        if each.phase is Phase.SERVING:
            each = replace(each, silent=each.silent + 1)
        if why := _too_long(each, table.rules, now):
            each = replace(each, phase=Phase.KILLED, ready=False, since=now)
            kills.append(Kill(each.number, why))
        table = _with(table, each)
    return table, tuple(kills)


def _too_long(worker: Worker, rules: Rules, now: float) -> str:
    """Why a worker has to be killed; else empty."""
    if worker.phase is Phase.SERVING and worker.silent >= rules.looks:
        return f"no sign of life for {worker.silent * LOOK:g} s"
    if worker.phase is Phase.LEAVING and now - worker.since >= rules.grace:
        return "it does not end"
    return ""


def _stopping(table: Table, now: float) -> tuple[Table, tuple[Action, ...]]:
    """A second time: whoever leaves is asked again, and has little time."""
    if not table.stopping:
        return replace(table, stopping=True), ()
    leaving = [each for each in table.workers if each.phase is Phase.LEAVING]
    hurried = replace(table, rules=replace(table.rules, grace=HURRIED))
    asked = tuple(Leave(each.number, at_once=True) for each in leaving)
    return _with(hurried, *(replace(each, since=now) for each in leaving)), asked


def _arranged(table: Table, now: float) -> tuple[Table, tuple[Action, ...]]:
    """What the rules want of the workers that there are."""
    if table.stopping:
        return _left(table, table.staying, now)
    if table.at_once and table.old:
        return _left(table, table.old, now, at_once=True)
    if table.at_once and (table.has(Phase.LEAVING) or table.has(Phase.KILLED)):
        return table, ()
    missing = table.rules.wanted - len(table.staying)
    if missing > 0:
        return _started(table, missing, now) if now >= table.due and not table.held else (table, ())
    return _rolled(table, now)


def _rolled(table: Table, now: float) -> tuple[Table, tuple[Action, ...]]:
    """The next move of a reload; one at a time, so that there is never more than one too many."""
    new_to_come = any(not each.known for each in table.staying if each.generation == table.generation)
    if not table.old or table.has(Phase.STARTING) or table.has(Phase.LEAVING) or new_to_come:
        return table, ()
    if len(table.staying) > table.rules.wanted:
        return _left(table, table.old[:1], now, alone=True)
    return _started(table, 1, now)


def _started(table: Table, count: int, now: float) -> tuple[Table, tuple[Action, ...]]:
    actions: list[Action] = []
    for _ in range(count):
        taken = {each.place for each in table.workers}
        place = next(number for number in range(len(taken) + 1) if number not in taken)
        worker = Worker(table.started + 1, place, table.generation, now)
        table = replace(table, started=worker.number, workers=(*table.workers, worker))
        actions.append(Start(worker.number, place))
    return table, tuple(actions)


def _left(
    table: Table, who: tuple[Worker, ...], now: float, *, alone: bool = False, at_once: bool = False
) -> tuple[Table, tuple[Action, ...]]:
    leaving = (replace(each, phase=Phase.LEAVING, ready=False, since=now) for each in who)
    return _with(table, *leaving), tuple(
        Leave(each.number, alone, at_once, each.phase is Phase.STARTING) for each in who
    )


def _find(table: Table, number: int) -> Worker | None:
    return next((each for each in table.workers if each.number == number), None)


def _with(table: Table, *changed: Worker) -> Table:
    """The table with these workers in their lines."""
    new = {each.number: each for each in changed}
    return replace(table, workers=tuple(new.get(each.number, each) for each in table.workers))
