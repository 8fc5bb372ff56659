"""One question, followed upstream for everybody who asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from muster.agent.blocking import Waiters, Woken
from muster.agent.proxy.question import Question
from muster.agent.proxy.upstream import Upstream, unavailable
from muster.model.backoff import Backoff
from muster.model.errors import RegistryUnavailable
from muster.registry.consul.answers import Answer, retry_after
from muster.registry.consul.blocking import Position, held_for

_BACKOFF = Backoff(maximum=2.0)
"""Shorter than that of clients: it is one process for all of them, and they wait for it on top of their own pauses."""


class Followed:
    """The newest answer to a question, or why there is none now. `waiters` are shared by all questions of a proxy."""

    def __init__(self, question: Question, upstream: Upstream, waiters: Waiters) -> None:
        self._question = question
        self._upstream = upstream
        self._waiters = waiters
        self._topic = ("question", str(id(self)))
        self._current: Answer | None = None
        self._failure: Answer | None = None
        self._rng = Random()

    async def answer(self, index: int, seconds: float, gone: Callable[[], Awaitable[object]]) -> Answer | None:
        """The answer for a reader that knows `index`, once there is another, or after `seconds`; None if it has gone.

        A lower index counts as another: the agent was replaced, and a reader that waited for its old index to come
        would wait in vain. A failure of the agent is told at once to all who wait. Raises TooManyWaiting.
        """
        until = asyncio.get_running_loop().time() + seconds
        while not self._waiters.closed:
            if self._failure is not None:
                return self._failure
            if self._current is not None and self._current.index != index:
                return self._current
            woken = await self._waiters.wait((self._topic,), until, gone)
            if woken is Woken.GONE:
                return None
            if woken is Woken.EXPIRED:
                break
        return self._current or self._failure or self._silent()

    async def follow(self) -> None:
        """Keep the answer up to date, until cancelled."""
        clock = asyncio.get_running_loop().time
        position, failures = Position(), 0
        with self._upstream.claim() as claim:
            while True:
                blocks = claim.blocks()
                polls = position.index and not blocks
                await asyncio.sleep(self._upstream.poll_pause(claim) if polls else position.pause(self._rng))
                began = clock()
                claim.asks(held_for(self._upstream.wait) if blocks and position.index else 0.0)
                answer = await self._ask(position.index if blocks else 0)
                claim.asks(0.0)
                self._waiters.wake((self._topic,))
                if self._failure is None:
                    failures, early = 0, blocks and clock() - began < self._upstream.wait / 2
                    position = position.after(answer.index, early=early)
                else:
                    failures += 1
                    await asyncio.sleep(_BACKOFF.pause(failures, self._rng) + (retry_after(answer) or 0.0))
                    position = Position()

    async def _ask(self, index: int) -> Answer:
        """Ask once, and keep what comes of it. Any Exception is a failure of this question: the others go on."""
        try:
            answer = await self._upstream.ask(self._question, index)
            usable = answer.status in (200, 404) and answer.index >= 0
        except Exception as error:
            answer, usable = unavailable(self._upstream, error), False
        if usable:
            self._current, self._failure = answer, None
        else:
            self._failure = answer
        return answer

    def _silent(self) -> Answer:
        return unavailable(self._upstream, RegistryUnavailable(f"Consul at {self._upstream} has not answered yet"))
