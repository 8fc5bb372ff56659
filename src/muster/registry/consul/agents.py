"""Several agents of one cluster: reads go to any that answers, writes for an instance to the one that holds it."""

from __future__ import annotations

import asyncio

from muster.model.errors import RegistryUnavailable
from muster.registry.consul.answers import Answer, Unreachable, accepted
from muster.registry.consul.client import Client, Request
from muster.registry.consul.config import Config
from muster.registry.consul.token import Token

SHORT_READS = 16
"""Reads under way at a time that do not block: a process that begins to watch 300 names must not open 300 connections,
since Consul answers 429 from 200 on."""


class Agents:
    """The agents of a `Config`, in its order. Reads stay with the one that answered last."""

    def __init__(self, config: Config) -> None:
        token = Token(config.token, config.token_file)
        self._clients = [Client(address, config, token) for address in config.addresses]
        self._reading = 0
        self._short = asyncio.Semaphore(SHORT_READS)
        self._homes: dict[str, Client] = {}

    async def read(self, request: Request, rule: str) -> Answer:
        """The answer, status 200, of the first agent that has a usable one; after the first none is asked to block.

        Raises Denied at once (the others would say the same), and RegistryUnavailable with what each of them said.
        """
        failures: list[RegistryUnavailable] = []
        for number in self._order():
            try:
                asked = request.at_once() if failures else request
                answer = accepted(await self._send(self._clients[number], asked), rule)
            except RegistryUnavailable as failure:
                failures.append(failure)
            else:
                self._reading = number
                return answer
        raise _together(failures)

    async def ask(self, request: Request) -> Answer:
        """An answer of any status from the agent that reads go to. Raises RegistryUnavailable."""
        return await self._send(self._clients[self._reading], request)

    def home(self, instance_id: str) -> Client:
        """The agent that took the instance's registration; the first for one that was not registered here."""
        return self._homes.get(instance_id, self._clients[0])

    async def settle(self, instance_id: str, request: Request) -> Answer:
        """Choose the agent for a registration that is to come, and return its answer, of any status, to `request`.

        Once chosen it stays: the registration could not be removed from another. Only agents that cannot even be
        connected to are passed over, and only before one was chosen. Raises RegistryUnavailable.
        """
        chosen = self._homes.get(instance_id)
        failures: list[RegistryUnavailable] = []
        for client in [chosen] if chosen else self._clients:
            try:
                answer = await client.write(request)
            except Unreachable as failure:
                failures.append(failure)
            else:
                self._homes[instance_id] = client
                return answer
        raise _together(failures)

    def forget(self, instance_id: str) -> None:
        """The instance is registered nowhere any more."""
        self._homes.pop(instance_id, None)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    async def _send(self, client: Client, request: Request) -> Answer:
        if request.index:
            return await client.read(request)
        async with self._short:
            return await client.read(request)

    def _order(self) -> list[int]:
        count = len(self._clients)
        return [(self._reading + step) % count for step in range(count)]


def _together(failures: list[RegistryUnavailable]) -> RegistryUnavailable:
    if len(failures) == 1:
        return failures[0]
    pauses = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return RegistryUnavailable("; ".join(map(str, failures)), retry_after=min(pauses, default=None))
