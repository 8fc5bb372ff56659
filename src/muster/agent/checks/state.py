"""What results, silence and time do to a check: functions of what is known and what happened.

Source: https://developer.hashicorp.com/consul/docs/services/usage/checks and what Consul 1.8.7 was seen to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from muster.model.check import Health

OUTPUT_LIMIT = 4096
"""Bytes of output that are kept unless the check says otherwise."""

TTL_EXPIRED = "TTL expired"


@dataclass(frozen=True, slots=True)
class Result:
    """What one look, or one report, found."""

    health: Health
    output: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many results of one sort, one after another, it takes to change a check's state; 0 and 1 mean the first.

    `warnings`: failures after which a check is in warning, for as long as they are not enough to be critical; 0 for
    never, which is also what as many as `failures` come to.
    """

    successes: int = 0
    failures: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class Streak:
    """How many results of the present sort came one after another. Warning counts as success."""

    successes: int
    failures: int


def fresh_streak(thresholds: Thresholds) -> Streak:
    """Before the first result, which counts at once whatever the thresholds."""
    return Streak(thresholds.successes, thresholds.failures)


def count(streak: Streak, health: Health, thresholds: Thresholds) -> tuple[Streak, Health | None]:
    """The streak after one more result, and what the check is by now: None where it stays what it was."""
    if health is Health.CRITICAL:
        streak = Streak(0, streak.failures + 1)
        if streak.failures >= thresholds.failures:
            return streak, Health.CRITICAL
        return streak, Health.WARNING if 0 < thresholds.warnings <= streak.failures else None
    streak = Streak(streak.successes + 1, 0)
    return streak, health if streak.successes >= thresholds.successes else None


def expired(last_output: str) -> Result:
    """What a TTL check becomes when nobody reported in time."""
    if not last_output:
        return Result(Health.CRITICAL, TTL_EXPIRED)
    return Result(Health.CRITICAL, f"{TTL_EXPIRED} (last output before timeout follows): {last_output}")


def reported(health: Health, note: str, limit: int) -> Result:
    """What a report makes of a TTL check. A note longer than `limit` bytes (0: the usual limit) loses its end."""
    limit = limit or OUTPUT_LIMIT
    data = note.encode("utf-8", "surrogateescape")
    if len(data) <= limit:
        return Result(health, note)
    kept = data[:limit].decode("utf-8", "replace")
    return Result(health, f"{kept} ... (captured {limit} of {len(data)} bytes)")


class Tail:
    """The last `limit` bytes (0: the usual limit) of what a target says, however much that is."""

    __slots__ = ("_data", "limit", "written")

    def __init__(self, limit: int) -> None:
        self.limit = limit or OUTPUT_LIMIT
        self.written = 0
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        self.written += len(data)
        self._data += data
        if len(self._data) > 2 * self.limit:
            del self._data[: -self.limit]

    def text(self) -> str:
        return self._data[-self.limit :].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class CriticalSince:
    """Since when a check has been reported critical, in the loop's seconds; None while it is not."""

    at: float | None = None

    def after(self, health: Health, now: float) -> CriticalSince:
        """After a report of `health` at `now`."""
        if health is not Health.CRITICAL:
            return CriticalSince()
        return self if self.at is not None else replace(self, at=now)

    def for_longer_than(self, seconds: float, now: float) -> bool:
        """Whether it has been critical for more than `seconds`, at `now`."""
        return self.at is not None and now - self.at > seconds
