"""Where a registration stands, and what to do next. Pure: a function of what was done and how it ended.

    step        ended well            NotRegistered         RegistryUnavailable      Rejected, Denied
    CHECK       REGISTER at once      (any error: CHECK again, with growing pauses)
    REGISTER    BEAT                                        again, growing pauses    again, after a beat
    BEAT        BEAT, after a beat    REGISTER, spread      again, growing pauses    again, after a beat

Every pause after a failure is jittered over its whole length: what one instance suffers, a fleet does, and its return
should not be the registry's next outage. What was refused is tried again too, since somebody may grant the right.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Standing:
    """`why`: what keeps the instance from being registered, or its heartbeats from arriving; else empty.

    `checked`: the register check has passed. `registered_once`: the registry has taken this instance at some time.
    `failures` in a row; only a heartbeat that arrived ends them, so that a registry which takes everything and keeps
    nothing is not flooded.
    """

    state: RegistrationState
    why: str = ""
    checked: bool = False
    registered_once: bool = False
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Next:
    """Do `step`, `pause` seconds from now."""

    step: Step
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """`beat`: seconds between heartbeats; pauses after failures grow up to it. `spread`: seconds over which instances
    that the registry has forgotten register anew; None: they found out spread over a beat, and that will do."""

    beat: float
    spread: float | None = None

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


def decide(standing: Standing, step: Step, error: Exception | None, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    """What is known once `step` has ended, with `error` or well, and what to do next."""
    if error is None:
        return _succeeded(standing, step, pace, rng)
    failures = standing.failures + 1
    failed = replace(standing, state=_state(standing, step, error), why=_why(step, error), failures=failures)
    again = Step.REGISTER if step is Step.BEAT and isinstance(error, NotRegistered) else step
    return failed, Next(again, pace.pause(again, failures, error, rng))


def _succeeded(standing: Standing, step: Step, pace: Pace, rng: Random) -> tuple[Standing, Next]:
    if step is Step.CHECK:
        return replace(standing, why="", checked=True, failures=0), Next(Step.REGISTER)
    registered = replace(standing, state=RegistrationState.REGISTERED, why="", registered_once=True)
    if step is Step.BEAT:
        return replace(registered, failures=0), Next(Step.BEAT, pace.interval(rng))
    # Consul keeps the status of a check that it still has, whatever a registration says: a beat at once mends it.
    return registered, Next(Step.BEAT, 0.0 if standing.registered_once else pace.interval(rng))


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
