"""Keeping a connection to one instance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from muster.balance.nodes import Readiness
from muster.client.connector import Report
from muster.grpc.life import Life, Lost
from muster.grpc.link import Link, Spawn
from muster.model.backoff import Backoff
from muster.model.instance import Instance

STEADY = 1.0
"""Seconds that a connection must have lasted for its loss to count as the first failure, tried anew at once."""

BACKOFF = Backoff(initial=0.05, maximum=2.0)
"""An instance that is back under its address is called again within 2 s; gRPC's own backoff grows to two minutes."""

JITTER = 0.2
"""Of an age, either way: connections that were made together must not all be made anew together."""


class Connection:
    """Connects, tells `report`, and starts over when the connection is lost; until closed.

    A link that is older than `age` seconds is replaced: another is connected and proven first, and the calls on the old
    one may finish. One that cannot be replaced is used on.
    """

    def __init__(
        self, instance: Instance, report: Report[Link], dial: Callable[[], Link], rng: Random, age: float | None = None
    ) -> None:
        self._instance = instance
        self._report = report
        self._dial = dial
        self._rng = rng
        self._age = age
        self._present: Life | None = None
        self._next: Life | None = None
        self._was_ready = False
        self._closed = False

    def open(self, spawn: Spawn) -> None:
        """Begin. Called once."""
        self._spawn = spawn
        self._task = spawn(self._run())

    def close(self) -> None:
        """Nothing more is reported; the link is closed when its last user has done."""
        self._closed = True
        self._task.cancel()

    async def _run(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            self._was_ready = False
            why = await self._hold()
            steady = self._was_ready and time.monotonic() - began >= STEADY
            failures = 0 if steady else failures + 1
            # What was ready a moment ago is probably back in another: calls may wait for that one attempt.
            self._report(Readiness.CONNECTING if self._was_ready else Readiness.DOWN, why, None)
            if failures:
                await asyncio.sleep(BACKOFF.pause(failures, self._rng))

    async def _hold(self) -> str:
        """A link and its successors, until one is lost. Returns why it was."""
        try:
            self._present = self._begin()
            while not await self._lost(self._present):
                await self._succeed(self._present)
            return self._present.ended.result()
        except Lost as lost:
            return str(lost)
        finally:
            for life in (self._present, self._next):
                if life is not None:
                    life.end()
            self._present = self._next = None

    async def _lost(self, life: Life) -> bool:
        """Returns once the link is lost, with True, or old, with False."""
        age = None if self._age is None else self._age * self._rng.uniform(1 - JITTER, 1 + JITTER)
        await asyncio.wait((life.ended,), timeout=age)
        return life.ended.done()

    async def _succeed(self, old: Life) -> None:
        """Have another link take the place of the present one, which `_tell` does."""
        new = self._next = self._begin()
        await asyncio.wait((old.ended, new.ended, new.ready), return_when=asyncio.FIRST_COMPLETED)
        if self._next is new:
            self._next = None
            new.end()

    def _begin(self) -> Life:
        try:
            link = self._dial()
        except Exception as error:
            # A host that is no host, or options that grpc refuses: a reason to give, none to end the client.
            raise Lost(f"cannot open a channel to {self._instance.address}: {error!r}") from error
        life = Life(self._instance, link, self._tell)
        life.begin(self._spawn)
        return life

    def _tell(self, life: Life, readiness: Readiness, why: str) -> None:
        if self._closed:
            return
        ready = readiness is Readiness.READY
        old = None
        if life is self._next and ready:
            old, self._present, self._next = self._present, life, None
        if life is self._present:
            self._was_ready = self._was_ready or ready
            self._report(readiness, why, life.link if ready else None)
        if old is not None:
            old.end()
