"""Whether an event loop runs, seen from another thread.

The loop ticks four times a second, and another thread's loop looks as often whether it still does. What a look adds to
the silence is bounded: a machine that was suspended, or is so overloaded that the looking thread comes late itself,
says nothing about the loop. Lag under load is not a blocked loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

log = logging.getLogger("muster.serve")

TICK = 0.25
"""Seconds between two ticks, and between two looks. Both cost some 10 µs: 0.01 % of a core."""

MOST = 2 * TICK
"""Seconds that one look adds to a silence, at most."""

NOTABLE = 0.1
"""Seconds that a tick may be late before it is kept in mind: less is what a busy loop has anyway."""

WINDOW = 10.0
"""Seconds for which it is kept in mind."""

STUCK = 1.0
"""Seconds of silence from which on the log says where the loop is."""

Late = tuple[tuple[float, float], ...]
"""When a tick came late, and by how many seconds."""


class Looking(Protocol):
    """The thread that looks: `muster.client.background.Background`."""

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback` on its event loop, soon; in the order of the calls."""
        ...


@dataclass(frozen=True, slots=True)
class Witness:
    """What the looks have shown: `ticks` at the last one, which was at `now`, and the seconds of silence until then."""

    ticks: int
    now: float
    silent: float = 0.0


def looked(before: Witness, ticks: int, now: float) -> Witness:
    """What is known after one more look."""
    if ticks != before.ticks:
        return Witness(ticks, now)
    return Witness(ticks, now, before.silent + min(now - before.now, MOST))


def noted(late: Late, now: float, seconds: float) -> Late:
    """What to keep in mind once a tick has come `seconds` late."""
    if seconds < NOTABLE:
        return late
    return (*(each for each in late if each[0] > now - WINDOW), (now, seconds))


def longest(late: Late, now: float) -> float:
    """The latest that a tick has come within the window; 0 for a loop that ran all the time."""
    return max((seconds for when, seconds in late if when > now - WINDOW), default=0.0)


class Watchdog:
    """Watches the event loop that it is made on, from the loop of another thread. Shared by all who run on the first.

    `silent` and `lately` may be asked on any thread.
    """

    def __init__(self, looking: Looking) -> None:
        self._thread = threading.get_ident()
        self._looking = looking
        self._users = 0
        self._ticks = 0
        self._due = 0.0
        self._late: Late = ()
        self._seen = Witness(-1, 0.0)
        self._listeners: dict[object, Callable[[float], None]] = {}
        self._next_tick: asyncio.TimerHandle | None = None
        self._next_look: asyncio.TimerHandle | None = None

    @property
    def silent(self) -> float:
        """For how many seconds the loop has been seen not to run."""
        return self._seen.silent if self._seen.silent > MOST else 0.0

    @property
    def lately(self) -> float:
        """The longest that the loop did not run within the last ten seconds."""
        return longest(self._late, time.monotonic())

    @contextmanager
    def watching(self, listener: Callable[[float], None]) -> Iterator[None]:
        """Meanwhile the loop is watched. `listener` hears `silent` at every look as long as it is not 0, and once when
        it is 0 again; it is called on the looking thread, and must return at once. For the watched loop."""
        key = object()
        self._looking.call(self._listeners.__setitem__, key, listener)
        self._users += 1
        if self._users == 1:
            self._start()
        try:
            yield
        finally:
            self._users -= 1
            self._looking.call(self._listeners.pop, key, None)
            if not self._users:
                self._end()

    def _start(self) -> None:
        self._due = time.monotonic()
        self._tick()
        self._looking.call(self._look)

    def _end(self) -> None:
        if self._next_tick is not None:
            self._next_tick.cancel()
            self._next_tick = None  # it holds its loop, by which this one is found and kept
        self._looking.call(self._look_no_more)

    def _tick(self) -> None:
        now = time.monotonic()
        self._late = noted(self._late, now, now - self._due)
        self._ticks += 1
        self._due = now + TICK
        self._next_tick = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _look(self) -> None:
        before = self.silent
        self._seen = looked(self._seen, self._ticks, time.monotonic())
        if before or self.silent:
            self._tell(before)
        self._next_look = asyncio.get_running_loop().call_later(TICK, self._look)

    def _look_no_more(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
        self._seen = Witness(-1, 0.0)

    def _tell(self, before: float) -> None:
        if before < STUCK <= self.silent:
            log.warning("the event loop has been blocked for %.1f s, in %s", self.silent, where(self._thread))
        elif before >= STUCK and not self.silent:
            log.warning("the event loop runs again; it was blocked for %.1f s", before)
        for listener in tuple(self._listeners.values()):
            listener(self.silent)


_watchdogs: WeakKeyDictionary[asyncio.AbstractEventLoop, Watchdog] = WeakKeyDictionary()


def watchdog(looking: Looking) -> Watchdog:
    """The one of the running event loop. Made where there is none yet, and does nothing before somebody watches."""
    loop = asyncio.get_running_loop()
    if loop not in _watchdogs:
        _watchdogs[loop] = Watchdog(looking)
    return _watchdogs[loop]


def where(thread: int) -> str:
    """The functions that a thread is in, the innermost first; nothing of their arguments."""
    frame = sys._current_frames().get(thread)
    stack = traceback.extract_stack(frame, limit=4) if frame else []
    places = (f"{each.name} ({os.path.basename(each.filename)}:{each.lineno})" for each in reversed(stack))
    return " < ".join(places) or "no Python code"
