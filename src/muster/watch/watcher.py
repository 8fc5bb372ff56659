"""The one retry loop: ask a registry, keep what it said, ask again when it fails.

Backends raise and never retry; whoever follows a name goes through here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from random import Random
from typing import TypeVar

from muster.model.backoff import Backoff
from muster.model.errors import RegistryUnavailable
from muster.model.events import AnswerDoubted, EntrySetAside, Observer, SnapshotUpdated, WatchFailed, WatchRecovered
from muster.model.snapshot import Answer, Pending, SetAside, Snapshot, Stale, doubtful_of, instances_of, set_aside_of
from muster.registry.protocol import Discovery
from muster.watch.belief import Belief, Doubt, believe, expire
from muster.watch.latest import Latest

A = TypeVar("A")

PATIENCE = 1.0
"""Seconds that a registry has for its first answer before what is remembered from an earlier run is used."""


async def follow(
    discovery: Discovery,
    latest: Latest[Snapshot],
    observe: Observer,
    *,
    backoff: Backoff = Backoff(),
    doubt: Doubt = Doubt(),
    remembered: Stale | None = None,
    rng: Random | None = None,
) -> None:
    """Keep `latest` true to what `discovery` says of its name, until cancelled.

    Never raises for a failing registry: the snapshot becomes Stale, or stays Pending with the reason. What the
    registry drops too suddenly stays as doubtful for a while (`belief`). `remembered`, from an earlier run, stands in
    until the first answer, once asking has failed or has taken too long. Listeners hear of changes only; `observe`
    hears of confirmations, failures and recovery too.
    """
    record = _Record(latest, observe, doubt, remembered)
    answers = persist(lambda: discovery.watch(latest.value.name), record.failed, backoff=backoff, rng=rng)
    try:
        async with aclosing(answers):
            async for answer in answers:
                record.answered(answer)
    finally:
        record.close()


async def persist(
    ask: Callable[[], AsyncGenerator[A, None]],
    failed: Callable[[Exception, float], None],
    *,
    backoff: Backoff = Backoff(),
    rng: Random | None = None,
) -> AsyncGenerator[A, None]:
    """The answers of `ask`, asked anew with growing pauses each time that it fails; never ends by itself.

    `failed(error, pause)` is called before each pause, in seconds. A pause that the registry asked for is kept to.
    Any Exception counts as a failure: a fault in one answer must not end the watch of a process that lives for months.
    """
    rng = rng or Random()
    failures = 0
    while True:
        error: Exception = RegistryUnavailable("the registry ended the watch")
        try:
            async with aclosing(ask()) as answers:
                async for answer in answers:
                    failures = 0
                    yield answer
        except Exception as raised:
            error = raised
        failures += 1
        pause = backoff.pause(failures, rng)
        if isinstance(error, RegistryUnavailable) and error.retry_after:
            pause += error.retry_after
        failed(error, pause)
        await asyncio.sleep(pause)


def unconfirmed(snapshot: Snapshot, error: Exception, confirmed: float) -> Snapshot:
    """What is left of `snapshot`, last confirmed at `confirmed` (seconds since the epoch), once asking has failed."""
    why = str(error) or type(error).__name__
    if isinstance(snapshot, Pending):
        return Pending(snapshot.name, why)
    return Stale(snapshot.name, instances_of(snapshot), confirmed, why, doubtful_of(snapshot))


class _Record:
    """What one watch has been told so far, and what is believed of it."""

    def __init__(self, latest: Latest[Snapshot], observe: Observer, doubt: Doubt, remembered: Stale | None) -> None:
        self._latest = latest
        self._observe = observe
        self._doubt = doubt
        self._belief: Belief | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._remembered = remembered
        self._confirmed = remembered.since if remembered else None
        self._failures = 0
        self._failing_since = 0.0
        self._set_aside: tuple[SetAside, ...] = ()
        if remembered is not None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._remember)

    def answered(self, answer: Answer) -> None:
        now = asyncio.get_running_loop().time()
        self._confirmed = time.time()
        if self._failures:
            self._observe(WatchRecovered(answer.name, now - self._failing_since, self._failures))
            self._failures = 0
        self._tell_of(answer.name, set_aside_of(answer))
        self._hold(believe(self._belief, answer, now, self._doubt))

    def failed(self, error: Exception, pause: float) -> None:
        if not self._failures:
            self._failing_since = asyncio.get_running_loop().time()
        self._failures += 1
        self._remember()
        confirmed = self._confirmed
        self._latest.set(unconfirmed(self._latest.value, error, confirmed or 0.0))
        age = None if confirmed is None else max(0.0, time.time() - confirmed)
        self._observe(WatchFailed(self._latest.value.name, error, pause, age))

    def close(self) -> None:
        self._remembered = None
        if self._timer is not None:
            self._timer.cancel()

    def _remember(self) -> None:
        """What an earlier run knew is better than nothing."""
        if self._remembered is not None and isinstance(self._latest.value, Pending):
            self._latest.set(self._remembered)

    def _tell_of(self, name: str, set_aside: tuple[SetAside, ...]) -> None:
        told = frozenset(self._set_aside)
        self._set_aside = set_aside
        for entry in set_aside:
            if entry not in told:
                self._observe(EntrySetAside(name, entry.entry, entry.why))

    def _hold(self, belief: Belief) -> None:
        fresh = {instance.id for instance, _ in belief.doubtful}
        if self._belief is not None:
            fresh -= {instance.id for instance, _ in self._belief.doubtful}
        self._belief = belief
        snapshot = belief.snapshot
        changed = snapshot != self._latest.value
        if changed:
            self._latest.set(snapshot)
        if fresh:
            self._observe(AnswerDoubted(snapshot.name, len(fresh), len(instances_of(snapshot)), self._doubt.grace))
        self._observe(SnapshotUpdated(snapshot, changed))
        self._wait_for_expiry(belief.until)

    def _wait_for_expiry(self, until: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if until is not None:
            self._timer = asyncio.get_running_loop().call_at(until, self._expire)

    def _expire(self) -> None:
        """A grace has ended. While the registry is away nothing ends: its last word may have been a mistake."""
        assert self._belief is not None
        now = asyncio.get_running_loop().time()
        if self._failures:
            self._wait_for_expiry(now + 1.0)
        else:
            self._hold(expire(self._belief, now))
