"""An instance's place in a registry: one task gets it, keeps it, and gives it up at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random

from muster.model.check import CheckState, Health
from muster.model.errors import NotRegistered, RegistryUnavailable, Rejected
from muster.model.events import RegistrationState
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.serve.entry import SELF
from muster.serve.standing import Next, Pace, Standing, Step, decide
from muster.serve.within import within
from muster.watch.latest import Latest

log = logging.getLogger("muster.serve")

ATTEMPT_LIMIT = 5.0
"""Seconds after which a registry that has not answered counts as away, and a register check as failed."""

PASSING = CheckState(SELF, Health.PASSING, "serving")
DRAINING = CheckState(SELF, Health.CRITICAL, "draining")

Gate = Callable[[], Awaitable[None]]
"""The register check: raises while the instance should not get calls."""


class Membership:
    """Keeps one registration true. For one event loop.

    `registrar` is None where nothing is to be written (`register="external"` and `"off"`): then the register check is
    all there is to do. `standing` tells at any time how things are; nothing is raised for a registry that fails.
    """

    def __init__(
        self,
        registrar: Registrar | None,
        registration: Registration,
        gate: Gate,
        begin: Standing,
        pace: Pace,
        rng: Random | None = None,
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

    @property
    def known(self) -> bool:
        """Whether others can have learned of the instance. Ask before `leave`."""
        return self._registrar is None or self.standing.value.registered_once

    async def keep(self) -> None:
        """Get registered and stay so, until cancelled. Not to be called twice."""
        todo = Next(Step.CHECK)
        while not self._done(todo):
            await asyncio.sleep(todo.pause)
            error = await self._attempt(todo.step)
            standing, todo = decide(self.standing.value, todo.step, error, self._pace, self._rng)
            self.standing.set(standing)
            if todo.step is not Step.REGISTER or error is not None:
                self.tried.set()
        self.tried.set()

    async def leave(self, limit: float) -> None:
        """Take the instance out of the registry within `limit` seconds. Only after `keep` has ended.

        Never raises: what could not be taken out is the registry's to forget, which its entry asks it to do.
        """
        if self._registrar is None:
            return
        try:
            async with within(limit):
                await self._resign(self._registrar)
        except Exception as error:
            self._left_behind(str(error) or f"no answer within {limit:.1f} s")
        else:
            self.standing.set(Standing(RegistrationState.DEREGISTERED))

    def _done(self, todo: Next) -> bool:
        return self._registrar is None and todo.step is not Step.CHECK

    async def _attempt(self, step: Step) -> Exception | None:
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT):
                await self._do(step)
        except TimeoutError:
            return RegistryUnavailable(f"no answer within {ATTEMPT_LIMIT:.0f} s")
        except Exception as error:
            return error
        return None

    async def _do(self, step: Step) -> None:
        if step is Step.CHECK or self._registrar is None:
            await self._gate()
        elif step is Step.REGISTER or not self._beats:
            await self._register(self._registrar)
        else:
            await self._registrar.beat(self._registration.instance.id, PASSING)

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

    async def _resign(self, registrar: Registrar) -> None:
        if not self._written:
            return
        instance_id = self._registration.instance.id
        # Deregistering tells those who watch the instance; readers of the check alone are told by its state.
        try:
            await registrar.beat(instance_id, DRAINING)
        except NotRegistered:
            log.debug("%s was not registered any more", instance_id)
        await registrar.deregister(instance_id)
