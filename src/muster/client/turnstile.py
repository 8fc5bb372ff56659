"""Lets so many calls into a service at a time, and has others wait for their turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection, Iterator
from typing import Generic

from muster.balance.nodes import Node
from muster.call.breaker import Breaker, Concurrency
from muster.client.connector import LinkT
from muster.client.pool import Pool
from muster.model.errors import Overloaded
from muster.model.events import Observer, ignore
from muster.model.outcome import Outcome


class Turnstile(Generic[LinkT]):
    """A pool with limits. Whoever sends an attempt calls `began` and `ended` beside the node's `begin` and `end`.

    For one event loop. Who waits is let in first come, first served; newcomers do not overtake.
    """

    def __init__(self, pool: Pool[LinkT], limits: Concurrency, observe: Observer = ignore) -> None:
        self._pool = pool
        self._limits = limits
        self._breaker = Breaker(pool.name, limits, observe)
        self._queue: deque[_Ticket] = deque()

    def choose(self, tried: Collection[Node[LinkT]] = (), key: str | None = None) -> Node[LinkT]:
        """As Pool.choose; raises Overloaded where there is no room."""
        node = None if self._queue else self._choose(tried, key)
        if node is None:
            raise self._overloaded()
        return node

    async def wait(
        self, tried: Collection[Node[LinkT]] = (), key: str | None = None, *, wait_for_ready: bool = False
    ) -> Node[LinkT]:
        """As Pool.wait; also waits for room, or raises Overloaded where too many wait already."""
        await self._pool.wait(tried, key, wait_for_ready=wait_for_ready)
        try:
            return self.choose(tried, key)
        except Overloaded:
            if len(self._queue) >= self._limits.pending:
                raise
        ticket = _Ticket()
        self._queue.append(ticket)
        try:
            while True:
                await ticket.called()
                await self._pool.wait(tried, key, wait_for_ready=wait_for_ready)
                node = self._choose(tried, key)
                if node is not None:
                    return node
        finally:
            self._queue.remove(ticket)
            self._call()

    def admits(self, node: Node[LinkT]) -> bool:
        """Whether a call may go to this very node now."""
        now = time.monotonic()
        return self._breaker.admits(now) and self._breaker.admits_at(node.instance.id, node.inflight, now)

    def began(self) -> None:
        self._breaker.began()

    def ended(self, node: Node[LinkT], outcome: Outcome | None = None) -> None:
        """`outcome`: of the attempt that has ended, for limits that adapt."""
        self._breaker.ended(node.instance.id, node.inflight, time.monotonic(), outcome)
        self._call()

    def _choose(self, tried: Collection[Node[LinkT]], key: str | None) -> Node[LinkT] | None:
        """A node with room, one that was tried if there is no other; None if there is no room."""
        node = self._pool.choose(tried, key)
        if self.admits(node):
            return node
        for avoided in (tried, ()):
            node = self._pool.choose(_Full(self._breaker, avoided), key)
            if self.admits(node):
                return node
        return None

    def _call(self) -> None:
        """It is the turn of who has waited longest, who stays in the queue until there is room indeed."""
        if self._queue:
            self._queue[0].call()

    def _overloaded(self) -> Overloaded:
        waiting = f", and {len(self._queue)} wait" if self._queue else ""
        now = f" (now {self._breaker.service})" if self._limits.adaptive else ""
        return Overloaded(f"too many calls to {self._pool.name!r} are under way{waiting}: {self._limits}{now}")


class _Ticket:
    """A place in the queue."""

    def __init__(self) -> None:
        self._turn = asyncio.Event()

    def call(self) -> None:
        self._turn.set()

    async def called(self) -> None:
        await self._turn.wait()
        self._turn.clear()


class _Full(Collection[Node[LinkT]]):
    """The nodes without room, and those in `tried`; a collection to look into only."""

    def __init__(self, breaker: Breaker, tried: Collection[Node[LinkT]]) -> None:
        self._breaker = breaker
        self._tried = tried

    def __contains__(self, node: object) -> bool:
        return isinstance(node, Node) and (self._breaker.full(node.inflight) or node in self._tried)

    def __iter__(self) -> Iterator[Node[LinkT]]:
        return iter(self._tried)

    def __len__(self) -> int:
        return len(self._tried)
