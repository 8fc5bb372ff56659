"""Nearly right requests, to both: where Consul blames the client, or has an answer, the agent does not blame itself.

MUSTER_FUZZ=20000 pytest --timeout=0 tests/conformance/test_any_request.py      so many sequences, of 4.5 on average
"""

from __future__ import annotations

import asyncio
import http.client
from urllib.parse import quote

import pytest
from tests.agent.strangers import Asked, sequences, tried

from muster.agent import Agent
from muster.testing.servers import ConsulServer

pytestmark = pytest.mark.anyio

_APART = ("leave", "monitor", "snapshot", "agent/connect", "connect/ca", "intentions", "discovery-chain", "keyring")
"""They end the agent, have no end, are each one's own, or are refused whatever they bring (see test_connect.py)."""
_WAITING = ("index", "hash")


async def test_the_agent_fails_at_nothing_that_consul_does_not(own_consul: ConsulServer, agent: Agent) -> None:
    found = await asyncio.to_thread(_compared, own_consul.address, agent.address)
    assert found == []


def _compared(real: str, ours: str) -> list[tuple[Asked, int, int]]:
    """The requests that the agent answered with 5xx and Consul did not, with both statuses."""
    theirs, mine = http.client.HTTPConnection(real, timeout=20), http.client.HTTPConnection(ours, timeout=20)
    different = []
    for asked in (asked for sequence in sequences(2, tried(120)) for asked in sequence):
        if any(part in asked.path for part in _APART) or any(part in asked.query for part in _WAITING):
            continue
        status, expected = _status(mine, asked), _status(theirs, asked)
        if status >= 500 > expected > 0:
            different.append((asked, status, expected))
    theirs.close()
    mine.close()
    return different


def _status(connection: http.client.HTTPConnection, asked: Asked) -> int:
    """0 for a connection that was ended in place of an answer, as Go does before it has read a body."""
    target = quote(asked.path, safe="/%") + (f"?{asked.query}" if asked.query else "")
    headers = {name: value for name, value in asked.headers if value.isprintable()}
    try:
        connection.request(asked.method, target, asked.body, headers)
        answer = connection.getresponse()
        answer.read()
    except (ConnectionError, http.client.RemoteDisconnected):
        connection.close()
        return 0
    return answer.status
