"""Go's durations, in its own words. The texts are those of Go 1.15, which Consul 1.8.7 is built with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.registry.consul.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("0", 0.0),
        ("-3s", -3.0),
        ("+3s", 3.0),
        (10_000_000_000, 10.0),
        (10, 1e-8),
    ],
)
def test_strings_and_numbers_of_nanoseconds_are_seconds(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", 'time: invalid duration ""'),
        ("abc", 'time: invalid duration "abc"'),
        (".", 'time: invalid duration "."'),
        (".s", 'time: invalid duration ".s"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1x", 'time: unknown unit "x" in duration "1x"'),
        ("9999999999h", 'time: invalid duration "9999999999h"'),
        ("99999999999999999999s", 'time: invalid duration "99999999999999999999s"'),
    ],
)
def test_what_is_no_duration_is_refused_as_go_does(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match="time:") as caught:
        parse_duration(text)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (10, "10s"),
        (60, "1m0s"),
        (90, "1m30s"),
        (3600, "1h0m0s"),
        (1.5, "1.5s"),
        (0.25, "250ms"),
        (1e-6, "1µs"),
        (1e-9, "1ns"),
        (0.0015, "1.5ms"),
        (-2, "-2s"),
    ],
)
def test_seconds_are_written_as_go_prints_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_what_is_written_reads_back(nanoseconds: int) -> None:
    assert round(parse_duration(format_duration(nanoseconds / 1e9)) * 1e9) == pytest.approx(nanoseconds, abs=1)


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        assert str(error).startswith("time:")
