"""The watchdog's verdicts do not make an overload worse; a stricter verdict would."""

from __future__ import annotations

import pytest
from bench.overloaded_fleet import SCENES, VERDICTS, Came, run

COUNTS = (10.0, 20.0)


def came(scene: str, verdict: str) -> Came:
    return run(SCENES[scene], *VERDICTS[verdict], COUNTS)


@pytest.mark.parametrize("readers", ["", ", readers without panic"])
def test_a_busy_fleet_is_not_called_critical(readers: str) -> None:
    found = came("90 % load", f"muster's watchdog{readers}")
    assert found.most_critical == 0
    assert found.answered > 99


def test_a_stricter_verdict_makes_an_outage_of_a_load_that_can_be_borne() -> None:
    found = came("90 % load", "critical above 0.1 s, readers without panic")
    assert found.most_critical > 5
    assert found.answered < 97


def test_one_that_is_blocked_is_the_only_one_that_goes() -> None:
    without, found = (came("85 % load, one loop blocked", name) for name in ("no verdict", "muster's watchdog"))
    assert found.most_critical == 1
    assert found.answered > without.answered
    assert came("85 % load, one loop blocked", "critical above 0.1 s, readers without panic").answered < 90


def test_in_an_overload_the_verdict_changes_nothing() -> None:
    assert came("20 % too much to do", "muster's watchdog") == came("20 % too much to do", "no verdict")
