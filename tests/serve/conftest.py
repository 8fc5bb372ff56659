"""A registry that does what a test tells it to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from muster.model.check import CheckState
from muster.model.service import Registration


class ScriptedRegistrar:
    """Records what is asked of it, with the loop's time, and answers each by what `answer` says: None, or an error."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.answer: Callable[[str], Exception | None] = lambda _: None
        self.hangs = False
        self.outputs: list[str] = []
        """What heartbeats said."""

    @property
    def done(self) -> list[str]:
        return [what for what, _ in self.calls]

    async def register(self, registration: Registration) -> None:
        await self._do("register", registration.instance.id)

    async def deregister(self, instance_id: str) -> None:
        await self._do("deregister", instance_id)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        self.outputs.append(state.output)
        await self._do(f"beat {state.health}", instance_id)

    async def _do(self, what: str, instance_id: str) -> None:
        self.calls.append((what, instance_id))
        self.times.append(asyncio.get_running_loop().time())
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        error = self.answer(what)
        if error is not None:
            raise error


@pytest.fixture
def registrar() -> ScriptedRegistrar:
    return ScriptedRegistrar()
