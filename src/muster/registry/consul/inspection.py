"""What an agent tells of itself and of the instances that it holds: for `muster doctor`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from muster.model.errors import Denied, RegistryUnavailable
from muster.registry.consul import rights
from muster.registry.consul.agents import Agents
from muster.registry.consul.answers import Answer
from muster.registry.consul.client import Request
from muster.registry.consul.entries import UNDECODABLE
from muster.registry.consul.mapping import MUSTER
from muster.registry.consul.wire import AgentSelf, AgentService, HealthCheck

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """An instance that the agent holds. `ours`: muster registered it. `failing`: outputs by the names of its checks."""

    id: str
    service: str
    host: str
    port: int
    ours: bool
    failing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Inspection:
    """`seconds`: how long the agent took to answer. `ahead`: seconds by which its clock is ahead of ours, to about a
    second; None if it does not tell. `lacking`: the rules that the token lacks to read every service. `held` is None
    where the token may not see what the agent holds."""

    agent: str
    node: str
    version: str
    leader: str
    seconds: float
    ahead: float | None
    lacking: tuple[str, ...]
    held: tuple[Held, ...] | None


async def inspect(agents: Agents, seconds: float) -> Inspection:
    """Ask the agent that reads go to. Raises RegistryUnavailable, and Denied if the token may not read the agent."""
    began = time.monotonic()
    leader = await agents.read(Request("GET", "/v1/status/leader", seconds), "")
    took = time.monotonic() - began
    told = await agents.read(Request("GET", "/v1/agent/self", seconds), 'agent_prefix "" { policy = "read" }')
    config = _decoded(told, AgentSelf).config
    return Inspection(
        agent=told.agent,
        node=config.node_name,
        version=config.version,
        leader=_decoded(leader, str),
        seconds=took,
        ahead=ahead(leader.headers.get("Date", ""), time.time()),
        lacking=await _lacking(agents, seconds),
        held=await _held(agents, seconds),
    )


def ahead(date: str, now: float) -> float | None:
    """By how many seconds the clock that wrote the HTTP date is ahead of `now`; the date was cut to whole seconds."""
    try:
        behind = now - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return 0.0 if 0 <= behind < 1 else -behind


def held(services: Mapping[str, AgentService], checks: Mapping[str, HealthCheck]) -> tuple[Held, ...]:
    """The instances, by name and id, with those of their checks that do not pass."""
    failing: dict[str, dict[str, str]] = {}
    for check in checks.values():
        if check.status != "passing":
            failing.setdefault(check.service_id, {})[check.name] = check.output or check.notes
    found = (
        Held(each.id, each.service, each.address, each.port, MUSTER in (each.meta or {}), failing.get(each.id, {}))
        for each in services.values()
    )
    return tuple(sorted(found, key=lambda each: (each.service, each.id)))


async def _held(agents: Agents, seconds: float) -> tuple[Held, ...] | None:
    rule = rights.every_service_rule()
    try:
        services = await agents.read(Request("GET", "/v1/agent/services", seconds), rule)
        checks = await agents.read(Request("GET", "/v1/agent/checks", seconds), rule)
    except Denied:
        return None
    return held(_decoded(services, dict[str, AgentService]), _decoded(checks, dict[str, HealthCheck]))


async def _lacking(agents: Agents, seconds: float) -> tuple[str, ...]:
    """Nothing where access is not controlled, or the agent does not know the question."""
    answer = await agents.ask(Request("POST", rights.AUTHORIZE, seconds, body=rights.question("")))
    if answer.status != 200:
        return ()
    try:
        refused = rights.refused(answer.body)
    except UNDECODABLE:
        return ()
    rules = {"service": rights.every_service_rule(), "node": rights.every_node_rule()}
    return tuple(rule for resource, rule in rules.items() if resource in refused)


def _decoded(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except UNDECODABLE as error:
        raise RegistryUnavailable(f"{answer.agent} does not answer as Consul does: {error}") from error
