"""Who is an outlier, and for how long. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.balance.outlier import (
    NO_EJECTION,
    Outliers,
    Record,
    another_allowed,
    duration,
    in_a_row,
    in_a_series,
    outliers,
)
from muster.model.errors import BadConfiguration

POLICY = Outliers(latency=3.0)


def record(calls: float = 100, faults: float = 0, latency: float = 0.010) -> Record:
    return Record(calls, faults, calls * latency)


@pytest.mark.parametrize(
    ("failures", "why"), [(0, ""), (4, ""), (5, "5 faults in a row"), (6, ""), (10, "10 faults in a row")]
)
def test_faults_in_a_row(failures: int, why: str) -> None:
    assert in_a_row(failures, POLICY) == why
    assert in_a_row(failures, NO_EJECTION) == ""


CASES = [
    ("nobody", [], []),
    ("alone, with nobody to compare", [record(faults=100)], []),
    ("all alike", [record(), record(), record()], []),
    ("one of three with 30 % faults", [record(), record(faults=30), record()], [(1, "30% faults, others 0%")]),
    ("all with 30 % faults: the cause lies elsewhere", [record(faults=30)] * 3, []),
    ("too few calls to tell", [record(), record(calls=10, faults=5), record()], []),
    ("a difference that may be chance", [record(20, 8), record(20, 14), record(20, 8)], []),
    (
        "the same difference, of many calls",
        [record(200, 80), record(200, 140), record(200, 80)],
        [(1, "70% faults, others 40%")],
    ),
    (
        "the worst comes first",
        [record(), record(faults=30), record(faults=60), record(), record()],
        [(2, "60%"), (1, "30%")],
    ),
    ("slow", [record(), record(latency=0.1), record()], [(1, "100 ms a call, others 10 ms")]),
    ("a little slow", [record(), record(latency=0.02), record()], []),
]


@pytest.mark.parametrize(("records", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_outliers(records: list[Record], expected: list[tuple[int, str]]) -> None:
    found = outliers(records, POLICY)
    assert [index for index, _ in found] == [index for index, _ in expected]
    assert all(why.startswith(text) for (_, why), (_, text) in zip(found, expected, strict=True))


def test_latency_is_no_evidence_unless_asked_for() -> None:
    assert outliers([record(), record(latency=9.0), record()], Outliers()) == []


def test_many_records_are_judged_alike() -> None:
    many = [record() for _ in range(1000)] + [record(faults=50)]
    assert [index for index, _ in outliers(many, POLICY)] == [1000]


def test_ejections_grow_to_a_bound() -> None:
    assert [duration(number, POLICY) for number in (1, 2, 3, 7, 1000)] == [5, 10, 20, 300, 300]


def test_what_lies_far_back_is_forgotten() -> None:
    assert in_a_series(0.0, 299.0, POLICY)
    assert not in_a_series(0.0, 300.0, POLICY)


@given(of=st.integers(0, 50), share=st.floats(0, 1))
def test_somebody_always_stays(of: int, share: float) -> None:
    policy = Outliers(share=share)
    ejected = 0
    while another_allowed(ejected, of, policy):
        ejected += 1
    assert ejected <= max(1.0, of * share) and (ejected < of or not of)
    assert ejected or of < 2


@pytest.mark.parametrize(
    "wrong",
    [{"share": 1.1}, {"interval": 0.0}, {"shortest": 9.0, "longest": 5.0}, {"consecutive": -1}, {"errors": -0.1}],
)
def test_numbers_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(BadConfiguration):
        Outliers(**wrong)  # type: ignore[arg-type]
