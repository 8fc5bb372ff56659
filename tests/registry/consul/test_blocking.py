"""The rules of the index: tables, no I/O."""

from __future__ import annotations

from random import Random

import pytest

from muster.registry.consul.blocking import Position, give_up_after, wait_seconds


@pytest.mark.parametrize(
    ("before", "answered", "early", "after"),
    [
        (Position(), 7, True, Position(7)),
        (Position(7), 9, True, Position(9)),
        (Position(7), 7, False, Position(7)),
        (Position(7), 7, True, Position(7, idle=1)),
        (Position(7, idle=3), 7, False, Position(7)),
        (Position(7, idle=3), 9, True, Position(9)),
        # backwards: start over
        (Position(7), 3, True, Position(0, idle=1)),
        (Position(7), 3, False, Position(0, idle=1)),
        # a fresh start is no progress
        (Position(0, idle=1), 7, True, Position(7, idle=1)),
        # 0 counts as 1, or the next query would not block
        (Position(), 0, True, Position(1)),
        (Position(1), 0, True, Position(1, idle=1)),
        (Position(7), 0, True, Position(0, idle=1)),
    ],
)
def test_position(before: Position, answered: int, early: bool, after: Position) -> None:
    assert before.after(answered, early=early) == after


def test_pauses_grow_up_to_ten_seconds() -> None:
    rng = Random(1)
    assert [Position(7, idle).pause(rng) for idle in (0, 1)] == [0.0, 0.0]
    for idle in range(2, 60):
        bound = min(10.0, 0.1 * 2 ** (idle - 2))
        assert bound / 2 <= Position(7, idle).pause(rng) <= bound


def spin(answers: list[int]) -> float:
    """Seconds of pauses over these answers, all of which come at once."""
    position, paused, rng = Position(), 0.0, Random(1)
    for answered in answers:
        position = position.after(answered, early=True)
        paused += position.pause(rng)
    return paused


def test_an_agent_that_always_answers_at_once_is_not_hammered() -> None:
    assert spin([0] * 20) > 60
    assert spin([7] * 20) > 60
    assert spin([100, 50] * 20) > 60


def test_news_is_never_delayed() -> None:
    assert spin(list(range(1, 1000))) == 0


def test_waits_differ_and_stay_below_the_wait() -> None:
    rng = Random(1)
    waits = {wait_seconds(60.0, rng) for _ in range(100)}
    assert len(waits) > 90
    assert all(54.0 <= wait <= 60.0 for wait in waits)


def test_giving_up_is_later_than_consul_may_answer() -> None:
    assert give_up_after(60.0, 10.0) == 60.0 * 17 / 16 + 10.0
