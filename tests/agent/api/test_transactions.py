"""What is this agent's own in transactions; tests/conformance compares the rest with a real Consul."""

from __future__ import annotations

from typing import Any

import pytest
from tests.asking import Ask
from tests.asking import ask as ask

from muster.agent import Agent

pytestmark = pytest.mark.anyio


async def test_what_the_agent_looks_after_is_put_back(agent: Agent, ask: Ask) -> None:
    await ask(agent.address, "PUT", "/v1/agent/service/register", {"Name": "web", "Check": {"TTL": "1h"}})
    node = (await ask(agent.address, "GET", "/v1/agent/self")).json["Config"]["NodeName"]
    operations: list[Any] = [
        {"Service": {"Verb": "delete", "Node": node, "Service": {"Service": "web"}}},
        {"Check": {"Verb": "delete", "Check": {"Node": node, "CheckID": "serfHealth"}}},
        {"Node": {"Verb": "delete", "Node": {"Node": node}}},
    ]
    for operation in operations:
        assert (await ask(agent.address, "PUT", "/v1/txn", [operation])).status == 200
        (entry,) = (await ask(agent.address, "GET", "/v1/health/service/web")).json
        assert {check["CheckID"] for check in entry["Checks"]} == {"serfHealth", "service:web"}


async def test_a_lock_waits_for_the_delay_after_a_session_that_was_ended(agent: Agent, ask: Ask) -> None:
    await ask(agent.address, "PUT", "/v1/agent/check/register", {"Name": "up", "TTL": "1h", "Status": "passing"})
    bodies: list[Any] = [{"Checks": ["up"], "LockDelay": "60s"}, {"Checks": []}]
    first, second = [(await ask(agent.address, "PUT", "/v1/session/create", body)).json["ID"] for body in bodies]

    async def lock(session: str) -> Any:
        return await ask(agent.address, "PUT", "/v1/txn", [{"KV": {"Verb": "lock", "Key": "k", "Session": session}}])

    assert (await lock(first)).status == 200
    assert (await lock(second)).json["Errors"][0]["What"] == 'failed to lock key "k", lock is already held'
    await ask(agent.address, "PUT", "/v1/agent/check/fail/up")
    assert (await lock(second)).json["Errors"][0]["What"] == 'failed to lock key "k" due to lock delay'
