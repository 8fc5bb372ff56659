"""The registries that the services of a process write to: one for those that mean the same, whose connections they
share. A thousand services would else open a thousand connections, of which Consul takes 200."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary

from muster.model.check import CheckState
from muster.model.service import Registration
from muster.registry.protocol import Clustered, Registrar, Registry

AT_ONCE = 8
"""Writes under way in one registry: an agent is no faster with more."""


class Shared:
    """A Registrar that several may use, until each of them has closed it. For one event loop. Made by `shared`."""

    def __init__(self, registry: Registry, registrar: Registrar, forget: Callable[[], object]) -> None:
        self._registry = registry
        self._registrar = registrar
        self._forget = forget
        self._users = 0
        self._slots = asyncio.Semaphore(AT_ONCE)

    def __str__(self) -> str:
        return str(self._registry)

    async def register(self, registration: Registration) -> None:
        async with self._slots:
            await self._registrar.register(registration)

    async def deregister(self, instance_id: str) -> None:
        async with self._slots:
            await self._registrar.deregister(instance_id)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        async with self._slots:
            await self._registrar.beat(instance_id, state)

    async def others(self) -> int:
        """As `Clustered.others`; 0 for a registry that does not know."""
        return await self._registrar.others() if isinstance(self._registrar, Clustered) else 0

    async def open(self) -> None:
        """To be called once by each user. No I/O."""
        self._users += 1
        if self._users == 1:
            await self._registry.__aenter__()

    async def close(self) -> None:
        """To be called once by each user: the last one closes its connections."""
        self._users -= 1
        if not self._users:
            self._forget()
            await self._registry.__aexit__(None, None, None)


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Shared]] = WeakKeyDictionary()


async def shared(meaning: Hashable, registry: Registry, registrar: Registrar) -> Shared:
    """The one of the running event loop for what `meaning` stands for, opened for one more user.

    Where there is none yet it is made of `registry`, which has not been used, and which is `registrar` too.
    """
    here = _shared.setdefault(asyncio.get_running_loop(), {})
    if meaning not in here:
        here[meaning] = Shared(registry, registrar, lambda: here.pop(meaning))
    found = here[meaning]
    await found.open()
    return found
