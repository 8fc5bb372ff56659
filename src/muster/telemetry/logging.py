"""Events as log lines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import singledispatch

from muster.model.check import Health
from muster.model.events import (
    AnswerDoubted,
    AttemptFailed,
    BreakerClosed,
    BreakerOpened,
    CallHedged,
    CheckChanged,
    EntrySetAside,
    Event,
    InstanceEjected,
    InstanceReturned,
    PanicEntered,
    PanicLeft,
    RegistrationChanged,
    RegistrationState,
    RetryBudgetExhausted,
    SnapshotUpdated,
    WatchEnded,
    WatchFailed,
    WatchRecovered,
)
from muster.model.snapshot import Absent, instances_of
from muster.telemetry.throttle import Throttle

Line = tuple[int, str]
"""A level of `logging`, and the text."""


class EventLog:
    """An observer that writes each event worth reading to the logger `muster.events`, or the one given.

    WARNING is what somebody may have to act on: a registry that does not answer, a registration that does not hold,
    a call that failed for its caller. INFO is what explains a graph afterwards: sets that changed, instances left out
    and taken back, recovery. DEBUG has the rest. Events that can come by the thousand (failed attempts, and whatever
    an outage brings for each name) are throttled by kind and service; a line says how many were left out before it.
    May be called on any thread.
    """

    def __init__(self, logger: logging.Logger | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger or logging.getLogger("muster.events")
        self._clock = clock
        self._throttle = Throttle()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        level, text = line(event)
        if not self._logger.isEnabledFor(level):
            return
        with self._lock:
            withheld = self._throttle.admit((type(event), event_name(event), level), self._clock())
        if withheld:
            self._logger.log(level, "%s (and %d more like it before)", text, withheld)
        elif withheld == 0:
            self._logger.log(level, "%s", text)


def event_name(event: Event) -> str:
    """The service that an event is about."""
    return event.snapshot.name if isinstance(event, SnapshotUpdated) else event.name


@singledispatch
def line(event: Event) -> Line:
    """The level and the text for an event. A kind that is newer than this file is shown as it is."""
    return logging.DEBUG, f"{event}"


@line.register
def _(event: SnapshotUpdated) -> Line:
    level = logging.INFO if event.changed else logging.DEBUG
    if isinstance(event.snapshot, Absent):
        return level, f"{event.snapshot.name}: nobody is registered"
    instances = instances_of(event.snapshot)
    out = [instance.id for instance in instances if not instance.health.callable]
    critical = f", critical: {_some(out)}" if out else ""
    return level, f"{event.snapshot.name}: {len(instances)} registered{critical}"


@line.register
def _(event: AnswerDoubted) -> Line:
    return logging.WARNING, (
        f"{event.name}: the registry suddenly dropped {event.dropped} of {event.dropped + event.left} instances; "
        f"those that stay connected are kept for {event.grace:g} s"
    )


@line.register
def _(event: EntrySetAside) -> Line:
    return logging.WARNING, f"{event.name}: an entry in the registry cannot be used: {event.entry}: {event.why}"


@line.register
def _(event: WatchFailed) -> Line:
    known = "nothing is known yet" if event.age is None else f"serving what was known {event.age:.1f} s ago"
    return logging.WARNING, f"{event.name}: watch failed: {event.error}; {known}; again in {event.retry_in:.1f} s"


@line.register
def _(event: WatchRecovered) -> Line:
    return logging.INFO, f"{event.name}: the registry answers again after {event.after:.1f} s"


@line.register
def _(event: WatchEnded) -> Line:
    return logging.DEBUG, f"{event.name}: no longer watched"


@line.register
def _(event: InstanceEjected) -> Line:
    return logging.INFO, f"{event.name}: {event.instance_id} is not chosen any more: {event.why}"


@line.register
def _(event: InstanceReturned) -> Line:
    return logging.INFO, f"{event.name}: {event.instance_id} is chosen, after {event.after:.3f} s"


@line.register
def _(event: PanicEntered) -> Line:
    return logging.WARNING, (
        f"{event.name}: only {event.believed} of {event.registered} instances are well; "
        f"{event.helping} others are called too, though they are critical or ejected"
    )


@line.register
def _(event: PanicLeft) -> Line:
    return logging.INFO, f"{event.name}: enough instances are well again, after {event.after:.1f} s"


@line.register
def _(event: AttemptFailed) -> Line:
    level, what = (logging.INFO, "trying again") if event.retrying else (logging.WARNING, "the call failed")
    where = event.instance_id or "no instance"
    return level, f"{event.name}: {event.method} at {where}: {event.code}, attempt {event.attempt}; {what}"


@line.register
def _(event: RetryBudgetExhausted) -> Line:
    return logging.WARNING, f"{event.name}: {event.method} was not tried again: the retry budget is used up"


@line.register
def _(event: CallHedged) -> Line:
    return logging.DEBUG, f"{event.name}: {event.method} was late and is sent to {event.instance_id} too"


@line.register
def _(event: BreakerOpened) -> Line:
    where = f" at {event.instance_id}" if event.instance_id else ""
    return logging.WARNING, f"{event.name}: {event.limit} calls are under way{where}: others wait or fail"


@line.register
def _(event: BreakerClosed) -> Line:
    where = f" at {event.instance_id}" if event.instance_id else ""
    return logging.INFO, f"{event.name}: there is room for calls{where} again, after {event.after:.3f} s"


@line.register
def _(event: RegistrationChanged) -> Line:
    level = logging.WARNING if event.state is RegistrationState.FAILING else logging.INFO
    why = f": {event.why}" if event.why else ""
    return level, f"{event.name}: registration of {event.instance_id} is {event.state}{why}"


@line.register
def _(event: CheckChanged) -> Line:
    check = event.check
    level = logging.INFO if check.health is Health.PASSING else logging.WARNING
    output = f": {check.output}" if check.output else ""
    return level, f"{event.name}: check {check.name} of {event.instance_id} is {check.health}{output}"


def _some(ids: list[str], most: int = 5) -> str:
    """The first few of many."""
    rest = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + rest
