"""What results, silence and time do to a check."""

from __future__ import annotations

import pytest

from muster.agent.checks.state import (
    CriticalSince,
    Result,
    Tail,
    Thresholds,
    count,
    expired,
    fresh_streak,
    reported,
)
from muster.model.check import Health

P, W, C = Health.PASSING, Health.WARNING, Health.CRITICAL


@pytest.mark.parametrize(
    ("thresholds", "results", "counting"),
    [
        (Thresholds(), [P, C, P, C], [P, C, P, C]),
        (Thresholds(successes=3), [P, P, C, P, P, P], [P, P, C, None, None, P]),
        (Thresholds(failures=2), [C, P, C, C], [C, P, None, C]),
        (Thresholds(failures=2), [P, C, P, C, C, C], [P, None, P, None, C, C]),
        (Thresholds(successes=2), [C, W, P], [C, None, P]),
        (Thresholds(failures=3, warnings=2), [P, C, C, C, P], [P, None, W, C, P]),
        (Thresholds(failures=2, warnings=2), [P, C, C], [P, None, C]),
    ],
)
def test_the_first_result_counts_at_once_and_later_changes_need_their_number(
    thresholds: Thresholds, results: list[Health], counting: list[Health | None]
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


@pytest.mark.parametrize(
    ("chunks", "limit", "text"),
    [
        ([b"x" * 5000, b"END"], 0, "x" * 4093 + "END"),
        ([b"abcdef"], 2, "ef"),
        ([b"a", b"b", b"c", b"d"], 3, "bcd"),
        ([b"\xff"], 0, "\ufffd"),
        ([], 3, ""),
    ],
)
def test_a_long_answer_loses_its_beginning(chunks: list[bytes], limit: int, text: str) -> None:
    tail = Tail(limit)
    for chunk in chunks:
        tail.add(chunk)
    assert tail.text() == text
    assert tail.written == sum(map(len, chunks))


def test_time_as_critical_starts_with_the_first_report_and_ends_with_any_other() -> None:
    since = CriticalSince().after(C, 10.0).after(C, 15.0)
    assert since.at == 10.0
    assert since.for_longer_than(60.0, 70.1)
    assert not since.for_longer_than(60.0, 70.0)
    assert not since.after(W, 71.0).for_longer_than(60.0, 1000.0)
    assert not CriticalSince().for_longer_than(0.0, 1000.0)
