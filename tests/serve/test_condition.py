"""What an instance says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import BadConfiguration
from muster.serve.checks import Result
from muster.serve.condition import LONGEST_OUTPUT, Observed, of_loop, together
from muster.serve.settings import Timing

PASSING, WARNING, CRITICAL = Health.PASSING, Health.WARNING, Health.CRITICAL
USUAL, WARNED = Timing(), Timing(lagging=0.5)
LATELY = "event loop blocked for 0.8 s at most in the last 10 s"


@pytest.mark.parametrize(
    ("silent", "lately", "timing", "health", "output"),
    [
        (0.0, 0.0, USUAL, PASSING, ""),
        (0.0, 0.8, USUAL, PASSING, LATELY),
        (4.9, 0.8, USUAL, PASSING, "event loop blocked for 4.9 s"),
        (5.0, 0.8, USUAL, CRITICAL, "event loop blocked for 5.0 s"),
        (0.0, 60.0, USUAL, PASSING, "event loop blocked for 60.0 s at most in the last 10 s"),
        (0.0, 0.4, WARNED, PASSING, "event loop blocked for 0.4 s at most in the last 10 s"),
        (0.0, 0.8, WARNED, WARNING, LATELY),
        (0.6, 0.0, WARNED, WARNING, "event loop blocked for 0.6 s"),
        (5.0, 0.0, WARNED, CRITICAL, "event loop blocked for 5.0 s"),
    ],
)
def test_of_the_loop(silent: float, lately: float, timing: Timing, health: Health, output: str) -> None:
    assert of_loop(silent, lately, timing) == CheckState("self", health, output)


@pytest.mark.parametrize("limits", [{"blocked": 0.0}, {"lagging": -1.0}])
def test_limits_that_cannot_be(limits: Any) -> None:
    with pytest.raises(BadConfiguration, match="blocked and lagging must be above 0"):
        Timing(**limits)


def found(name: str, health: Health, output: str = "") -> Result:
    return Result(CheckState(name, health, output), 0.0)


@pytest.mark.parametrize(
    ("loop", "results", "health", "output"),
    [
        ("", [], PASSING, "serving"),
        ("", [found("disk", PASSING)], PASSING, "serving"),
        ("", [found("disk", WARNING, "full")], WARNING, "disk: full"),
        ("", [found("disk", WARNING, "full"), found("db", CRITICAL, "gone")], CRITICAL, "disk: full; db: gone"),
        (LATELY, [found("db", CRITICAL, "gone"), found("disk", PASSING)], CRITICAL, f"{LATELY}; db: gone"),
    ],
)
def test_together(loop: str, results: list[Result], health: Health, output: str) -> None:
    assert together(CheckState("self", PASSING, loop), results) == CheckState("self", health, output)


def test_a_long_story_is_cut() -> None:
    state = together(CheckState("self", PASSING), [found(f"check-{n}", CRITICAL, "x" * 200) for n in range(20)])
    assert len(state.output) == LONGEST_OUTPUT
    assert state.output.endswith("…")


def test_who_listens_hears_of_what_readers_act_upon_and_of_nothing_else() -> None:
    told: list[str] = []
    condition = Observed(USUAL, lately=lambda: 0.8)
    condition.listen(lambda: told.append(str(condition.state.health)))
    for silent in (0.6, 4.9, 5.1, 30.0, 0.0):
        condition.looked(silent)
    assert told == ["critical", "passing"]
    condition.found((found("db", PASSING), found("disk", PASSING)))
    told.clear()
    condition.found((found("db", CRITICAL, "gone"), found("disk", PASSING)))
    condition.found((found("db", CRITICAL, "still gone"), found("disk", PASSING)))
    condition.found((found("db", CRITICAL, "still gone"), found("disk", WARNING, "full")))
    assert told == ["critical", "critical"]
