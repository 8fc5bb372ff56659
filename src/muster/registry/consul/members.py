"""The machines of a Consul cluster, as its gossip has them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from muster.model.errors import RegistryUnavailable
from muster.registry.consul.agents import Agents
from muster.registry.consul.client import Request
from muster.registry.consul.wire import Member

ALIVE = 1
"""Serf's status of a member that answers; others have failed, or have left."""


async def others(agents: Agents, seconds: float) -> int:
    """How many machines besides the agent's own are in its datacenter. Raises RegistryUnavailable and Denied."""
    answer = await agents.read(Request("GET", "/v1/agent/members", seconds), 'agent_prefix "" { policy = "read" }')
    try:
        return other_machines(msgspec.json.decode(answer.body, type=list[Member] | None) or ())
    except msgspec.MsgspecError as error:
        raise RegistryUnavailable(f"Consul at {answer.agent}: its members cannot be understood: {error}") from error


def other_machines(members: Iterable[Member]) -> int:
    """Of any number of members at one address, all but one are agents beside each other on one machine."""
    return max(0, len({member.addr for member in members if member.status == ALIVE}) - 1)
