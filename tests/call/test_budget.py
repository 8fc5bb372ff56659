"""The retry budget, with a clock of our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.call.budget import RetryBudget


def withdrawn(budget: RetryBudget, now: float, most: int = 10_000) -> int:
    """How much the budget gives at one moment."""
    return next((count for count in range(most) if not budget.withdraw(now)), most)


def test_a_client_that_seldom_calls_may_retry() -> None:
    assert withdrawn(RetryBudget(ratio=0.2, per_second=10), 5.0) == 100


def test_a_share_of_the_calls_may_be_retried() -> None:
    budget = RetryBudget(ratio=0.2, per_second=0)
    for call in range(1000):
        budget.deposit(call / 1000)
    assert withdrawn(budget, 1.0) == pytest.approx(200, abs=1)
    assert withdrawn(budget, 1.0) == 0


def test_calls_are_forgotten_after_ten_seconds() -> None:
    budget = RetryBudget(ratio=1.0, per_second=0)
    for second in range(10):
        budget.deposit(second + 0.5)
    assert withdrawn(budget, 9.9) == 10
    budget.deposit(10.0)
    assert withdrawn(budget, 25.0) == 0


def test_spending_is_forgotten_too() -> None:
    budget = RetryBudget(ratio=0.0, per_second=1)
    assert withdrawn(budget, 3.0) == 10
    assert withdrawn(budget, 12.9) == 0
    assert withdrawn(budget, 14.0) == 10


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        RetryBudget(ratio=-0.1)
    with pytest.raises(ValueError, match="negative"):
        RetryBudget(per_second=-1)


@given(steps=st.lists(st.floats(0, 3), max_size=200), per_second=st.integers(0, 5))
def test_any_ten_seconds_allow_no_more_than_the_share_and_the_reserve(steps: list[float], per_second: int) -> None:
    """A storm in which every call fails: when it gives, the budget never gives more than it may hold."""
    budget = RetryBudget(ratio=0.2, per_second=per_second)
    now, calls, retries = 1000.0, [], []
    for step in steps:
        now += step
        budget.deposit(now)
        calls.append(now)
        if budget.withdraw(now):
            retries.append(now)
            recent_calls = sum(at > now - 11 for at in calls)
            recent_retries = sum(at > now - 9 for at in retries)
            assert recent_retries <= 0.2 * recent_calls + per_second * 10 + 1e-6
