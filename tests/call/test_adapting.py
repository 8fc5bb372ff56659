"""A limit that finds itself."""

from __future__ import annotations

import pytest

from muster.call.adapting import FIRST, Adaptive
from muster.call.breaker import Breaker, Concurrency
from muster.model.outcome import Outcome

OK, LATE, FULL = Outcome("OK"), Outcome("DEADLINE_EXCEEDED"), Outcome("RESOURCE_EXHAUSTED")


def test_it_doubles_with_each_round_until_the_first_sign_of_overload() -> None:
    adaptive = Adaptive()
    for _ in range(100):
        adaptive.ended(OK, 100)
    assert adaptive.limit == 2 * FIRST
    adaptive.ended(LATE, 100)
    assert adaptive.limit == 0.9 * 2 * FIRST
    for _ in range(180):
        adaptive.ended(OK, 180)
    assert 180.9 < adaptive.limit <= 181


@pytest.mark.parametrize(
    ("outcome", "under_way", "expected"),
    [
        (OK, 50, FIRST),
        (OK, 51, FIRST + 1),
        (LATE, 1, 0.9 * FIRST),
        (FULL, 1, 0.9 * FIRST),
        (Outcome("UNAVAILABLE", unread=True), 1, 0.9 * FIRST),
        (Outcome("DEADLINE_EXCEEDED", hurried=True), 100, FIRST),
        (Outcome("UNAVAILABLE", unprocessed=True), 100, FIRST),
        (Outcome("CANCELLED"), 100, FIRST),
        (Outcome("NOT_FOUND"), 100, FIRST),
    ],
)
def test_what_moves_it(outcome: Outcome, under_way: int, expected: float) -> None:
    adaptive = Adaptive()
    adaptive.ended(outcome, under_way)
    assert adaptive.limit == expected


def test_one_call_is_always_allowed() -> None:
    adaptive = Adaptive()
    for _ in range(1000):
        adaptive.ended(LATE, 1)
    assert adaptive.limit == 1.0


@pytest.mark.parametrize(("limits", "expected"), [(Concurrency(adaptive=True), 100), (Concurrency(service=7), 7)])
def test_a_breaker_goes_by_it(limits: Concurrency, expected: int) -> None:
    breaker = Breaker("greeter", limits)
    assert breaker.service == expected
    for _ in range(expected):
        assert breaker.admits(0.0)
        breaker.began()
    assert not breaker.admits(0.0)


def test_the_limit_that_is_given_is_the_most() -> None:
    breaker = Breaker("greeter", Concurrency(service=20, adaptive=True))
    assert breaker.service == 20
    for _ in range(30):
        breaker.began()
        breaker.ended("a", 0, 0.0, LATE)
    assert breaker.service == 4
