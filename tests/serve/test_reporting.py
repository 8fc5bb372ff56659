"""What observers hear of checks."""

from __future__ import annotations

from muster.model.check import CheckState, Health
from muster.model.events import CheckChanged, Event
from muster.model.instance import Instance
from muster.serve.checks import Result
from muster.serve.reporting import report_checks
from muster.watch.latest import Latest

INSTANCE = Instance("a-1", "a", "127.0.0.1", 4001)


def disk(health: Health, output: str = "", *, ended: bool = True) -> tuple[Result, ...]:
    return (Result(CheckState("disk", health, output), 0.0, ended),)


def test_each_other_verdict_is_told_once() -> None:
    told: list[Event] = []
    results = Latest(disk(Health.CRITICAL, "it has not ended yet", ended=False))
    report_checks(results, INSTANCE, told.append)
    for found in (
        disk(Health.CRITICAL, "it has not ended yet", ended=False),
        disk(Health.PASSING),
        disk(Health.CRITICAL, "full"),
        disk(Health.CRITICAL, "still full"),
        disk(Health.WARNING, "nearly full"),
        disk(Health.PASSING),
    ):
        results.set(found)
    assert told == [
        CheckChanged("a", "a-1", CheckState("disk", Health.CRITICAL, "full")),
        CheckChanged("a", "a-1", CheckState("disk", Health.WARNING, "nearly full")),
        CheckChanged("a", "a-1", CheckState("disk", Health.PASSING)),
    ]


def test_a_check_that_fails_at_first_is_told() -> None:
    told: list[Event] = []
    results = Latest(disk(Health.CRITICAL, "it has not ended yet", ended=False))
    report_checks(results, INSTANCE, told.append)
    results.set(disk(Health.CRITICAL, "no answer within 5 s"))
    assert told == [CheckChanged("a", "a-1", CheckState("disk", Health.CRITICAL, "no answer within 5 s"))]
