"""Blocking queries: when an answer waits, for how long, and what wakes it.

The rules are Consul's (https://developer.hashicorp.com/consul/api-docs/features/blocking): a query that brings an index
is answered once the present index is greater. One that brings a greater index than the present one waits as well,
and no change ends its wait unless it takes the index past that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Generic, TypeVar

from muster.agent.catalog.topics import Topic

DEFAULT_WAIT = 300.0
LONGEST_WAIT = 600.0
_JITTER = 16

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
        self._by_topic: dict[Topic, dict[object, Callable[[], None]]] = {}
        self._count = 0
        self._closed = False

    @property
    def count(self) -> int:
        """How many wait now."""
        return self._count

    @property
    def closed(self) -> bool:
        """Whether the agent is ending: nobody waits any more, present answers are given."""
        return self._closed

    def wake(self, topics: Iterable[Topic]) -> None:
        """Wake everybody who waits for one of `topics`, each of them once. Never blocks and never raises."""
        wake: dict[object, Callable[[], None]] = {}
        for topic in topics:
            wake.update(self._by_topic.get(topic, {}))
        for call in wake.values():
            call()

    def close(self) -> None:
        """Wake everybody, and let nobody wait again."""
        self._closed = True
        self.wake(tuple(self._by_topic))

    async def wait(self, topics: tuple[Topic, ...], until: float, gone: Callable[[], Awaitable[object]]) -> Woken:
        """Wait for a change of `topics`, for the loop's time `until`, or for `gone()` to return, whichever is first.

        It is `gone` that is awaited, under a timeout which a change brings forward to now: a waiting query needs no
        task beside its own, and leaves nothing behind however it ends. Raises TooManyWaiting.
        """
        if self._count >= self.limit:
            raise TooManyWaiting
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until) as timeout:
                with self._waiting(topics, lambda: _expire(timeout, loop)):
                    await gone()
        except TimeoutError:
            return Woken.EXPIRED if loop.time() >= until else Woken.CHANGED
        return Woken.GONE

    @contextmanager
    def _waiting(self, topics: tuple[Topic, ...], wake: Callable[[], None]) -> Iterator[None]:
        me = object()
        self._count += 1
        for topic in topics:
            self._by_topic.setdefault(topic, {})[me] = wake
        try:
            yield
        finally:
            self._count -= 1
            for topic in topics:
                waiting = self._by_topic[topic]
                del waiting[me]
                if not waiting:
                    del self._by_topic[topic]


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
    while must_wait(patience.index, found.index) and not waiters.closed:
        woken = await waiters.wait(found.topics, until, gone)
        if woken is Woken.GONE:
            return None
        found = ask()
        if woken is Woken.EXPIRED:
            return found
    return found
