"""How long to wait before asking again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: a uniform pause between 0 and a bound that doubles up to `maximum` seconds.

    Full jitter, and not the gentler "equal" kind, since what fails here is one registry for a whole fleet: it spreads
    the fleet's return evenly over the bound
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    initial: float = 0.1
    maximum: float = 10.0
    factor: float = 2.0

    def bound(self, failures: int) -> float:
        """The longest pause after so many failures in a row, counted from 1."""
        exponent = min(failures - 1, 64)
        return min(self.maximum, self.initial * self.factor**exponent)

    def pause(self, failures: int, rng: Random) -> float:
        """Seconds to wait after so many failures in a row, counted from 1."""
        return rng.uniform(0, self.bound(failures))
