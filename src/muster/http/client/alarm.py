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
    """A limit on what the current task does from now until `disarm`: past `when` it is cancelled.

    `when` in seconds of the monotonic clock, None for no limit.
    """

    __slots__ = ("_alarms", "_cancelling", "_rang", "_task", "when")

    def __init__(self, alarms: Alarms, when: float | None) -> None:
        self.when = when
        if when is not None:
            task = asyncio.current_task()
            assert task is not None, "only a task can be told that it is late"
            self._task, self._cancelling, self._rang = task, task.cancelling(), False
            self._alarms = alarms.armed
            self._alarms.add(self)
            if not alarms.looking:
                alarms.look_later()

    def disarm(self, kind: type[BaseException] | None) -> bool:
        """Whether what was limited, and has ended with `kind`, has ended because the time was up.

        As in asyncio.timeout, a task that somebody else has cancelled too is cancelled, and not late.
        """
        if self.when is None:
            return False
        self._alarms.discard(self)
        return self._rang and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError

    def ring(self) -> None:
        """The time is up."""
        if not self._rang:
            self._rang = True
            self._task.cancel()


class Alarms:
    """The alarms of one event loop: those that are `armed`, and whether somebody is `looking` after them."""

    def __init__(self) -> None:
        self.armed: set[Alarm] = set()
        self.looking = False

    def look_later(self) -> None:
        """From now on ring whose time is up, every tick for as long as any is armed."""
        self.looking = True
        asyncio.get_running_loop().call_later(TICK, self.look)

    def look(self) -> None:
        now = time.monotonic()
        for alarm in self.armed:
            if alarm.when is not None and now >= alarm.when:
                alarm.ring()
        self.looking = False
        if self.armed:
            self.look_later()
