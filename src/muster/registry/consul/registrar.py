"""Writing to Consul: read first, write only what differs, always at the agent that holds the registration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec

from muster.model.check import CheckState
from muster.model.errors import NotRegistered, RegistryUnavailable, Rejected
from muster.model.service import Registration
from muster.registry.consul import mapping
from muster.registry.consul.agents import Agents
from muster.registry.consul.answers import Answer, accepted, names_nothing
from muster.registry.consul.client import Client, Request
from muster.registry.consul.entries import UNDECODABLE
from muster.registry.consul.rights import service_rule
from muster.registry.consul.wire import AgentService, CheckUpdate, HealthCheck, ServiceRegistration

T = TypeVar("T")

_SERVICE = "/v1/agent/service"
_CHECK = "/v1/agent/check"


class ConsulRegistrar:
    """The Registrar half of `Consul`. `seconds` bounds each request; `registry` is the URL for texts."""

    def __init__(self, agents: Agents, seconds: float, registry: str) -> None:
        self._agents = agents
        self._seconds = seconds
        self._registry = registry

    async def register(self, registration: Registration) -> None:
        registration.validate()
        wanted = mapping.to_wire(registration)
        rule = service_rule(wanted.name, "write")
        answer = await self._agents.settle(wanted.id, self._request("GET", f"{_SERVICE}/{_segment(wanted.id)}"))
        agent = self._agents.home(wanted.id)
        if answer.status == 404:
            await self._put_service(agent, wanted, rule)
            return
        held = _decoded(accepted(answer, rule), AgentService)
        if held.service.lower() != wanted.name.lower():
            raise Rejected(f"instance id {wanted.id!r} is taken by an instance of {held.service!r} at Consul {agent}")
        await self._update(agent, wanted, held, rule)

    async def deregister(self, instance_id: str) -> None:
        agent = self._agents.home(instance_id)
        answer = await agent.write(self._request("PUT", f"{_SERVICE}/deregister/{_segment(instance_id)}"))
        if not names_nothing(answer):
            accepted(answer, _ANY_WRITE)
        self._agents.forget(instance_id)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        agent = self._agents.home(instance_id)
        check = mapping.check_id(instance_id, state.name)
        answer = await self._put_status(agent, check, state.health.value, state.output)
        if names_nothing(answer):
            raise NotRegistered(instance_id, self._registry)
        accepted(answer, _ANY_WRITE)

    async def _update(self, agent: Client, wanted: ServiceRegistration, held: AgentService, rule: str) -> None:
        checks = await self._checks_of(agent, wanted.id, rule)
        if mapping.differs(wanted, held, checks):
            await self._put_service(agent, wanted, rule)
        for check in mapping.unwanted(wanted, checks):
            answer = await agent.write(self._request("PUT", f"{_CHECK}/deregister/{_segment(check)}"))
            if not names_nothing(answer):
                accepted(answer, rule)
        for check in mapping.expired(wanted, checks):
            accepted(await self._put_status(agent, check, "passing", ""), rule)

    async def _put_service(self, agent: Client, wanted: ServiceRegistration, rule: str) -> None:
        accepted(await agent.write(self._request("PUT", f"{_SERVICE}/register", msgspec.json.encode(wanted))), rule)

    async def _put_status(self, agent: Client, check: str, status: str, output: str) -> Answer:
        body = msgspec.json.encode(CheckUpdate(status=status, output=output))
        return await agent.repeat(self._request("PUT", f"{_CHECK}/update/{_segment(check)}", body))

    async def _checks_of(self, agent: Client, instance_id: str, rule: str) -> Mapping[str, HealthCheck]:
        """The agent's checks of the instance, by id.

        All of the agent's checks are asked for: a filter would be one more thing that an agent may not know, and this
        happens only when an instance that the agent holds registers again.
        """
        answer = await agent.write(self._request("GET", "/v1/agent/checks"))
        checks = _decoded(accepted(answer, rule), dict[str, HealthCheck])
        return {key: check for key, check in checks.items() if check.service_id == instance_id}

    def _request(self, method: str, path: str, body: bytes | None = None) -> Request:
        return Request(method, path, self._seconds, body=body)


_ANY_WRITE = 'service "NAME" { policy = "write" }'
"""The missing rule where only the instance's id is known, and Consul's text does not tell its name."""


def _decoded(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except UNDECODABLE as error:
        raise RegistryUnavailable(f"Consul at {answer.agent}: its answer is none of Consul's: {error}") from error


def _segment(text: str) -> str:
    return quote(text, safe="")
