from __future__ import annotations

from muster.telemetry.throttle import Throttle


def test_a_burst_passes_then_one_an_interval_which_says_how_many_were_withheld() -> None:
    throttle = Throttle(burst=2, interval=10)
    assert [throttle.admit("a", now) for now in (0, 0, 0, 1, 9)] == [0, 0, None, None, None]
    assert throttle.admit("a", 10) == 3
    assert throttle.admit("a", 10) is None


def test_kinds_do_not_share_a_budget() -> None:
    throttle = Throttle(burst=1, interval=10)
    assert [throttle.admit(kind, 0) for kind in "aba"] == [0, 0, None]


def test_a_long_silence_earns_a_burst_and_no_more() -> None:
    throttle = Throttle(burst=2, interval=1)
    throttle.admit("a", 0)
    assert [throttle.admit("a", 1000) for _ in range(3)] == [0, 0, None]
