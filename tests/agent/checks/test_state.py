"""What results, silence and time do to a check."""

from __future__ import annotations

import pytest

from muster.agent.checks.state import (
    CriticalSince,
    Result,
    Thresholds,
    count,
    expired,
    fresh_streak,
    reported,
    tail,
)
from muster.model.check import Health

P, W, C = Health.PASSING, Health.WARNING, Health.CRITICAL


@pytest.mark.parametrize(
    ("thresholds", "results", "counting"),
    [
        (Thresholds(), [P, C, P, C], [True, True, True, True]),
        (Thresholds(successes=3), [P, P, C, P, P, P], [True, True, True, False, False, True]),
        (Thresholds(failures=2), [C, P, C, C], [True, True, False, True]),
        (Thresholds(failures=2), [P, C, P, C, C, C], [True, False, True, False, True, True]),
        (Thresholds(successes=2), [C, W, P], [True, False, True]),
    ],
)
def test_the_first_result_counts_at_once_and_later_changes_need_their_number(
    thresholds: Thresholds, results: list[Health], counting: list[bool]
) -> None:
    streak, seen = fresh_streak(thresholds), []
    for health in results:
        streak, counts = count(streak, health, thresholds)
        seen.append(counts)
    assert seen == counting


def test_silence_keeps_the_last_output() -> None:
    assert expired("") == Result(C, "TTL expired")
    assert expired("ok") == Result(C, "TTL expired (last output before timeout follows): ok")


def test_a_long_note_loses_its_end() -> None:
    assert reported(P, "short", 0) == Result(P, "short")
    assert reported(P, "a" * 4500, 0).output == "a" * 4096 + " ... (captured 4096 of 4500 bytes)"
    assert reported(P, "abcdef", 3).output == "abc ... (captured 3 of 6 bytes)"
    assert reported(P, "äöü", 3).output.startswith("ä")


def test_a_long_answer_loses_its_beginning() -> None:
    assert tail(b"x" * 5000 + b"END", 0) == "x" * 4093 + "END"
    assert tail(b"abcdef", 2) == "ef"
    assert tail(b"\xff", 0) == "\ufffd"


def test_time_as_critical_starts_with_the_first_report_and_ends_with_any_other() -> None:
    since = CriticalSince().after(C, 10.0).after(C, 15.0)
    assert since.at == 10.0
    assert since.for_longer_than(60.0, 70.1)
    assert not since.for_longer_than(60.0, 70.0)
    assert not since.after(W, 71.0).for_longer_than(60.0, 1000.0)
    assert not CriticalSince().for_longer_than(0.0, 1000.0)
