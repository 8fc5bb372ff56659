from __future__ import annotations

import pytest

from muster.cli.demo.figures import Figures, Life, duration, figure
from muster.cli.demo.load import CLIENT, GATEWAY, Call

FIRST = Life(1, "g-1", started=0.0, ended=5.0, end="SIGTERM")
KILLED = Life(2, "g-2", started=0.0, ended=6.0, end="SIGKILL")
STEADY = Life(3, "g-3", started=0.0)
AGAIN = Life(1, "g-4", started=7.0, again=True)
LIVES = [FIRST, KILLED, STEADY, AGAIN]


def answered(*ids: str, at: float = 7.5) -> list[Call]:
    return [Call(door, at, at + 0.001, instance_id) for instance_id in ids for door in (CLIENT, GATEWAY)]


def wrong(figures: Figures) -> list[str]:
    return [f"{verdict.what}: {verdict.value}" for verdict in figures.verdicts if not verdict.right]


GOOD = answered("g-1", "g-2", "g-3", "g-4")


def test_when_all_went_well() -> None:
    figures = figure(GOOD, LIVES, {"g-2": 6.002})
    assert figures.right
    assert figures.doors == {CLIENT: (4, 0), GATEWAY: (4, 0)}
    assert [lived.answered for lived in figures.lives] == [2, 2, 2, 2]
    assert [f"{verdict.what}: {verdict.value}" for verdict in figures.verdicts] == [
        "failed calls: 0 of 8",
        "client went on choosing greeter 2 after SIGKILL for: 2.0 ms",
        "greeter 1, started again, gave its first answer after: 501 ms",
    ]


def test_one_failed_call_is_wrong_and_its_error_is_told() -> None:
    figures = figure([*GOOD, Call(CLIENT, 1, 2, error="UNAVAILABLE")], LIVES, {"g-2": 6.0})
    assert wrong(figures) == ["failed calls: 1 of 9"]
    assert figures.doors[CLIENT] == (5, 1)
    assert figures.errors == [("UNAVAILABLE", 1)]


def test_no_calls_at_all_is_wrong() -> None:
    assert "failed calls: 0 of 0" in wrong(figure([], [], {}))


def test_an_instance_that_never_answered_is_wrong() -> None:
    figures = figure(answered("g-1", "g-2", "g-3"), LIVES, {"g-2": 6.0})
    assert wrong(figures) == ["calls answered by greeter 1: 0"]
    assert figures.lives[-1].back_after is None


@pytest.mark.parametrize(
    ("let_go", "value"), [({}, "ever"), ({"g-2": 7.5}, "1.50 s")], ids=["never noticed", "noticed late"]
)
def test_a_dead_instance_that_stayed_chosen_is_wrong(let_go: dict[str, float], value: str) -> None:
    assert wrong(figure(GOOD, LIVES, let_go)) == [f"client went on choosing greeter 2 after SIGKILL for: {value}"]


def test_a_connection_that_broke_before_we_looked_at_the_clock_counts_as_nothing() -> None:
    assert figure(GOOD, LIVES, {"g-2": 5.999}).verdicts[1].value == "0.0 ms"


def test_an_instance_that_came_back_too_late_is_wrong() -> None:
    calls = [*answered("g-1", "g-2", "g-3"), *answered("g-4", at=100.0)]
    assert wrong(figure(calls, LIVES, {"g-2": 6.0})) == [
        "greeter 1, started again, gave its first answer after: 93.00 s"
    ]


def test_answers_from_somebody_else_are_wrong() -> None:
    assert wrong(figure([*GOOD, *answered("x-1")], LIVES, {"g-2": 6.0})) == ["calls answered by strangers: 2"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00123, "1.2 ms"), (0.0, "0.0 ms"), (0.123, "123 ms"), (1.0, "1.00 s"), (12.345, "12.35 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
