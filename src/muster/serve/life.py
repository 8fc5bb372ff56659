"""One run of a service, from its start to its end, in this order:

    before_start hooks, listen, serve, register check, register, after_start hooks
    ... until the body ends: by itself, by an error or by being cancelled ...
    before_stop hooks, not serving, deregister, drain, refuse new calls, grace, close, after_stop hooks

Each stage is a context manager around the next, so that whatever was begun is ended, also when the start fails. Hooks
come in pairs: after_stop ones run if all before_start ones have, before_stop ones if all after_start ones have.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from muster.model.events import RegistrationState
from muster.serve import hooks as run
from muster.serve.health import HealthState
from muster.serve.hooks import Hooks
from muster.serve.lifecycle import Phase
from muster.serve.membership import ATTEMPT_LIMIT, Member
from muster.serve.settings import Timing
from muster.serve.within import within
from muster.watch.background import background_tasks

log = logging.getLogger("muster.serve")

DEREGISTER_LIMIT = 1.0
"""Seconds of the stop that are lost on a registry that does not answer: plenty for one that lives. A starved one is
asked again while there is something else to wait for, and once more when there is not."""

AGAIN = 0.25
"""Seconds until a registry that has refused is asked again."""

HURRIED_LIMIT = 0.25
"""The same where no time is left: a local agent needs a hundredth of it, and an orphan costs callers more."""

LAST_WORDS = 1.0
"""Seconds that after_stop hooks have whatever came before them, since they close what should be closed."""


class Transport(Protocol):
    """What takes the calls. It is bound already; `stop` alone may be called without `serve`."""

    async def serve(self) -> None:
        """Take calls from now on."""
        ...

    async def stop(self, grace: float) -> None:
        """Refuse new calls, give those in flight `grace` seconds to end, then cancel them and close."""
        ...


class Budget:
    """The seconds that a stop may take; all that belongs to it shares them."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._end: float | None = None

    def begin(self) -> None:
        """The stop begins now, unless it has begun already."""
        if self._end is None:
            self._end = asyncio.get_running_loop().time() + self._total

    def left(self, *, keep: float = 0.0) -> float:
        """Seconds left, with `keep` seconds put by for what comes later."""
        self.begin()
        assert self._end is not None
        return max(0.0, self._end - asyncio.get_running_loop().time() - keep)

    @contextmanager
    def cut_short(self) -> Iterator[None]:
        """Around a part of the stop: who is cancelled once more is in a hurry, and nothing is left for the rest."""
        try:
            yield
        except asyncio.CancelledError:
            self._end = 0.0
            raise


@dataclass(slots=True)
class Failures:
    """What went wrong at a stop, to be raised once it is complete."""

    errors: list[Exception] = field(default_factory=list[Exception])

    def throw(self) -> None:
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise ExceptionGroup("several hooks failed while the service stopped", self.errors)


@asynccontextmanager
async def prepared(hooks: Hooks) -> AsyncIterator[Failures]:
    """The outermost stage: before_start hooks, and at the end after_stop hooks.

    What the hooks of the stop raised is raised at its very end, unless the body raised something itself: a failure to
    stop well does not hide why it stopped.
    """
    await run.start(hooks.before_start)
    failures = Failures()
    try:
        yield failures
    finally:
        failures.errors += await run.stop(hooks.after_stop, LAST_WORDS)
    failures.throw()


@asynccontextmanager
async def live(
    transport: Transport,
    membership: Member,
    health: HealthState,
    hooks: Hooks,
    timing: Timing,
    failures: Failures,
    over: asyncio.Event | None = None,
) -> AsyncIterator[None]:
    """Serve and be registered while the body runs; drain and stop when it ends.

    A registry that is away does not hold up the start: the first attempt to register is waited for, well or not, and
    the next are made while the service serves. Being cancelled once more during the stop cuts it short. Once `over` is
    set the transport takes no calls any more, and the stop does not wait for clients to notice.
    """
    over = over or asyncio.Event()
    budget = Budget(timing.stop)
    async with (
        _left(membership, budget),
        _serving(transport, health, budget),
        _draining(membership, budget, timing.drain, over),
        _kept(membership, health),
        _welcomed(membership, health, hooks, budget, timing.drain, failures),
    ):
        yield


@asynccontextmanager
async def _serving(transport: Transport, health: HealthState, budget: Budget) -> AsyncIterator[None]:
    try:
        await transport.serve()
        health.enter(Phase.SERVING)
        yield
    finally:
        health.enter(Phase.CLOSING)
        with budget.cut_short():
            await transport.stop(budget.left())
        health.enter(Phase.CLOSED)


@asynccontextmanager
async def _draining(membership: Member, budget: Budget, drain: float, over: asyncio.Event) -> AsyncIterator[None]:
    """At the end: leave the registry, and go on serving until clients have had the time to see it."""
    try:
        yield
    finally:
        known = membership.known
        with budget.cut_short():
            left = await _leave(membership, budget.left(keep=drain))
            if known:
                with suppress(TimeoutError):
                    async with within(min(drain, budget.left())), _leaving(membership, left):
                        await over.wait()


async def _leave(membership: Member, limit: float) -> bool:
    try:
        return await membership.leave(max(HURRIED_LIMIT, min(DEREGISTER_LIMIT, limit)))
    except asyncio.CancelledError:
        await membership.leave(HURRIED_LIMIT)
        raise


@asynccontextmanager
async def _leaving(membership: Member, left: bool) -> AsyncIterator[None]:
    """While the body runs, go on trying to leave, unless that is done."""

    async def leave() -> None:
        while True:
            if await membership.leave(ATTEMPT_LIMIT):
                return
            await asyncio.sleep(AGAIN)

    async with background_tasks() as tasks:
        leaving = None if left else tasks.create_task(leave(), name="muster: leave the registry")
        try:
            yield
        finally:
            if leaving is not None:
                leaving.cancel()


@asynccontextmanager
async def _left(membership: Member, budget: Budget) -> AsyncIterator[None]:
    """At the very end: one more attempt, if others have failed, in the time that is left."""
    try:
        yield
    finally:
        if membership.standing.value.state is RegistrationState.FAILING:
            await membership.leave(max(HURRIED_LIMIT, min(DEREGISTER_LIMIT, budget.left())))


@asynccontextmanager
async def _kept(membership: Member, health: HealthState) -> AsyncIterator[None]:
    """The one task of a run: it keeps the registration true. The body's error comes out as it went in."""
    unlisten = membership.standing.listen(health.registration)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(membership.keep(), name="muster: keep registered")
        try:
            yield
        except Exception as error:
            failure = error  # Raised below: the TaskGroup would wrap it.
        finally:
            keeper.cancel()
            unlisten()
    if failure is not None:
        raise failure


@asynccontextmanager
async def _welcomed(
    membership: Member, health: HealthState, hooks: Hooks, budget: Budget, drain: float, failures: Failures
) -> AsyncIterator[None]:
    """The innermost stage: after_start and before_stop hooks, and the moment when calls stop being welcome."""
    try:
        await membership.tried.wait()
        await run.start(hooks.after_start)
        try:
            yield
        finally:
            with budget.cut_short():
                failures.errors += await run.stop(hooks.before_stop, budget.left(keep=drain))
    finally:
        budget.begin()
        health.enter(Phase.DRAINING)
        log.info("draining")
