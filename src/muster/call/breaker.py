"""Circuit breakers: how many calls may be under way, and what is told when there are more. Pure.

A service that answers ten times slower has ten times as many calls under way; without a limit its callers fill their
memory with calls that nobody will wait for. There is no limit unless one is asked for: the right number is that of
the service, and a wrong one is an outage of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from muster.model.errors import BadConfiguration
from muster.model.events import BreakerClosed, BreakerOpened, Observer, ignore
from muster.model.typed import check_types

SERVICE = ""
"""Stands for the service as a whole where an instance's id is expected."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Calls under way at once, from this client: at each `instance`, and in the `service` as a whole; None: any number.

    `pending`: calls that may wait for a place besides; more fail at once with RESOURCE_EXHAUSTED.
    """

    instance: int | None = None
    service: int | None = None
    pending: int = 0

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        if any(limit is not None and limit < 1 for limit in (self.instance, self.service)) or self.pending < 0:
            raise BadConfiguration(f"{self}: limits are at least 1, or None, and pending is not negative")


class Breaker:
    """The breakers of one service and its instances, `instance` being an id. `now` in seconds of a monotonic clock.

    One opens with the first call that finds no room, and closes when half of the calls under way have ended: at the
    limit itself it would open and close with every call.
    """

    def __init__(self, name: str, limits: Concurrency, observe: Observer = ignore) -> None:
        self._name = name
        self._limits = limits
        self._observe = observe
        self._open: dict[str, float] = {}
        self._under_way = 0

    def admits(self, now: float) -> bool:
        """Whether the service has room for one call more."""
        return self._within(self._limits.service, SERVICE, self._under_way, now)

    def admits_at(self, instance: str, under_way: int, now: float) -> bool:
        """Whether an instance with so many calls under way has room for one more."""
        return self._within(self._limits.instance, instance, under_way, now)

    def full(self, under_way: int) -> bool:
        """As `admits_at`, the other way round, and without telling: for looking who else there is."""
        return self._limits.instance is not None and under_way >= self._limits.instance

    def began(self) -> None:
        """A call was sent."""
        self._under_way += 1

    def ended(self, instance: str, under_way: int, now: float) -> None:
        """One has ended; `under_way` are left at its instance."""
        self._under_way -= 1
        if self._open:
            self._ease(self._limits.service, SERVICE, self._under_way, now)
            self._ease(self._limits.instance, instance, under_way, now)

    def _within(self, limit: int | None, what: str, under_way: int, now: float) -> bool:
        if limit is None or under_way < limit:
            return True
        if what not in self._open:
            self._open[what] = now
            self._observe(BreakerOpened(self._name, what, limit))
        return False

    def _ease(self, limit: int | None, what: str, under_way: int, now: float) -> None:
        if limit is not None and what in self._open and under_way <= limit // 2:
            self._observe(BreakerClosed(self._name, what, now - self._open.pop(what)))
