"""Limits for calls under way, and what is told of them."""

from __future__ import annotations

import pytest

from muster.call.breaker import SERVICE, Breaker, Concurrency
from muster.model.errors import BadConfiguration
from muster.model.events import BreakerClosed, BreakerOpened, Event


@pytest.mark.parametrize("wrong", [{"instance": 0}, {"service": 0}, {"service": -1}, {"pending": -1}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadConfiguration, match="at least 1"):
        Concurrency(**wrong)


def test_pending_calls_wait_for_a_limit() -> None:
    with pytest.raises(BadConfiguration, match="without a limit"):
        Concurrency(pending=5)
    assert Concurrency(adaptive=True, pending=5).pending == 5


def test_without_a_limit_everything_goes() -> None:
    breaker = Breaker("a", Concurrency())
    for _ in range(10_000):
        breaker.began()
    assert breaker.admits(0.0)
    assert breaker.admits_at("a-1", 10_000, 0.0)
    assert not breaker.full(10_000)


def test_a_service_is_full() -> None:
    events: list[Event] = []
    breaker = Breaker("a", Concurrency(service=4), events.append)
    for _ in range(4):
        assert breaker.admits(1.0)
        breaker.began()
    assert not breaker.admits(2.0)
    assert not breaker.admits(2.5)
    assert events == [BreakerOpened("a", SERVICE, 4)]
    breaker.ended("a-1", 0, 3.0)
    assert breaker.admits(3.0)
    assert len(events) == 1
    breaker.ended("a-1", 0, 4.0)
    assert events[1:] == [BreakerClosed("a", SERVICE, 2.0)]


def test_each_instance_has_a_breaker_of_its_own() -> None:
    events: list[Event] = []
    breaker = Breaker("a", Concurrency(instance=2), events.append)
    for _ in range(4):
        breaker.began()
    assert not breaker.admits_at("a-1", 2, 1.0)
    assert breaker.full(2)
    assert breaker.admits_at("a-2", 1, 1.0)
    breaker.ended("a-2", 0, 2.0)
    breaker.ended("a-1", 1, 3.0)
    breaker.ended("a-1", 0, 4.0)
    assert events == [BreakerOpened("a", "a-1", 2), BreakerClosed("a", "a-1", 2.0)]


def test_a_limit_of_one_closes_too() -> None:
    events: list[Event] = []
    breaker = Breaker("a", Concurrency(service=1), events.append)
    breaker.began()
    assert not breaker.admits(1.0)
    breaker.ended("a-1", 0, 1.5)
    assert events == [BreakerOpened("a", SERVICE, 1), BreakerClosed("a", SERVICE, 0.5)]
