"""What happened, as data. One synchronous observer is told; logs, metrics and traces hang on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from muster.model.check import CheckState
from muster.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SnapshotUpdated:
    """The registry answered for a name. `changed` is false where it only confirmed what was known; age starts anew."""

    snapshot: Snapshot
    changed: bool


@dataclass(frozen=True, slots=True)
class AnswerDoubted:
    """The registry suddenly dropped so many instances that they are kept as doubtful for `grace` seconds.

    `dropped`: how many; `left`: how many it still has.
    """

    name: str
    dropped: int
    left: int
    grace: float


@dataclass(frozen=True, slots=True)
class EntrySetAside:
    """An entry of a name in the registry cannot be used and is left out; told once for as long as it stays there."""

    name: str
    entry: str
    why: str


@dataclass(frozen=True, slots=True)
class WatchFailed:
    """Asking the registry failed. `retry_in` and `age` in seconds; `age`: of what is served meanwhile, or None."""

    name: str
    error: Exception
    retry_in: float
    age: float | None


@dataclass(frozen=True, slots=True)
class WatchRecovered:
    """The registry answers again, `after` seconds and `failures` failed attempts."""

    name: str
    after: float
    failures: int


@dataclass(frozen=True, slots=True)
class WatchEnded:
    """Nobody wants to know of a name any more: its age is nobody's concern from now on."""

    name: str


@dataclass(frozen=True, slots=True)
class InstanceEjected:
    """A client stopped choosing an instance on evidence of its own, whatever the registry says of it."""

    name: str
    instance_id: str
    why: str


@dataclass(frozen=True, slots=True)
class InstanceReturned:
    """A client chooses an instance again, or for the first time, `after` seconds since it was ejected or first seen."""

    name: str
    instance_id: str
    after: float


@dataclass(frozen=True, slots=True)
class PanicEntered:
    """So few of the `registered` instances are well (`believed`) that a client calls `helping` others too: they are
    critical for the registry, or ejected. The fault is more likely with who judges than with most of a set."""

    name: str
    believed: int
    registered: int
    helping: int


@dataclass(frozen=True, slots=True)
class PanicLeft:
    """Enough instances are well again, `after` seconds, or nobody is left who could help."""

    name: str
    after: float


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """One attempt of a call failed. `retrying` tells whether the caller will notice."""

    name: str
    method: str
    instance_id: str
    code: str
    attempt: int
    retrying: bool


@dataclass(frozen=True, slots=True)
class RetryBudgetExhausted:
    """A call that would have been retried was not, lest retries become the outage."""

    name: str
    method: str


@dataclass(frozen=True, slots=True)
class CallHedged:
    """The answer to a call was late, so that the call was sent a second time, to this instance."""

    name: str
    method: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class BreakerOpened:
    """So many calls are under way (`limit`) that others have to wait or fail. `instance_id`: empty for the service."""

    name: str
    instance_id: str
    limit: int


@dataclass(frozen=True, slots=True)
class BreakerClosed:
    """Half of the calls under way have ended, `after` seconds since the limit was reached."""

    name: str
    instance_id: str
    after: float


class RegistrationState(StrEnum):
    """Where a registration stands; readiness shows it."""

    OFF = "off"
    EXTERNAL = "external"
    WAITING = "waiting"
    REGISTERED = "registered"
    FAILING = "failing"
    DEREGISTERED = "deregistered"


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    """`why` is empty, or says what keeps the instance from being registered, or why its heartbeat does not arrive."""

    name: str
    instance_id: str
    state: RegistrationState
    why: str = ""


@dataclass(frozen=True, slots=True)
class CheckChanged:
    """A check that a service's author has written came to another verdict: see `muster.Service.check`."""

    name: str
    instance_id: str
    check: CheckState


Event = (
    SnapshotUpdated
    | AnswerDoubted
    | EntrySetAside
    | WatchFailed
    | WatchRecovered
    | WatchEnded
    | InstanceEjected
    | InstanceReturned
    | PanicEntered
    | PanicLeft
    | AttemptFailed
    | RetryBudgetExhausted
    | CallHedged
    | BreakerOpened
    | BreakerClosed
    | RegistrationChanged
    | CheckChanged
)

Observer = Callable[[Event], None]
"""Called on the thread and in the moment where it happened; must return at once and must not raise."""


def ignore(event: Event) -> None:
    """The observer that does nothing."""
