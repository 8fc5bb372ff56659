"""Blocking queries: when an answer waits, for how long, and what wakes it.

The rules are Consul's (https://developer.hashicorp.com/consul/api-docs/features/blocking): a query that brings an index
is answered once the present index is greater. One that brings a greater index than the present one waits as well,
and no change ends its wait unless it takes the index past that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from random import Random
from typing import Generic, TypeVar

from muster.agent.catalog.topics import Topic

DEFAULT_WAIT = 300.0
LONGEST_WAIT = 600.0
_JITTER = 16
_TOLD_AT_ONCE = 100
"""Waiters that are told of a change before others have a turn: some 2 ms."""

_Answer = TypeVar("_Answer", covariant=True)


@dataclass(frozen=True, slots=True)
class Found(Generic[_Answer]):
    """What a query says at this moment: its index, the topics to wait for, and how to make the answer if it is wanted.

    `answer` must be called before the next await: it reads the state that `index` is of.
    """

    index: int
    topics: tuple[Topic, ...]
    answer: Callable[[], _Answer]


@dataclass(frozen=True, slots=True)
class Patience:
    """What a request said of waiting: the index that it knows, 0 for none, and the seconds that it would wait."""

    index: int = 0
    seconds: float = 0.0


class Woken(Enum):
    """Why a wait ended."""

    CHANGED = auto()
    EXPIRED = auto()
    GONE = auto()


class TooManyWaiting(Exception):
    """The agent holds as many waiting queries as it may."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One who waits among Waiters: for what, and who is told."""

    topics: tuple[Topic, ...]
    woken: Callable[[], None]


def must_wait(known: int, present: int) -> bool:
    """Whether a query that knows the index `known` waits while the state's index is `present`."""
    return known > 0 and present <= known


def wait_seconds(wanted: float, rng: Random) -> float:
    """How long to wait: 5 minutes unless told, 10 at most, and up to a sixteenth more so that waiters spread out."""
    seconds = min(wanted, LONGEST_WAIT) if wanted > 0 else DEFAULT_WAIT
    return seconds + rng.random() * seconds / _JITTER


class Waiters:
    """Who waits for what. A wake-up costs those who wait for the topics concerned, and nobody else.

    For use on one event loop. At most `limit` wait at a time, which may be set anew.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._by_topic: dict[Topic, dict[Place, None]] = {}
        self._count = 0
        self._woken: dict[Place, None] = {}
        self._closed = False
        self._dismissed = 0

    @property
    def count(self) -> int:
        """How many wait now."""
        return self._count

    @property
    def are_full(self) -> bool:
        """Whether nobody more may wait."""
        return self._count >= self.limit

    @property
    def closed(self) -> bool:
        """Whether the agent is ending: nobody waits any more, present answers are given."""
        return self._closed

    @property
    def dismissed(self) -> int:
        """How often everybody was dismissed: who finds it changed is answered with what there is."""
        return self._dismissed

    def wake(self, topics: Iterable[Topic]) -> None:
        """Wake everybody who waits for one of `topics`, each of them once, soon. Never blocks and never raises."""
        told_already = bool(self._woken)
        for topic in topics:
            self._woken.update(self._by_topic.get(topic, {}))
        if self._woken and not told_already:
            asyncio.get_running_loop().call_soon(self._tell)

    def close(self) -> None:
        """Wake everybody, and let nobody wait again."""
        self._closed = True
        self.dismiss()

    def dismiss(self) -> None:
        """End every wait: all that there is may have changed, and some of it may be older than what was known."""
        self._dismissed += 1
        self.wake(tuple(self._by_topic))

    def enter(self, topics: tuple[Topic, ...], woken: Callable[[], None]) -> Place:
        """Have `woken` called at each change of `topics`, until `leave`. Raises TooManyWaiting."""
        if self.are_full:
            raise TooManyWaiting
        return self._enter(topics, woken)

    def move(self, place: Place, topics: tuple[Topic, ...]) -> Place:
        """Wait for other topics from now on. The place is left for the one that is returned."""
        self.leave(place)
        return self._enter(topics, place.woken)

    def leave(self, place: Place) -> None:
        """Wait no longer. Once for each place."""
        self._count -= 1
        self._woken.pop(place, None)
        for topic in place.topics:
            waiting = self._by_topic[topic]
            waiting.pop(place, None)
            if not waiting:
                del self._by_topic[topic]

    async def wait(self, topics: tuple[Topic, ...], until: float, gone: Callable[[], Awaitable[object]]) -> Woken:
        """Wait for a change of `topics`, for the loop's time `until`, or for `gone()` to return, whichever is first.

        It is `gone` that is awaited, under a timeout which a change brings forward to now: a waiting query needs no
        task beside its own, and leaves nothing behind however it ends. Raises TooManyWaiting.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until) as timeout:
                place = self.enter(topics, lambda: _expire(timeout, loop))
                try:
                    await gone()
                finally:
                    self.leave(place)
        except TimeoutError:
            return Woken.EXPIRED if loop.time() >= until else Woken.CHANGED
        return Woken.GONE

    def _enter(self, topics: tuple[Topic, ...], woken: Callable[[], None]) -> Place:
        place = Place(topics, woken)
        self._count += 1
        for topic in topics:
            self._by_topic.setdefault(topic, {})[place] = None
        return place

    def _tell(self) -> None:
        """Tell those who were woken, some at a time, so that a crowd does not hold up the others."""
        loop = asyncio.get_running_loop()
        for place in list(islice(self._woken, _TOLD_AT_ONCE)):
            del self._woken[place]
            loop.call_soon(place.woken)
        if self._woken:
            loop.call_soon(self._tell)


