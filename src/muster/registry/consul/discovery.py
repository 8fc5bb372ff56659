"""Reading from Consul: blocking queries, one for each name that is watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar
from urllib.parse import quote

from muster.model.errors import Denied, RegistryUnavailable, Rejected
from muster.model.snapshot import Absent, Answer, Known
from muster.registry.consul import rights
from muster.registry.consul.agents import Agents
from muster.registry.consul.answers import Answer as HTTPAnswer
from muster.registry.consul.answers import refusal
from muster.registry.consul.blocking import Position, give_up_after, held_for, wait_seconds
from muster.registry.consul.client import Request
from muster.registry.consul.config import Config
from muster.registry.consul.entries import UNDECODABLE, InstanceReader, read_names
from muster.registry.consul.slots import shared_slots

A = TypeVar("A")

_NAMES = "/v1/catalog/services"

_LARGE = 256 * 1024
"""Bytes from which on an answer is decoded in a thread: it takes milliseconds, and the loop has calls to serve."""


class ConsulDiscovery:
    """Reads from one datacenter, with nothing for its name from the agents' own. Lets queries block for `wait`."""

    def __init__(self, agents: Agents, config: Config, datacenter: str = "", wait: float | None = None) -> None:
        self._agents = agents
        self._config = config
        self._datacenter = datacenter
        self._wait = wait or config.reading.wait
        self._rng = Random()
        self._slots = shared_slots(config.addresses, config.reading.queries)

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        path = f"/v1/health/service/{_segment(name)}"
        query = _Query(path, rights.reading_rules(name), InstanceReader(name).read)
        async with aclosing(self._follow(query)) as readings:
            async for reading in readings:
                if not reading.anybody:
                    await self._verify_absence(name)
                yield Known(name, reading.instances, (), reading.set_aside) if reading.anybody else Absent(name)

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        async with aclosing(self._follow(_Query(_NAMES, rights.every_service_rule(), read_names))) as answers:
            async for names in answers:
                if not names:
                    await self._verify_absence("")
                yield names

    async def _follow(self, query: _Query[A]) -> AsyncGenerator[A, None]:
        """What the query finds, at once and then whenever it may have changed. Nothing is asked between two steps."""
        clock = asyncio.get_running_loop().time
        position = Position()
        with self._slots.claim() as claim:
            while True:
                blocks = claim.blocks()
                polls = position.index and not blocks
                pause = claim.pause(self._config.reading.poll, self._rng) if polls else position.pause(self._rng)
                await asyncio.sleep(pause)
                asked = clock()
                claim.asks(held_for(self._wait) if blocks and position.index else 0.0)
                answer = await self._ask(query, position.index if blocks else 0)
                claim.asks(0.0)
                early = blocks and clock() - asked < self._wait / 2
                position = position.after(answer.index, early=early)
                yield await _decoded(answer, query.read)

    async def _ask(self, query: _Query[A], index: int) -> HTTPAnswer:
        """An answer that is young enough, and whole. Raises Denied for one that lacks what the token may not see."""
        reading = self._config.reading
        answer = await self._agents.read(self._request(query.path, index, stale=reading.stale), query.rule)
        if reading.stale and answer.older_than(reading.max_stale):
            answer = await self._agents.read(self._request(query.path, 0, stale=False), query.rule)
        if answer.filtered:
            raise Denied(f"Consul at {answer.agent} left out of its answer what the token may not see", rule=query.rule)
        return answer

    def _request(self, path: str, index: int, *, stale: bool) -> Request:
        reading = self._config.reading
        wait = wait_seconds(self._wait, self._rng)
        seconds = give_up_after(wait, reading.timeout) if index else reading.timeout
        params = [("dc", self._datacenter)] if self._datacenter else []
        params += [("stale", "")] if stale else []
        return Request("GET", path, seconds, tuple(params), index=index, wait=wait)

    async def _verify_absence(self, name: str) -> None:
        """Raises Denied where "nobody" only means that the token may not see them; an empty name stands for all names.

        Before 1.11 Consul gives an empty list to a token without rights, and nothing else that tells. So it is asked
        what the token may do. An agent that cannot say has no access rules.
        """
        request = Request("POST", rights.AUTHORIZE, self._config.reading.timeout, body=rights.question(name))
        answer = await self._agents.ask(request)
        if answer.status == 403 or answer.status >= 500:
            raise refusal(answer, rights.reading_rules(name))
        refused = await _decoded(answer, rights.refused) if answer.status == 200 else frozenset[str]()
        if "service" in refused:
            rule = rights.reading_rules(name) if name else rights.every_service_rule()
            raise Denied(f"Consul at {answer.agent} shows nothing to this token", rule=rule)
        if "node" in refused and name and await self._is_listed(name):
            text = f"Consul at {answer.agent} knows {name!r}, but does not show its nodes to this token"
            raise Denied(text, rule=rights.every_node_rule())

    async def _is_listed(self, name: str) -> bool:
        """Whether the list of names, for which no right on nodes is needed, has `name`."""
        answer = await self._agents.read(self._request(_NAMES, 0, stale=False), rights.every_service_rule())
        names = await _decoded(answer, read_names)
        return name.lower() in map(str.lower, names)


@dataclass(frozen=True, slots=True)
class _Query(Generic[A]):
    """What to ask, the access rules that it takes, and how the answer is read."""

    path: str
    rule: str
    read: Callable[[bytes], A]


async def _decoded(answer: HTTPAnswer, read: Callable[[bytes], A]) -> A:
    try:
        return await asyncio.to_thread(read, answer.body) if len(answer.body) >= _LARGE else read(answer.body)
    except UNDECODABLE as error:
        text = f"Consul at {answer.agent}: its answer is none of Consul's ({error}): {answer.text[:80]!r}"
        raise RegistryUnavailable(text) from error


def _segment(name: str) -> str:
    """The name as one segment of a path. Raises Rejected for one that Consul takes for another path."""
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise Rejected(f"{name!r} cannot name a service")
    return quote(name, safe="")
