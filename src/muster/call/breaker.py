"""Circuit breakers: how many calls may be under way, and what is told when there are more. Pure.

A service that answers ten times slower has ten times as many calls under way; without a limit its callers fill their
memory with calls that nobody will wait for. There is no limit unless one is asked for: the right number is that of
the service, and a wrong one is an outage of its own; or one that adapts, for services whose calls meet their deadlines.
"""

from __future__ import annotations

from dataclasses import dataclass

from muster.call.adapting import Adaptive
from muster.model.errors import BadConfiguration
from muster.model.events import BreakerClosed, BreakerOpened, Observer, ignore
from muster.model.outcome import Outcome
from muster.model.typed import check_types

SERVICE = ""
"""Stands for the service as a whole where an instance's id is expected."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Calls under way at once, from this client: at each `instance`, and in the `service` as a whole; None: any number.

    `pending`: calls that may wait for a place besides; more fail at once with RESOURCE_EXHAUSTED. `adaptive`: the
    service's limit is found out, call by call (`call.adapting`), and `service` is the most that it may be.
    """

    instance: int | None = None
    service: int | None = None
    pending: int = 0
    adaptive: bool = False

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        if any(limit is not None and limit < 1 for limit in (self.instance, self.service)) or self.pending < 0:
            raise BadConfiguration(f"{self}: limits are at least 1, or None, and pending is not negative")
        if self.pending and not (self.instance or self.service or self.adaptive):
            raise BadConfiguration(
                f"{self}: without a limit nobody is pending; give instance, service or adaptive=True"
            )


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
        self._adaptive = Adaptive() if limits.adaptive else None

    @property
    def service(self) -> int | None:
        """How many calls to the service may be under way now; None: any number."""
        if self._adaptive is None:
            return self._limits.service
        found = int(self._adaptive.limit)
        return found if self._limits.service is None else min(found, self._limits.service)

    def admits(self, now: float) -> bool:
        """Whether the service has room for one call more."""
        return self._within(self.service, SERVICE, self._under_way, now)

    def admits_at(self, instance: str, under_way: int, now: float) -> bool:
        """Whether an instance with so many calls under way has room for one more."""
        return self._within(self._limits.instance, instance, under_way, now)

    def full(self, under_way: int) -> bool:
        """As `admits_at`, the other way round, and without telling: for looking who else there is."""
        return self._limits.instance is not None and under_way >= self._limits.instance

    def began(self) -> None:
        """A call was sent."""
        self._under_way += 1

    def ended(self, instance: str, under_way: int, now: float, outcome: Outcome | None = None) -> None:
        """One has ended; `under_way` are left at its instance. `outcome` moves a limit that adapts."""
        if self._adaptive is not None and outcome is not None:
            self._adaptive.ended(outcome, self._under_way)
        self._under_way -= 1
        if self._open:
            self._ease(self.service, SERVICE, self._under_way, now)
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
