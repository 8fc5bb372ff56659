"""One run that is reached by several protocols: several transports, and an entry in the registry for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from muster.model.check import CheckState
from muster.model.errors import Rejected
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.serve.life import Transport


class Transports:
    """Transports that are served and stopped together."""

    def __init__(self, transports: Iterable[Transport]) -> None:
        self._transports = tuple(transports)

    async def serve(self) -> None:
        for each in self._transports:
            await each.serve()

    async def stop(self, grace: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in self._transports:
                tasks.create_task(each.stop(grace))


class Companions:
    """A Registrar for an entry that has companions: what is done to it is done to them, so that one task keeps all of
    them true. What fails for one has failed, and is done anew for all."""

    def __init__(self, registrar: Registrar, companions: Iterable[Registration]) -> None:
        self._registrar = registrar
        self._companions = tuple(companions)

    async def register(self, registration: Registration) -> None:
        """Raises Rejected for one that is refused, and then none of them stays."""
        await self._registrar.register(registration)
        try:
            for each in self._companions:
                await self._registrar.register(each)
        except Rejected:
            await self.deregister(registration.instance.id)
            raise

    async def deregister(self, instance_id: str) -> None:
        await self._for_all(instance_id, self._registrar.deregister)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        await self._for_all(instance_id, lambda each: self._registrar.beat(each, state))

    async def _for_all(self, instance_id: str, do: Callable[[str], Awaitable[None]]) -> None:
        """Each gets its turn, also after one that failed; then the first failure is raised."""
        failure: Exception | None = None
        for each in (instance_id, *(companion.instance.id for companion in self._companions)):
            try:
                await do(each)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure
