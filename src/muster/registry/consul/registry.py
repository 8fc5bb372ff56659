"""Consul as muster's registry: the two halves, put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Self

from muster.model.check import CheckState
from muster.model.service import Registration
from muster.model.snapshot import Answer
from muster.registry.consul.agents import Agents
from muster.registry.consul.config import Config
from muster.registry.consul.datacenters import reading_from
from muster.registry.consul.inspection import Inspection, inspect
from muster.registry.consul.members import others
from muster.registry.consul.operations import Operations
from muster.registry.consul.registrar import ConsulRegistrar
from muster.registry.protocol import Discovery


class Consul:
    """Registrar and Discovery on Consul's HTTP API, version 1.8 and later, and on muster's own agent.

    For one event loop. Connections are opened when first used and closed on leaving.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._agents = Agents(config)
        self._registrar = ConsulRegistrar(self._agents, config.reading.timeout, str(config))
        self._operations = Operations(self._agents, config.reading.timeout, str(config))
        self._discovery = reading_from(self._agents, config, config.datacenters)

    def __str__(self) -> str:
        return str(self._config)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._agents.close()

    async def register(self, registration: Registration) -> None:
        """As `Registrar.register`. A check that Consul holds already keeps its status, but for an expired TTL check."""
        await self._registrar.register(registration)

    async def deregister(self, instance_id: str) -> None:
        """As `Registrar.deregister`."""
        await self._registrar.deregister(instance_id)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        """As `Registrar.beat`."""
        await self._registrar.beat(instance_id, state)

    async def drain(self, instance_id: str, reason: str) -> None:
        """As `Operable.drain`: maintenance, at the agent that holds the instance, which is the URL's first."""
        await self._operations.drain(instance_id, reason)

    async def restore(self, instance_id: str) -> None:
        """As `Operable.restore`."""
        await self._operations.restore(instance_id)

    async def weigh(self, instance_id: str, weight: int) -> None:
        """As `Operable.weigh`."""
        await self._operations.weigh(instance_id, weight)

    async def inspect(self) -> Inspection:
        """What the agent tells of itself and of what it holds. Raises RegistryUnavailable and Denied."""
        return await inspect(self._agents, self._config.reading.timeout)

    def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        """As `Discovery.watch`. The answer comes again at least once in `Reading.wait`."""
        return self._discovery.watch(name)

    def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        """As `Discovery.watch_names`. Consul's own servers are there as `consul`."""
        return self._discovery.watch_names()

    async def others(self) -> int:
        """As `Clustered.others`: the agent's other members. Rights on nodes decide whom a token is told of."""
        return await others(self._agents, self._config.reading.timeout)

    def within(self, datacenters: tuple[str, ...]) -> Discovery:
        """As `Regional.within`. It shares connections and limits, and ends with this registry."""
        return reading_from(self._agents, self._config, datacenters)
