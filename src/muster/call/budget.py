"""A budget for retries. Pure: the clock is passed in."""

from __future__ import annotations

from collections import deque

WINDOW = 10
"""Seconds that a call's share stays in the budget."""


class RetryBudget:
    """Allows retries up to a share of the calls of the last ten seconds, and a few a second besides.

    When everything fails, each call with two retries is three times the load, on servers that fail already; with a
    budget of 20 % it is 1.2 times. The few a second let a client that seldom calls retry at all. The idea is
    Finagle's (https://twitter.github.io/finagle/guide/Glossary.html, "retry budget"). `now` is in seconds of any
    clock that does not go backwards. For one event loop.
    """

    def __init__(self, ratio: float = 0.2, per_second: float = 10.0) -> None:
        if ratio < 0 or per_second < 0:
            raise ValueError(f"a retry budget cannot be negative: ratio={ratio}, per_second={per_second}")
        self._ratio = ratio
        self._reserve = per_second * WINDOW
        self._seconds: deque[float] = deque([0.0] * WINDOW, maxlen=WINDOW)
        self._turn = 0.0

    def deposit(self, now: float) -> None:
        """A call has begun."""
        if now >= self._turn:
            self._rotate(now)
        self._seconds[-1] += self._ratio

    def withdraw(self, now: float) -> bool:
        """Ask for one retry; False if the budget has none left."""
        if now >= self._turn:
            self._rotate(now)
        if self._reserve + sum(self._seconds) < 1:
            return False
        self._seconds[-1] -= 1
        return True

    def _rotate(self, now: float) -> None:
        passed = min(WINDOW, int(now - self._turn) + 1)
        self._seconds.extend([0.0] * passed)
        self._turn = now + 1 if passed == WINDOW else self._turn + passed
