"""The deadline of a whole call."""

from __future__ import annotations

import math

from muster.call.deadline import deadline_of, remaining


def test_a_timeout_is_counted_from_the_start() -> None:
    assert deadline_of(3.0, 100.0) == 103.0
    assert remaining(103.0, 101.0) == 2.0
    assert remaining(103.0, 104.0) == 0.0


def test_no_end() -> None:
    assert deadline_of(None, 100.0) is None
    assert deadline_of(math.inf, 100.0) is None
    assert remaining(None, 100.0) is None
