"""The demo's processes, and what is left of them at the end: nothing."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self, cast

from muster.cli.demo.contract import HELLO
from muster.cli.demo.figures import Life
from muster.cli.demo.processes import Child
from muster.cli.misuse import Misuse
from muster.model.errors import BadConfiguration
from muster.model.snapshot import instances_of
from muster.registry.protocol import Discovery, Registrar
from muster.registry.url import open_registry

TETHERED = "muster.cli.demo.tether"
"""Runs the command `muster` so that it ends with the demo."""

GREETER = "muster.cli.demo.greeter"

STOP_SECONDS = 8.0
"""A service's own stop takes at most 4.5 s by default; what has not ended then is killed."""


class System:
    """An agent unless a registry is there already, a gateway, and greeters.

    Enter it: agent and gateway run. Leaving ends every process, in order, and removes from the registry what those
    that were killed could not remove themselves.
    """

    def __init__(self, registry: str | None, environ: Mapping[str, str] = os.environ) -> None:
        """Raises Misuse for a registry within a process, which the demo's processes cannot share."""
        self._environ = child_environ(environ, registry)
        if self._environ.get("MUSTER_REGISTRY", "").startswith("memory:"):
            raise Misuse("the demo's processes cannot share a registry in memory: name another, or none")
        self._agent: Child | None = None
        self._gateway: Child | None = None
        self._greeters: dict[int, Child] = {}
        self._children: list[Child] = []
        """All but the agent, which must outlive them."""
        self._lives: dict[int, Life] = {}
        self._past: list[Life] = []
        self.left_behind: list[str] = []
        """After leaving: the instances of ours that are still registered."""
        # In a registry that others use too, a name that nobody else has.
        self.service = f"greeter-demo-{secrets.token_hex(2)}" if _has_registry(self._environ) else "greeter"

    @property
    def lives(self) -> list[Life]:
        """Every greeter process so far, in the order of their starts."""
        return sorted([*self._past, *self._lives.values()], key=lambda life: life.started)

    @property
    def registry(self) -> str | None:
        """The registry's URL; None where the environment names it otherwise."""
        return self._environ.get("MUSTER_REGISTRY")

    @property
    def gateway(self) -> str:
        assert self._gateway is not None
        return str(self._gateway.announced["url"])

    async def __aenter__(self) -> Self:
        """Raises RegistryUnavailable and the like for a registry that cannot be used, ChildFailed for a child."""
        try:
            await self._have_registry()
            arguments = ("gateway", "--http", "127.0.0.1:0", "--idempotent", HELLO, "--json")
            self._gateway = await self._start("the gateway", TETHERED, *arguments)
            await self._gateway.ready()
        except BaseException:
            await self._clear()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._clear()

    async def _have_registry(self) -> None:
        """One that answers: whoever named one that does not must not wait for services that cannot register."""
        if not _has_registry(self._environ):
            arguments = ("agent", "--http", "127.0.0.1:0", "--json")
            self._agent = await Child.start("the agent", TETHERED, arguments, self._environ)
            await self._agent.ready()
            self._environ["MUSTER_REGISTRY"] = self._agent.announced["url"]
        async with self._registry() as registry:
            await _registered(registry, self.service)

    async def _start(self, what: str, module: str, *arguments: str) -> Child:
        child = await Child.start(what, module, arguments, self._environ)
        self._children.append(child)
        return child

    async def start_greeters(self, *numbers: int, again: bool = False) -> None:
        """Starts them at the same time and waits until each is registered."""
        started = {}
        for number in numbers:
            started[number] = time.monotonic()
            self._greeters[number] = await self._start(f"greeter {number}", GREETER, self.service, "Hello")
        for number in numbers:
            await self._greeters[number].ready()
            instance_id = str(self._greeters[number].announced["id"])
            self._lives[number] = Life(number, instance_id, started[number], again=again)

    async def terminate(self, number: int) -> int:
        """Ends a greeter as an orchestrator would, and waits for it. Returns its exit status."""
        self._end_life(number, "SIGTERM")
        self._greeters[number].send(signal.SIGTERM)
        return await self._greeters[number].ended()

    async def kill(self, number: int) -> None:
        """Ends a greeter as the kernel does when memory is short: it cannot say goodbye."""
        self._end_life(number, "SIGKILL")
        self._greeters[number].send(signal.SIGKILL)
        await self._greeters[number].ended()

    def _end_life(self, number: int, how: str) -> None:
        self._past.append(replace(self._lives.pop(number), ended=time.monotonic(), end=how))

    async def _clear(self) -> None:
        """Greeters and gateway at once, then the registry, then the agent, which the others need to say goodbye to."""
        async with asyncio.TaskGroup() as stopping:
            for child in self._children:
                stopping.create_task(child.stop(STOP_SECONDS))
        try:
            if self.lives:
                self.left_behind = await self._clear_registry()
        finally:
            if self._agent is not None:
                await self._agent.stop(STOP_SECONDS)

    async def _clear_registry(self) -> list[str]:
        """Removes what the killed ones left, and returns what of ours is still there."""
        ours = {life.instance_id for life in self.lives}
        async with self._registry() as registry:
            for instance_id in ours:
                await registry.deregister(instance_id)
            return sorted(ours & await _registered(registry, self.service))

    @asynccontextmanager
    async def _registry(self) -> AsyncIterator[_ReadAndWritten]:
        async with open_registry(None, environ=self._environ) as registry:
            if not (isinstance(registry, Registrar) and isinstance(registry, Discovery)):
                raise BadConfiguration(f"the demo needs a registry that can be written to and asked: {registry}")
            yield cast(_ReadAndWritten, registry)


class _ReadAndWritten(Registrar, Discovery, Protocol):
    """A registry that is both, as Consul is."""


async def _registered(registry: Discovery, name: str) -> set[str]:
    """The ids of a service's instances, as the registry has them now."""
    async with aclosing(registry.watch(name)) as answers:
        return {instance.id for instance in instances_of(await anext(answers))}


def child_environ(environ: Mapping[str, str], registry: str | None) -> dict[str, str]:
    """The environment of the demo's processes: its registry, and none of the settings that would change its story."""
    kept = {name: value for name, value in environ.items() if name == "MUSTER_REGISTRY" or not _tells_muster(name)}
    if registry is not None:
        kept["MUSTER_REGISTRY"] = registry
    return kept


def _tells_muster(name: str) -> bool:
    return name.startswith("MUSTER_")


def _has_registry(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a registry."""
    return any(environ.get(name, "").strip() for name in ("MUSTER_REGISTRY", "MICRO_REGISTRY", "CONSUL_HTTP_ADDR"))
