"""The deadline of a whole call."""

from __future__ import annotations

import math

import pytest

from muster.call.deadline import deadline_of, hurried, remaining


def test_a_timeout_is_counted_from_the_start() -> None:
    assert deadline_of(3.0, 100.0) == 103.0
    assert remaining(103.0, 101.0) == 2.0
    assert remaining(103.0, 104.0) == 0.0


def test_no_end() -> None:
    assert deadline_of(None, 100.0) is None
    assert deadline_of(math.inf, 100.0) is None
    assert remaining(None, 100.0) is None


@pytest.mark.parametrize(
    ("had", "full", "usual", "expected"),
    [
        (10.0, 10.0, None, False),
        (0.2, 0.2, None, False),
        (4.9, 10.0, None, True),
        (5.0, 10.0, None, False),
        (0.001, 10.0, 0.010, True),
        (0.099, 10.0, 0.010, True),
        (0.1, 10.0, 0.010, False),
        (0.3, 0.5, 1.0, False),
        (None, 10.0, None, False),
        (None, None, None, False),
        (5.0, None, None, True),
        (5.0, None, 0.1, False),
        (0.0, 10.0, 0.0, False),
    ],
)
def test_who_was_hurried_by_others_speaks_against_nobody(
    had: float | None, full: float | None, usual: float | None, expected: bool
) -> None:
    assert hurried(had, full, usual) is expected
