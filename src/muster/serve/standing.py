"""Where a registration stands, and what to do next. Pure: a function of what was done and how it ended.

    step        ended well                NotRegistered     RegistryUnavailable      Rejected, Denied
    CHECK       REGISTER at once (1)      (any error: CHECK again, with growing pauses)
    REGISTER    BEAT                                        again, growing pauses    again, after a beat
    BEAT        RECHECK at once (2)       CHECK, spread     again, growing pauses    again, after a beat
    RECHECK     BEAT, after a beat        (any error: BEAT, after a beat; the third in a row: WITHDRAW)
    WITHDRAW    CHECK, after a while (3)                    again, growing pauses    again, after a beat

1  Who was withdrawn must pass twice in a row, a beat apart.
2  Where the register check is to be made again; else BEAT, after a beat.
3  A beat, and twice as long after each further withdrawal, until the check has passed for a long time: a check that
   cannot make up its mind takes an instance out for ever longer, and does not make it come and go.

Every pause after a failure is jittered over its whole length: what one instance suffers, a fleet does, and its return
should not be the registry's next outage. What was refused is tried again too, since somebody may grant the right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from muster.model.backoff import Backoff
from muster.model.errors import NotRegistered, RegistryUnavailable, Rejected
from muster.model.events import RegistrationState


class Step(StrEnum):
    CHECK = "register check"
    REGISTER = "register"
    BEAT = "heartbeat"
    RECHECK = "register check, made again"
    WITHDRAW = "withdraw"


MISSES = 3
"""Register checks that fail in a row before an instance is withdrawn."""

PASSES = 2
"""Register checks that pass in a row before it is restored."""

STEADY = 30
"""Register checks that pass in a row before earlier withdrawals are forgotten: five minutes of heartbeats."""

LONGEST_AWAY = 300.0
"""Seconds that a withdrawn instance waits before it is checked anew, at most."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`why`: what keeps the instance from being registered, or its heartbeats from arriving; else empty.

    `checked`: the register check has passed. `registered_once`: the registry has taken this instance at some time.
    `failures` in a row; only a heartbeat that arrived ends them, so that a registry which takes everything and keeps
    nothing is not flooded. `misses` and `passes`: register checks in a row that failed, or passed. `withdrawals`: how
    often the instance was taken out for want of them.
    """

    state: RegistrationState
    why: str = ""
    checked: bool = False
    registered_once: bool = False
    failures: int = 0
    misses: int = 0
    passes: int = 0
    withdrawals: int = 0


@dataclass(frozen=True, slots=True)
class Next:
    """Do `step`, `pause` seconds from now, or sooner if it is `prompt` and the instance's condition changes."""

    step: Step
    pause: float = 0.0
    prompt: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """`beat`: seconds between heartbeats; pauses after failures grow up to it. `spread`: seconds over which instances
    that the registry has forgotten register anew; None: they found out spread over a beat, and that will do.
    `rechecks`: whether the register check is made again with each heartbeat."""

    beat: float
    spread: float | None = None
    rechecks: bool = False

    def interval(self, rng: Random) -> float:
        """A tenth of jitter, so that instances that started together do not beat together for ever."""
        return self.beat * rng.uniform(0.9, 1.0)

    def pause(self, step: Step, failures: int, error: Exception, rng: Random) -> float:
        """Before `step` is done after so many failures in a row, the last of which was `error`."""
        if isinstance(error, Rejected):
            return self.interval(rng)
        asked = error.retry_after if isinstance(error, RegistryUnavailable) else None
        if step is Step.REGISTER and self.spread is not None:
            # Not for heartbeats: a registry that comes back with its data must hear them before their time is up.
            return (asked or 0.0) + rng.uniform(0, self.spread)
        return (asked or 0.0) + Backoff(initial=0.5, maximum=self.beat).pause(failures, rng)

    def away(self, withdrawals: int, rng: Random) -> float:
        """Before an instance is checked anew that was withdrawn so many times."""
        return min(LONGEST_AWAY, self.beat * 2.0 ** min(withdrawals - 1, 16)) * rng.uniform(0.9, 1.0)


def decide(standing: Standing, step: Step, error: Exception | None, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    """What is known once `step` has ended, with `error` or well, and what to do next."""
    if step is Step.RECHECK:
        return _rechecked(standing, error, pace, rng)
    if error is None:
        return _SUCCEEDED[step](standing, pace, rng)
    failures = standing.failures + 1
    failed = replace(standing, state=_state(standing, step, error), why=_why(step, error), failures=failures, passes=0)
    if step is Step.BEAT and isinstance(error, NotRegistered):
        return failed, Next(Step.CHECK, pace.pause(Step.REGISTER, failures, error, rng))
    return failed, Next(step, pace.pause(step, failures, error, rng), prompt=step is Step.CHECK)


def _checked(standing: Standing, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    passes = standing.passes + 1
    if standing.withdrawals and not standing.checked and passes < PASSES:
        return replace(standing, passes=passes), Next(Step.CHECK, pace.interval(rng))
    # Of who was registered before, only a heartbeat ends the failures.
    failures = standing.failures if standing.registered_once else 0
    return replace(standing, why="", checked=True, failures=failures, passes=0), Next(Step.REGISTER)


def _registered(standing: Standing, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    registered = replace(standing, state=RegistrationState.REGISTERED, why="", registered_once=True, misses=0)
    # Consul keeps the status of a check that it still has, whatever a registration says: a beat at once mends it.
    return registered, Next(Step.BEAT, 0.0 if standing.registered_once else pace.interval(rng), prompt=True)


def _beaten(standing: Standing, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    why = standing.why if standing.misses else ""
    heard = replace(standing, state=RegistrationState.REGISTERED, why=why, failures=0)
    return heard, Next(Step.RECHECK) if pace.rechecks else Next(Step.BEAT, pace.interval(rng), prompt=True)


def _rechecked(standing: Standing, error: Exception | None, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    todo = Next(Step.BEAT, pace.interval(rng), prompt=True)
    if error is None:
        passes = standing.passes + 1
        withdrawals = 0 if passes >= STEADY else standing.withdrawals
        return replace(standing, why="", misses=0, passes=passes, withdrawals=withdrawals), todo
    misses = standing.misses + 1
    missed = replace(standing, why=_why(Step.CHECK, error), misses=misses, passes=0)
    return (replace(missed, checked=False), Next(Step.WITHDRAW)) if misses >= MISSES else (missed, todo)


def _withdrawn(standing: Standing, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    withdrawals = standing.withdrawals + 1
    state = RegistrationState.WAITING
    waiting = replace(standing, state=state, failures=0, misses=0, passes=0, withdrawals=withdrawals)
    return waiting, Next(Step.CHECK, pace.away(withdrawals, rng))


_SUCCEEDED: dict[Step, Callable[[Standing, Pace, Random], tuple[Standing, Next]]] = {
    Step.CHECK: _checked,
    Step.REGISTER: _registered,
    Step.BEAT: _beaten,
    Step.WITHDRAW: _withdrawn,
}


def _state(standing: Standing, step: Step, error: Exception) -> RegistrationState:
    if step is Step.CHECK:
        return standing.state
    if isinstance(error, NotRegistered):
        return RegistrationState.WAITING
    if isinstance(error, Rejected) or standing.registered_once:
        return RegistrationState.FAILING
    return RegistrationState.WAITING


def _why(step: Step, error: Exception) -> str:
    return f"{step}: {str(error) or type(error).__name__}"
