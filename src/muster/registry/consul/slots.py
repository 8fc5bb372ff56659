"""How many blocking queries this process has open at an agent, and how the names beyond that take turns.

A blocked query holds a connection. Consul grants one client address 200 of them (`http_max_conns_per_client`) and
refuses more: with 429, or as 1.8.7 by closing them; every process of a machine shares these, heartbeats included. So
the first names that are watched block, and those beyond are asked again and again, each with a pause, until a slot is
free.

To close a connection does not free it at Consul 1.8.7, which notices only when the query's wait is over (seen: 150
queries of 20 s, cancelled, kept 150 of the 200 for 20 s). So a slot stays taken for as long.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from random import Random
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from muster.registry.consul.config import Address

POLLS_PER_SECOND = 50.0
"""For all names of a process that are polled, together: with more than 500 of them the pause grows."""


class Slots:
    """The blocking queries of this process to one cluster. May be used from several event loops and threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._blocking = 0
        self._polling = 0
        self._abandoned: list[float] = []
        """When, by time.monotonic, the queries end that nobody waits for any more."""

    @property
    def blocking(self) -> int:
        """How many names block now."""
        return self._blocking

    def claim(self) -> Claim:
        """One name's claim to a slot: a context manager, which gives the slot back."""
        return Claim(self)

    def _block(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._abandoned = [end for end in self._abandoned if end > now]
            if self._blocking + len(self._abandoned) >= self._limit:
                return False
            self._blocking += 1
            return True

    def _change(self, *, blocking: int = 0, polling: int = 0) -> None:
        with self._lock:
            self._blocking += blocking
            self._polling += polling

    def _abandon(self, until: float) -> None:
        with self._lock:
            self._abandoned.append(until)

    def _turn(self, poll: float) -> float:
        return max(poll, self._polling / POLLS_PER_SECOND)


class Claim:
    """Whether one name blocks or is polled. For one event loop."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._blocks = False
        self._polls = False
        self._asked_until: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._asked_until is not None and kind is not None and issubclass(kind, asyncio.CancelledError):
            self._slots._abandon(self._asked_until)
        self._slots._change(blocking=-self._blocks, polling=-self._polls)
        self._blocks = self._polls = False

    def blocks(self) -> bool:
        """Whether the next query may block. Once it may, all further ones may."""
        if not self._blocks and self._slots._block():
            self._blocks = True
            self._slots._change(polling=-self._polls)
            self._polls = False
        return self._blocks

    def asks(self, seconds: float) -> None:
        """A query is sent that blocks for up to `seconds`; 0 for one that does not."""
        self._asked_until = time.monotonic() + seconds if seconds else None

    def pause(self, poll: float, rng: Random) -> float:
        """Seconds until this name is polled again: `poll` or, with very many names, more; give or take a half of it,
        so that names that began together are asked one after the other."""
        if not self._polls:
            self._polls = True
            self._slots._change(polling=1)
        return self._slots._turn(poll) * rng.uniform(0.5, 1.5)


_shared: WeakValueDictionary[tuple[tuple[Address, ...], int], Slots] = WeakValueDictionary()
_sharing = threading.Lock()
os.register_at_fork(after_in_child=_shared.clear)


def shared_slots(addresses: tuple[Address, ...], limit: int) -> Slots:
    """The slots for these agents: the same for every client in this process, and new ones after a fork."""
    with _sharing:
        slots = _shared.get((addresses, limit))
        if slots is None:
            slots = _shared[addresses, limit] = Slots(limit)
        return slots
