"""The deadline of a whole call, over all of its attempts. Times in seconds of one monotonic clock."""

from __future__ import annotations

import math

DEFAULT_TIMEOUT = 10.0
"""Seconds for a unary call whose caller names no timeout.

gRPC itself has none, so that one hung instance hangs its callers for ever. 10 s is shorter than the 15 to 60 s after
which proxies, browsers and orchestrators give up on the caller, so that it hears of the cause before it is cut off
itself, and long enough for a slow call and its retry. Streams live as long as they like."""


def deadline_of(timeout: float | None, now: float) -> float | None:
    """When a call that starts now must be over; None for never (`timeout` None or infinite)."""
    return None if timeout is None or math.isinf(timeout) else now + timeout


def remaining(deadline: float | None, now: float) -> float | None:
    """Seconds left, never negative; None for no end."""
    return None if deadline is None else max(0.0, deadline - now)


def effective_timeout(timeout: float | None, parent: float | None, now: float) -> float | None:
    """Seconds for a call that is made while serving another, whose deadline is `parent`: it never outlives it."""
    left = remaining(parent, now)
    if left is None:
        return timeout
    return left if timeout is None else min(timeout, left)
