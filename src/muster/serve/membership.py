"""An instance's place in a registry: one task gets it, keeps it, and gives it up at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import ceil
from random import Random
from typing import Protocol

from muster.model.check import CheckState, Health
from muster.model.errors import NotRegistered, RegistryUnavailable, Rejected
from muster.model.events import RegistrationState
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.serve.condition import Condition, Serving
from muster.serve.entry import SELF
from muster.serve.standing import Next, Pace, Standing, Step, decide
from muster.serve.within import within
from muster.watch.latest import Latest

log = logging.getLogger("muster.serve")

ATTEMPT_LIMIT = 5.0
"""Seconds after which a registry that has not answered counts as away, and a register check as failed."""

STROKE = 0.1
"""Seconds. The heartbeats of many services fall on its multiples, so that one awakening does for several: with a
thousand services in a process that takes a third off what they cost, and half off what they cost an agent."""

DRAINING = CheckState(SELF, Health.CRITICAL, "draining")

Gate = Callable[[], Awaitable[None]]
"""The register check: raises while the instance should not get calls."""


def _never() -> bool:
    return False


class Unwell(Exception):
    """An instance that is critical by what it says of itself does not register: it would be passing at first."""


class Member(Protocol):
    """What a run needs of a Membership, wherever that is kept. `standing` and `tried` are for the run's event loop."""

    standing: Latest[Standing]
    tried: asyncio.Event

    @property
    def known(self) -> bool: ...

    async def keep(self) -> None: ...

    async def leave(self, limit: float) -> bool: ...


class Membership:
    """Keeps one registration true. For one event loop.

    `registrar` is None where nothing is to be written (`register="external"` and `"off"`): then the register check is
    all there is to do. `standing` tells at any time how things are; nothing is raised for a registry that fails.
    `condition` is what heartbeats say; a change of it is told at once. `written_by_others` tells whether somebody else
    has written the entry, who may leave it to this one to take out.
    """

    def __init__(
        self,
        registrar: Registrar | None,
        registration: Registration,
        gate: Gate,
        begin: Standing,
        pace: Pace,
        rng: Random | None = None,
        condition: Condition | None = None,
        written_by_others: Callable[[], bool] = _never,
    ) -> None:
        self.standing = Latest(begin)
        self.tried = asyncio.Event()
        """Set once the first attempt to register has ended, well or not."""
        self._registrar = registrar
        self._registration = registration
        self._beats = any(check.name == SELF for check in registration.checks)
        """Without a check to beat for, registering again does as well: it reads, and writes what is missing."""
        self._gate = gate
        self._pace = pace
        self._rng = rng or Random()
        self._written = False
        self._written_by_others = written_by_others
        self._condition = condition or Serving()
        self._changed = asyncio.Event()
        self._condition.listen(self._changed.set)
        self._alone = asyncio.Lock()
        """Held by who keeps or leaves: from another thread, the one may be cancelled and not be over yet."""

    @property
    def known(self) -> bool:
        """Whether others can have learned of the instance. Ask before `leave`."""
        return self._registrar is None or self.standing.value.registered_once or self._written_by_others()

    async def keep(self) -> None:
        """Get registered and stay so, until cancelled. Not to be called twice."""
        todo = Next(Step.CHECK)
        async with self._alone:
            while not self._done(todo):
                await self._pause(todo)
                error = await self._attempt(todo.step)
                standing, todo = decide(self.standing.value, todo.step, error, self._pace, self._rng)
                self.standing.set(standing)
                if todo.step is not Step.REGISTER or error is not None:
                    self.tried.set()
        self.tried.set()

    async def leave(self, limit: float) -> bool:
        """Take the instance out of the registry within `limit` seconds; returns whether it is out. Only once `keep` was
        cancelled or has ended. May be called again.

        Never raises: what could not be taken out is the registry's to forget, which its entry asks it to do.
        """
        if self._registrar is None:
            return True
        try:
            async with within(limit), self._alone:
                await self._resign(self._registrar, DRAINING)
        except Exception as error:
            self._left_behind(str(error) or f"no answer within {limit:.1f} s")
            return False
        self.standing.set(Standing(RegistrationState.DEREGISTERED))
        return True

    async def _pause(self, todo: Next) -> None:
        if not todo.prompt:
            await asyncio.sleep(todo.pause)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout_at(_stroke(asyncio.get_running_loop().time() + todo.pause)):
                await self._changed.wait()

    def _done(self, todo: Next) -> bool:
        return self._registrar is None and todo.step is not Step.CHECK

    async def _attempt(self, step: Step) -> Exception | None:
        # The heartbeats' own pace bounds what is done between two of them.
        limit = min(ATTEMPT_LIMIT, self._pace.beat) if step is Step.RECHECK else ATTEMPT_LIMIT
        self._changed.clear()
        try:
            async with asyncio.timeout(limit):
                await self._do(step)
        except TimeoutError:
            return RegistryUnavailable(f"no answer within {limit:.2g} s")
        except Exception as error:
            return error
        return None

    async def _do(self, step: Step) -> None:
        if step is Step.CHECK or self._registrar is None:
            await self._check()
        elif step is Step.RECHECK:
            await self._recheck()
        elif step is Step.WITHDRAW:
            await self._withdraw(self._registrar)
        elif step is Step.REGISTER or not self._beats:
            await self._register(self._registrar)
        else:
            await self._registrar.beat(self._registration.instance.id, self._condition.state)

    async def _check(self) -> None:
        await self._gate()
        state = self._condition.state
        if self._registrar is not None and state.health is Health.CRITICAL:
            raise Unwell(state.output)

    async def _recheck(self) -> None:
        """An event loop that does not run cannot be asked: heartbeats say so already, and it is no reason to leave."""
        if not self._condition.blocked:
            await self._gate()

    async def _withdraw(self, registrar: Registrar) -> None:
        await self._resign(registrar, CheckState(SELF, Health.CRITICAL, self.standing.value.why))
        self._written = False

    def _left_behind(self, why: str) -> None:
        """The registry was not reached. Where it never was, there is most likely nothing in it."""
        instance_id = self._registration.instance.id
        if not self.standing.value.registered_once:
            log.info("%s may be left in the registry: deregister: %s", instance_id, why)
            return
        log.warning("%s is left in the registry until it expires: deregister: %s", instance_id, why)
        self.standing.set(Standing(RegistrationState.FAILING, f"deregister: {why}"))

    async def _register(self, registrar: Registrar) -> None:
        """From now on the registry may hold the instance, unless it says no: then the id may be another's."""
        before, self._written = self._written, True
        try:
            await registrar.register(self._registration)
        except Rejected:
            self._written = before
            raise
        if self._condition.state.health is not Health.PASSING:
            self._changed.set()

    async def _resign(self, registrar: Registrar, last: CheckState) -> None:
        if not self._written and not self._written_by_others():
            return
        instance_id = self._registration.instance.id
        # Deregistering tells those who watch the instance; readers of the check alone are told by its state.
        try:
            await registrar.beat(instance_id, last)
        except NotRegistered:
            log.debug("%s was not registered any more", instance_id)
        await registrar.deregister(instance_id)


def _stroke(when: float) -> float:
    """The first multiple of STROKE that is no earlier."""
    return ceil(when / STROKE) * STROKE
