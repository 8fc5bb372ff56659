"""Time limits on many short waits at once.

asyncio.timeout costs 4.8 µs here, of about 100 for a whole request, most of it for a timer that is cancelled unused.
So there is one timer, which looks now and then at who is waiting.
"""

from __future__ import annotations

import asyncio
import time

TICK = 0.05
"""Seconds by which a limit may be overrun. aiohttp rounds limits above 5 s up to whole seconds, for the same reason."""


class Alarm:
    """A limit on what the current task does between `arm` and `disarm`: past `when` it is cancelled.

    `when` in seconds of the monotonic clock, None for no limit.
    """

    __slots__ = ("_alarms", "_cancelling", "_rang", "_task", "_when")

    def __init__(self, alarms: Alarms, when: float | None) -> None:
        self._alarms = alarms
        self._when = when

    def arm(self) -> None:
        """From now on the current task is cancelled when the time is up."""
        if self._when is not None:
            task = asyncio.current_task()
            assert task is not None, "only a task can be told that it is late"
            self._task, self._cancelling, self._rang = task, task.cancelling(), False
            self._alarms.add(self)

    def disarm(self, kind: type[BaseException] | None) -> bool:
        """Whether what came since `arm`, which ended with `kind`, has ended because the time was up.

        As in asyncio.timeout, a task that somebody else has cancelled too is cancelled, and not late.
        """
        if self._when is None:
            return False
        self._alarms.discard(self)
        return self._rang and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError

    def look(self, now: float) -> None:
        """Ring if the time is up."""
        if self._when is not None and now >= self._when and not self._rang:
            self._rang = True
            self._task.cancel()


class Alarms:
    """The alarms that are in force in one event loop."""

    def __init__(self) -> None:
        self._alarms: set[Alarm] = set()
        self._looking = False

    def add(self, alarm: Alarm) -> None:
        self._alarms.add(alarm)
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(TICK, self._look)

    def discard(self, alarm: Alarm) -> None:
        self._alarms.discard(alarm)

    def _look(self) -> None:
        self._looking = bool(self._alarms)
        if self._looking:
            now = time.monotonic()
            for alarm in self._alarms:
                alarm.look(now)
            asyncio.get_running_loop().call_later(TICK, self._look)
