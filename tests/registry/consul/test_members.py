"""Whether a Consul agent is one of a cluster, or this machine's own."""

from __future__ import annotations

import asyncio

import pytest

from muster.model.errors import RegistryUnavailable
from muster.registry.consul import from_url
from muster.registry.consul.members import other_machines
from muster.registry.consul.wire import Member
from muster.testing.scripted import Scripted, answer
from muster.testing.servers import ConsulServer


@pytest.mark.parametrize(
    ("members", "others"),
    [
        ([], 0),
        ([("127.0.0.1", 1)], 0),
        ([("10.0.0.1", 1), ("10.0.0.1", 1)], 0),
        ([("10.0.0.1", 1), ("10.0.0.2", 4), ("10.0.0.3", 3)], 0),
        ([("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.3", 1), ("10.0.0.3", 1)], 2),
    ],
)
def test_members_that_live_at_other_addresses_are_other_machines(members: list[tuple[str, int]], others: int) -> None:
    assert other_machines(Member(addr=addr, status=status) for addr, status in members) == others


@pytest.mark.anyio
async def test_an_answer_that_makes_no_sense() -> None:
    async with Scripted([answer('{"Name": 7}')]) as server, from_url(f"consul://{server.address}", {}) as registry:
        with pytest.raises(RegistryUnavailable, match="its members cannot be understood"):
            await registry.others()


@pytest.mark.anyio
async def test_a_real_agent_alone_and_joined(own_consul: ConsulServer, consul_binary: str) -> None:
    async with from_url(own_consul.url, {}) as registry:
        assert await registry.others() == 0
        with ConsulServer(consul_binary, "-bind=127.0.0.2", "-node=n2") as other:
            port = other.ask("/v1/agent/self")["Member"]["Port"]
            own_consul.ask(f"/v1/agent/join/127.0.0.2:{port}", method="PUT")
            async with asyncio.timeout(30):
                while await registry.others() != 1:
                    await asyncio.sleep(0.05)
