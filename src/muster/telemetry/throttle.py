"""How many lines of a kind may be written. Pure: the time is passed in."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

BURST = 5
"""Lines of a kind in a row: enough to see a pattern, such as every instance of a small service."""

INTERVAL = 10.0
"""Seconds a line once the burst is used up: a day of an outage is then 8,640 lines, not 100 million."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float
    withheld: int = 0


class Throttle:
    """A token bucket a kind. The number of kinds must be bounded by the caller. For one thread at a time."""

    def __init__(self, burst: int = BURST, interval: float = INTERVAL) -> None:
        self._burst = burst
        self._interval = interval
        self._buckets: dict[Hashable, _Bucket] = {}

    def admit(self, kind: Hashable, now: float) -> int | None:
        """None to withhold; else how many of `kind` have been withheld since the last that was admitted.

        `now` in seconds, of any clock that does not go backwards.
        """
        bucket = self._buckets.setdefault(kind, _Bucket(self._burst, now))
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled) / self._interval)
        bucket.filled = now
        if bucket.tokens < 1:
            bucket.withheld += 1
            return None
        bucket.tokens -= 1
        withheld, bucket.withheld = bucket.withheld, 0
        return withheld
