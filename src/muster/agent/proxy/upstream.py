"""The agent behind the proxy."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from random import Random

from muster.agent.proxy.question import Question
from muster.model.errors import BadConfiguration, MusterError
from muster.registry.consul.answers import Answer
from muster.registry.consul.blocking import give_up_after, wait_seconds
from muster.registry.consul.client import Client, Request
from muster.registry.consul.config import MAX_WAIT, Config
from muster.registry.consul.slots import Claim, Slots
from muster.registry.consul.token import Token

_log = logging.getLogger("muster.agent.proxy")

_SHORT = 32
"""Requests under way that do not block: what all workers of a machine ask at once must not be as many connections."""

_WRITES_OF_AN_AGENT = "/v1/agent/"


class Upstream:
    """One agent's HTTP API, for the proxy before it. Its limits on blocking queries are those of `config.reading`.

    Requests that bring no token are sent with that of `config`. For one event loop.
    """

    def __init__(self, config: Config) -> None:
        address, *others = config.addresses
        if others:
            raise BadConfiguration(f"{config}: a proxy stands before one agent, since registrations belong to one")
        self._reading = config.reading
        self._client = Client(address, config, Token(config.token, config.token_file))
        self._slots = Slots(config.reading.queries)
        self._short = asyncio.Semaphore(_SHORT)
        self._rng = Random()
        self._failing = False

    def __str__(self) -> str:
        return str(self._client)

    def claim(self) -> Claim:
        """A place among the questions that block."""
        return self._slots.claim()

    @property
    def wait(self) -> float:
        """How long a question blocks, in seconds."""
        return self._reading.wait

    def poll_pause(self, claim: Claim) -> float:
        """Seconds until a question that has no place is asked again."""
        return claim.pause(self._reading.poll, self._rng)

    async def ask(self, question: Question, index: int) -> Answer:
        """The answer, of any status; with an index above 0 it blocks. Raises RegistryUnavailable, BadConfiguration."""
        wait = wait_seconds(self._reading.wait, self._rng)
        seconds = give_up_after(wait, self._reading.timeout) if index else self._reading.timeout
        request = Request("GET", question.path, seconds, question.params, None, index, wait, question.headers)
        try:
            answer = await self._read(request)
        except MusterError as error:
            self._tell(error)
            raise
        self._tell(None)
        return answer

    async def _read(self, request: Request) -> Answer:
        if request.index:
            return await self._client.read(request)
        async with self._short:
            return await self._client.read(request)

    def _tell(self, error: MusterError | None) -> None:
        """Log when the agent ceases to answer and when it answers again, not each time for each question."""
        if error is not None and not self._failing:
            _log.warning("readers are told that the agent does not answer: %s", error)
        elif error is None and self._failing:
            _log.info("the agent answers again")
        self._failing = error is not None

    async def pass_on(self, request: Request) -> Answer:
        """The answer to a request of another kind, as it is. Raises RegistryUnavailable and BadConfiguration.

        Only writes to the agent itself are sent again where a kept connection turns out to be closed: they are
        idempotent, which those to the key-value store need not be.
        """
        if request.method != "GET" and request.path.startswith(_WRITES_OF_AN_AGENT):
            return await self._client.write(request)  # heartbeats do not wait behind reads
        if dict(request.params).get("index"):
            return await self._client.read(replace(request, seconds=give_up_after(MAX_WAIT, self._reading.timeout)))
        return await self._read(request)

    async def close(self) -> None:
        await self._client.close()


def unavailable(upstream: Upstream, error: Exception) -> Answer:
    """What readers are told while the agent does not answer: as Consul does when it has no leader, a 500 with text."""
    text = f"muster proxy: {error or type(error).__name__}"
    return Answer(500, {"Content-Type": "text/plain; charset=utf-8"}, text.encode("utf-8", "replace"), str(upstream))
