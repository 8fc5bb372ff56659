"""The call being served, as its nested calls see it."""

from __future__ import annotations

import time

import pytest

from muster.call.deadline import effective_timeout
from muster.rpc.current import Served, current_call, detached, remaining, served, serving, within


@pytest.mark.parametrize(
    ("timeout", "parent", "expected"),
    [(3.0, None, 3.0), (None, None, None), (3.0, 102.0, 2.0), (1.0, 102.0, 1.0), (None, 102.0, 2.0), (3.0, 99.0, 0.0)],
)
def test_a_nested_call_never_outlives_its_parent(
    timeout: float | None, parent: float | None, expected: float | None
) -> None:
    assert effective_timeout(timeout, parent, 100.0) == expected


def test_outside_of_any_call_nothing_is_limited() -> None:
    assert served() is None
    assert remaining() is None
    assert within(3.0) == 3.0
    assert within(None) is None


def test_within_a_call() -> None:
    token = serving.set(Served("/greeter.Say/Hello", "ipv4:127.0.0.1:1", time.monotonic() + 2.0))
    try:
        left = within(None)
        assert left is not None
        assert 1.5 < left <= 2.0
        assert within(1.0) == 1.0
        assert within(60.0) == pytest.approx(2.0, abs=0.5)
        with detached():
            assert served() is None
            assert within(60.0) == 60.0
        assert remaining() == pytest.approx(2.0, abs=0.5)
    finally:
        serving.reset(token)


def test_a_caller_that_waits_for_ever() -> None:
    token = serving.set(Served("/greeter.Say/Hello"))
    try:
        assert remaining() is None
        assert within(3.0) == 3.0
    finally:
        serving.reset(token)


def test_there_is_no_call_outside_of_a_handler() -> None:
    with pytest.raises(RuntimeError, match="no call is being served here"):
        current_call()


def test_what_came_with_a_call_is_read_when_asked_for() -> None:
    call = Served("/a.B/C", read=lambda: [("tenant", "a"), ("tenant", "b"), ("key-bin", b"\xff"), ("traceparent", "t")])
    assert (call.get("tenant"), call.get("key-bin"), call.get("none"), call.trace) == ("a", "\xff", "", "t")
    assert Served("/a.B/C").metadata == ()
    assert Served("/a.B/C", read=lambda: None).metadata == ()
    assert call.remaining is None
