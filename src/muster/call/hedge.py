"""Hedging: sending a call a second time when its answer is late, and taking whichever answer comes first. Pure.

After the 95th percentile of a method's own times, one call in twenty is sent twice, and the slowest of them take about
as long as a typical call does (Dean and Barroso, "The Tail at Scale", https://doi.org/10.1145/2408776.2408794).
"""

from __future__ import annotations

from dataclasses import dataclass

from muster.model.errors import BadConfiguration
from muster.model.typed import check_types

ENOUGH = 50
"""Calls of a method before its measured times are gone by."""

STEP = 0.05
"""How fast an estimate follows: a percentile that has doubled is found after some 15 calls that are later than it."""


@dataclass(frozen=True, slots=True)
class Hedging:
    """When idempotent calls are sent a second time, to another instance; opt in.

    `delay`: seconds after the first. None: each method's own `quantile` as measured, not below `least` seconds.
    Second calls are charged to the retry budget: while it is used up, none is sent.
    """

    delay: float | None = None
    quantile: float = 0.95
    least: float = 0.001

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        if not 0 < self.quantile < 1 or self.least < 0 or (self.delay is not None and self.delay < 0):
            raise BadConfiguration(f"{self}: quantile is between 0 and 1, and nothing is negative")


class Quantile:
    """A running estimate of a quantile of positive numbers, by one multiplication each.

    It rises by `p` steps with each number above it and falls by `1 - p` with each other, so that it rests where a share
    of `1 - p` is above. Only how many are above counts, not by how much: a call that was cut short by its hedge says
    all that is needed.
    """

    def __init__(self, p: float) -> None:
        self._up = 1 + STEP * p
        self._down = 1 / (1 + STEP * (1 - p))
        self.count = 0
        self.value = 0.0

    def record(self, number: float) -> None:
        if not self.count:
            self.value = number
        self.count += 1
        self.value *= self._up if number > self.value else self._down


class Hedger:
    """When the calls of one service are hedged. `method`: a method's path."""

    def __init__(self, policy: Hedging) -> None:
        self._policy = policy
        self._times: dict[str, Quantile] = {}

    def delay(self, method: str) -> float | None:
        """Seconds to wait for an answer before the second call; None: send none, too little is known yet."""
        if self._policy.delay is not None:
            return self._policy.delay
        times = self._times.get(method)
        return max(times.value, self._policy.least) if times is not None and times.count >= ENOUGH else None

    def record(self, method: str, seconds: float) -> None:
        """A call was answered so many seconds after it was first sent."""
        if self._policy.delay is None:
            times = self._times.get(method)
            if times is None:
                times = self._times[method] = Quantile(self._policy.quantile)
            times.record(seconds)
