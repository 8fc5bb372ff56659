"""Which methods are idempotent, and how long pauses are."""

from __future__ import annotations

from random import Random

import pytest

from muster.call.retry import Idempotent, RetryPolicy
from muster.model.errors import BadConfiguration


@pytest.mark.parametrize(
    ("declared", "method", "expected"),
    [
        (set(), "/greeter.Say/Hello", False),
        ({"/greeter.Say/Hello"}, "/greeter.Say/Hello", True),
        ({"/greeter.Say/Hello"}, "/greeter.Say/HelloAgain", False),
        ({"/greeter.Say/*"}, "/greeter.Say/Hello", True),
        ({"/greeter.Say/*"}, "/greeter.SayMore/Hello", False),
        ({"*"}, "/greeter.Say/Hello", True),
        ({"/other.Say/Hello", "/greeter.Say/Hello"}, "/greeter.Say/Hello", True),
    ],
)
def test_declared(declared: set[str], method: str, expected: bool) -> None:
    assert (method in Idempotent(declared)) is expected


@pytest.mark.parametrize(
    "wrong",
    ["Say.Hello", "greeter.Say/Hello", "/greeter.Say", "/greeter.Say/", "//Hello", "/*/Hello", "/a.B/C*", "", "/"],
)
def test_what_could_never_match_is_refused(wrong: str) -> None:
    with pytest.raises(BadConfiguration, match="write "):
        Idempotent({wrong})


def test_a_text_alone_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="expected a set"):
        Idempotent("/greeter.Say/Hello")


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"resends": -1}, {"initial": -1}, {"factor": 0.5}, {"maximum": -1}])
def test_policies_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadConfiguration, match="at least 1"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, -1.0])
def test_an_attempt_needs_time(wrong: float) -> None:
    with pytest.raises(BadConfiguration, match="above 0"):
        RetryPolicy(attempt_timeout=wrong)


def test_pauses_grow_to_their_maximum_with_full_jitter() -> None:
    policy = RetryPolicy(initial=0.1, factor=2.0, maximum=0.5)
    rng = Random(1)
    for retry, bound in [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.5), (10_000, 0.5)]:
        pauses = [policy.pause(retry, rng) for _ in range(500)]
        assert 0 <= min(pauses) < 0.1 * bound
        assert 0.9 * bound < max(pauses) <= bound
