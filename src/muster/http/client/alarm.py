"""Time limits on many short waits at once.

asyncio.timeout costs 4.8 µs here, of about 110 for a whole request, most of it for a timer that is cancelled unused.
So there is one timer, which looks now and then at who is waiting.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

TICK = 0.05
"""Seconds by which a limit may be overrun. aiohttp rounds limits above 5 s up to whole seconds, for the same reason."""


class Alarm:
    """A limit on the body of a `with`, for the task that enters it: past `when`, it ends with a TimeoutError.

    `when` in seconds of the monotonic clock, None for no limit. May be entered again, also while it is in force.
    """

    __slots__ = ("_alarms", "_cancelling", "_rang", "_task", "_when")

    def __init__(self, alarms: Alarms, when: float | None) -> None:
        self._alarms = alarms
        self._when = when
        self._rang = False

    def __enter__(self) -> None:
        if self._when is not None:
            task = asyncio.current_task()
            assert task is not None, "only a task can be told that it is late"
            self._task, self._cancelling = task, task.cancelling()
            self._alarms.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._when is None:
            return
        self._alarms.discard(self)
        if self._rang:
            self._rang = False
            # As in asyncio.timeout: a task that somebody else has cancelled too is cancelled, and not late.
            if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

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
