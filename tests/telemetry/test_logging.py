from __future__ import annotations

import logging
from typing import get_args

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import RegistryUnavailable
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
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Known
from muster.telemetry.logging import EventLog, line

UP = Instance("a-1", "a", "127.0.0.1", 1)
DOWN = Instance("a-2", "a", "127.0.0.1", 2, health=Health.CRITICAL)
REFUSED = RegistryUnavailable("127.0.0.1:8500: connection refused")


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (SnapshotUpdated(Known("a", (UP,)), True), logging.INFO, "a: 1 registered"),
        (SnapshotUpdated(Known("a", (UP, DOWN)), True), logging.INFO, "a: 2 registered, critical: a-2"),
        (SnapshotUpdated(Known("a", (UP,)), False), logging.DEBUG, "a: 1 registered"),
        (SnapshotUpdated(Absent("a"), True), logging.INFO, "a: nobody is registered"),
        (
            WatchFailed("a", REFUSED, 1.5, 12.0),
            logging.WARNING,
            "a: watch failed: 127.0.0.1:8500: connection refused; serving what was known 12.0 s ago; again in 1.5 s",
        ),
        (
            WatchFailed("a", REFUSED, 1.5, None),
            logging.WARNING,
            "a: watch failed: 127.0.0.1:8500: connection refused; nothing is known yet; again in 1.5 s",
        ),
        (WatchRecovered("a", 3.0, 2), logging.INFO, "a: the registry answers again after 3.0 s"),
        (
            AnswerDoubted("a", 3, 1, 30.0),
            logging.WARNING,
            "a: the registry suddenly dropped 3 of 4 instances; those that stay connected are kept for 30 s",
        ),
        (
            EntrySetAside("a", "'a-1' on node 'n1'", "port 0 is not a port"),
            logging.WARNING,
            "a: an entry in the registry cannot be used: 'a-1' on node 'n1': port 0 is not a port",
        ),
        (WatchEnded("a"), logging.DEBUG, "a: no longer watched"),
        (
            InstanceEjected("a", "a-1", "connection lost"),
            logging.INFO,
            "a: a-1 is not chosen any more: connection lost",
        ),
        (InstanceReturned("a", "a-1", 0.25), logging.INFO, "a: a-1 is chosen, after 0.250 s"),
        (
            PanicEntered("a", 1, 4, 2),
            logging.WARNING,
            "a: only 1 of 4 instances are well; 2 others are called too, though they are critical or ejected",
        ),
        (PanicLeft("a", 2.0), logging.INFO, "a: enough instances are well again, after 2.0 s"),
        (
            AttemptFailed("a", "/p.S/M", "a-1", "UNAVAILABLE", 1, True),
            logging.INFO,
            "a: /p.S/M at a-1: UNAVAILABLE, attempt 1; trying again",
        ),
        (
            AttemptFailed("a", "/p.S/M", "", "UNAVAILABLE", 3, False),
            logging.WARNING,
            "a: /p.S/M at no instance: UNAVAILABLE, attempt 3; the call failed",
        ),
        (BreakerOpened("a", "", 9), logging.WARNING, "a: 9 calls are under way: others wait or fail"),
        (BreakerOpened("a", "a-1", 9), logging.WARNING, "a: 9 calls are under way at a-1: others wait or fail"),
        (BreakerClosed("a", "a-1", 0.5), logging.INFO, "a: there is room for calls at a-1 again, after 0.500 s"),
        (CallHedged("a", "/p.S/M", "a-2"), logging.DEBUG, "a: /p.S/M was late and is sent to a-2 too"),
        (
            RetryBudgetExhausted("a", "/p.S/M"),
            logging.WARNING,
            "a: /p.S/M was not tried again: the retry budget is used up",
        ),
        (
            RegistrationChanged("a", "a-1", RegistrationState.REGISTERED),
            logging.INFO,
            "a: registration of a-1 is registered",
        ),
        (
            RegistrationChanged("a", "a-1", RegistrationState.FAILING, "refused"),
            logging.WARNING,
            "a: registration of a-1 is failing: refused",
        ),
        (
            CheckChanged("a", "a-1", CheckState("disk", Health.WARNING, "9 % left")),
            logging.WARNING,
            "a: check disk of a-1 is warning: 9 % left",
        ),
        (
            CheckChanged("a", "a-1", CheckState("disk", Health.PASSING)),
            logging.INFO,
            "a: check disk of a-1 is passing",
        ),
    ],
)
def test_each_event_has_a_line(event: Event, level: int, text: str) -> None:
    assert line(event) == (level, text)


def test_a_long_list_of_critical_instances_is_cut() -> None:
    sick = tuple(Instance(f"a-{n}", "a", "127.0.0.1", 1, health=Health.CRITICAL) for n in range(9))
    assert line(SnapshotUpdated(Known("a", sick), True))[1].endswith("critical: a-0, a-1, a-2, a-3, a-4 and 4 more")


def test_a_flood_is_throttled_by_kind_and_service_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = EventLog(clock=lambda: now)
    failed = AttemptFailed("a", "/p.S/M", "a-1", "UNAVAILABLE", 1, True)
    with caplog.at_level(logging.INFO, "muster.events"):
        for _ in range(1000):
            log(failed)
        log(RetryBudgetExhausted("a", "/p.S/M"))
        assert len(caplog.records) == 5 + 1
        now = 10.0
        log(failed)
    assert caplog.messages[-1].endswith("trying again (and 995 more like it before)")


def test_lines_below_the_level_do_not_use_up_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    log = EventLog()
    with caplog.at_level(logging.INFO, "muster.events"):
        for _ in range(100):
            log(SnapshotUpdated(Known("a", (UP,)), False))
        log(SnapshotUpdated(Known("a", (UP,)), True))
    assert caplog.messages == ["a: 1 registered"]


def test_every_kind_of_event_has_a_line() -> None:
    """An observer must not raise, whatever the event."""
    assert set(get_args(Event)) <= set(line.registry)
