"""What people on call do to an instance that runs: take it out of service, give it another share of the calls."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from muster.model.errors import NotRegistered, RegistryUnavailable
from muster.registry.consul.agents import Agents
from muster.registry.consul.answers import Answer, accepted, names_nothing
from muster.registry.consul.client import Request
from muster.registry.consul.entries import UNDECODABLE
from muster.registry.consul.rights import service_rule
from muster.registry.weight import when_warning

_SERVICE = "/v1/agent/service"

_READ_ONLY = frozenset({"Service", "ContentHash", "Datacenter", "Weights", "CreateIndex", "ModifyIndex"})
"""What an agent tells of an instance and does not take."""


class Operations:
    """Changes of instances that somebody else registered, at the agent that holds them: the first of `agents` that can
    be connected to. `registry` is the URL for texts."""

    def __init__(self, agents: Agents, seconds: float, registry: str) -> None:
        self._agents = agents
        self._seconds = seconds
        self._registry = registry

    async def drain(self, instance_id: str, reason: str) -> None:
        """Put it in maintenance: every reader takes it for critical, and its checks go on. Raises NotRegistered."""
        await self._maintain(instance_id, ("enable", "true"), ("reason", reason))

    async def restore(self, instance_id: str) -> None:
        """End the maintenance. Raises NotRegistered."""
        await self._maintain(instance_id, ("enable", "false"))

    async def weigh(self, instance_id: str, weight: int) -> None:
        """Give it another weight until it registers anew; all else of it stays as it is. Raises NotRegistered."""
        held = _service(await self._found(instance_id), self._registry)
        wanted = {key: value for key, value in held.items() if key not in _READ_ONLY}
        wanted |= {"Name": held["Service"], "Weights": {"Passing": weight, "Warning": when_warning(weight)}}
        request = Request("PUT", f"{_SERVICE}/register", self._seconds, body=msgspec.json.encode(wanted))
        await self._write(instance_id, request, held["Service"])

    async def _maintain(self, instance_id: str, *params: tuple[str, str]) -> None:
        held = _service(await self._found(instance_id), self._registry)
        path = f"{_SERVICE}/maintenance/{_segment(instance_id)}"
        await self._write(instance_id, Request("PUT", path, self._seconds, params), held["Service"])

    async def _found(self, instance_id: str) -> Answer:
        path = f"{_SERVICE}/{_segment(instance_id)}"
        answer = await self._agents.settle(instance_id, Request("GET", path, self._seconds))
        if names_nothing(answer) or answer.status == 404:
            self._agents.forget(instance_id)
            raise NotRegistered(instance_id, str(answer.agent))
        return answer

    async def _write(self, instance_id: str, request: Request, name: str) -> None:
        accepted(await self._agents.home(instance_id).write(request), service_rule(name, "write"))


def _service(answer: Answer, registry: str) -> dict[str, Any]:
    """The instance as the agent tells it, with whatever newer versions of Consul have added."""
    try:
        held = msgspec.json.decode(accepted(answer, service_rule("NAME", "read")).body, type=dict[str, Any])
        if isinstance(held.get("Service"), str):
            return held
    except UNDECODABLE as error:
        raise RegistryUnavailable(
            f"{registry}: Consul at {answer.agent} did not answer as Consul does: {error}"
        ) from error
    raise RegistryUnavailable(f"{registry}: Consul at {answer.agent} did not answer as Consul does: no service in it")


def _segment(text: str) -> str:
    return quote(text, safe="")
