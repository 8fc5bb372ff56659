"""Clients of Consul, unmodified, as their users run them: against the agent, and against a real Consul.

programs/    one program a client; each takes the server's address, and ends with 0 if everything was as it must be
go/, npm/    what Go and npm need to know of their clients

scripts/clients fetches them. What passes against the agent alone proves little, so each runs against a Consul as well.
"""

from __future__ import annotations

import pytest

from muster.testing import RunningAgent


@pytest.fixture(params=["agent", "consul"])
def server(request: pytest.FixtureRequest) -> str:
    """`host:port` of an agent or of a real Consul, which nobody else uses meanwhile."""
    if request.param == "consul":
        return str(request.getfixturevalue("own_consul").address)
    agent: RunningAgent = request.getfixturevalue("muster_agent")
    return agent.address