def _expire(timeout: asyncio.Timeout, loop: asyncio.AbstractEventLoop) -> None:
    if not timeout.expired():
        timeout.reschedule(loop.time())


async def resolve(
    ask: Callable[[], Found[_Answer]],
    patience: Patience,
    waiters: Waiters,
    rng: Random,
    gone: Callable[[], Awaitable[object]],
) -> Found[_Answer] | None:
    """The answer to a blocking query, in its time; None if the client went away meanwhile. Raises TooManyWaiting.

    Between the last `ask` and the return nothing is awaited.
    """
    found = ask()
    if not must_wait(patience.index, found.index):
        return found
    until = asyncio.get_running_loop().time() + wait_seconds(patience.seconds, rng)
    dismissed = waiters.dismissed
    while must_wait(patience.index, found.index) and not waiters.closed and waiters.dismissed == dismissed:
        woken = await waiters.wait(found.topics, until, gone)
        if woken is Woken.GONE:
            return None
        found = ask()
        if woken is Woken.EXPIRED:
            return found
    return found


class Waiting(Generic[_Answer]):
    """A query that waits without a task: `answered` is given what was found, once, unless it is left before.

    The rules are those of `resolve`. For use on one event loop.
    """

    __slots__ = ("_answered", "_ask", "_dismissed", "_known", "_place", "_timer", "_waiters")

    def __init__(
        self,
        ask: Callable[[], Found[_Answer]],
        known: int,
        waiters: Waiters,
        answered: Callable[[Found[_Answer]], None],
    ) -> None:
        self._ask = ask
        self._known = known
        self._waiters = waiters
        self._dismissed = waiters.dismissed
        self._answered = answered
        self._place: Place | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, topics: tuple[Topic, ...], seconds: float) -> None:
        """Wait for a change of `topics`, `seconds` at most. Raises TooManyWaiting."""
        self._place = self._waiters.enter(topics, self._look)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expired)

    def leave(self) -> None:
        """Wait no longer."""
        if self._timer is not None and self._place is not None:
            self._timer.cancel()
            self._waiters.leave(self._place)
            self._timer = self._place = None

    def _look(self) -> None:
        if self._place is None:
            return  # left between being woken and being told
        found = self._ask()
        if not must_wait(self._known, found.index) or self._waiters.dismissed != self._dismissed:
            self._end(found)
        elif found.topics != self._place.topics:
            self._place = self._waiters.move(self._place, found.topics)

    def _expired(self) -> None:
        self._end(self._ask())

    def _end(self, found: Found[_Answer]) -> None:
        self.leave()
        self._answered(found)
