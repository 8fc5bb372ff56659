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


ENOUGH = 0.5
"""The share of a call's own time that an attempt must have had to be held against the instance, or else"""

AMPLE = 10
"""so many times what the instance usually takes. Of exponential times one in 20,000 is as long."""


def hurried(had: float | None, full: float | None, usual: float | None) -> bool:
    """Whether an attempt that ran out of time had too little of it to speak against the instance.

    What a caller's deadline and earlier attempts have left may be a millisecond, in which nobody answers. `had`: what
    the attempt was given; `full`: what it would have been given at the start of a call that serves no other; None: no
    end. `usual`: what the instance's calls take on average; None while that is not known. All in seconds.
    """
    if had is None:
        return False
    enough = math.inf if full is None else full * ENOUGH
    return had < (enough if usual is None else min(enough, usual * AMPLE))


def effective_timeout(timeout: float | None, parent: float | None, now: float) -> float | None:
    """Seconds for a call that is made while serving another, whose deadline is `parent`: it never outlives it."""
    left = remaining(parent, now)
    if left is None:
        return timeout
    return left if timeout is None else min(timeout, left)
