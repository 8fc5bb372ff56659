"""A registration that several processes have together: one of them writes it, the last one out removes it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from muster.model.check import CheckState, Health
from muster.model.errors import RegistryUnavailable
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.serve.condition import SERVING
from muster.serve.lease import Lease
from muster.serve.membership import DRAINING

log = logging.getLogger("muster.serve")


class SharedRegistrar:
    """A Registrar for an entry that this process shares by `lease`.

    Who holds the lease registers and beats; for the others the same calls only find out how it stands, or take over
    from one who has gone: within a beat, which is a third of the time after which the entry would expire. One that is
    critical, since its event loop is blocked, lets another one speak for all. Leaving is for the last one alone.
    `stays` is asked then: whether the entry is to stay for who comes next.
    """

    def __init__(self, registrar: Registrar, lease: Lease, stays: Callable[[], bool]) -> None:
        self._registrar = registrar
        self._lease = lease
        self._stays = stays
        self._registration: Registration | None = None
        self._to_remove: bool | None = None

    async def register(self, registration: Registration) -> None:
        """As the registry's; for who does not hold the lease RegistryUnavailable says what the holder waits for."""
        self._registration = registration
        if not self._lease.hold():
            self._follow()
            return
        await self._told(self._registered(registration))

    async def beat(self, instance_id: str, state: CheckState) -> None:
        if state == DRAINING:
            await self._leave(instance_id, state)
        elif state.health is Health.CRITICAL and self._passed_on(state):
            return
        elif self._lease.held:
            await self._told(self._registrar.beat(instance_id, state))
        elif self._registration is not None:
            await self.register(self._registration)

    async def deregister(self, instance_id: str) -> None:
        if self._last():
            await self._registrar.deregister(instance_id)

    def _passed_on(self, state: CheckState) -> bool:
        """Whether somebody else speaks for all, from now on if not already."""
        held = self._lease.held
        passed = self._lease.pass_on()
        if held and passed:
            log.warning("%s: another process at this port registers now", state.output)
        return passed

    async def _leave(self, instance_id: str, state: CheckState) -> None:
        """Who held the lease beats once more, so that the next one has the whole time to take over."""
        held = self._lease.held
        if self._last():
            await self._registrar.beat(instance_id, state)
        elif held:
            await self._registrar.beat(instance_id, SERVING)

    def _last(self) -> bool:
        """Whether the entry is this process's to remove. It has left with the first call."""
        if self._to_remove is None:
            stays = self._stays()
            self._to_remove = self._lease.leave(stays) and not stays
        return self._to_remove

    async def _registered(self, registration: Registration) -> None:
        """An entry that was there before has little of its time left."""
        await self._registrar.register(registration)
        await self._registrar.beat(registration.instance.id, SERVING)

    async def _told(self, doing: Awaitable[None]) -> None:
        try:
            await doing
        except Exception as error:
            self._lease.tell(False, str(error) or type(error).__name__)
            raise
        self._lease.tell(True)

    def _follow(self) -> None:
        told = self._lease.told()
        if told is None or not told.registered:
            waits = told.why if told else ""
            raise RegistryUnavailable(f"another process registers for all that share the port{waits and ': '}{waits}")
