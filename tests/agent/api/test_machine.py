from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_metrics_in_both_formats(agent: Any, ask: Any) -> None:
    await ask(agent.address, "PUT", "/v1/kv/a", "1")
    await ask(agent.address, "PUT", "/v1/session/create")
    await ask(agent.address, "PUT", "/v1/agent/service/register", {"Name": "a", "Check": {"TTL": "60s"}})
    told = (await ask(agent.address, "GET", "/v1/agent/metrics")).json
    gauges = {gauge["Name"].removeprefix("muster_agent_"): gauge["Value"] for gauge in told["Gauges"]}
    assert [gauges[name] for name in ("keys", "sessions", "services", "checks")] == [1, 1, 1, 1]
    assert told.keys() == {"Timestamp", "Gauges", "Points", "Counters", "Samples"}
    text = await ask(agent.address, "GET", "/v1/agent/metrics?format=prometheus")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE muster_agent_keys gauge\nmuster_agent_keys 1\n" in text.text


async def test_the_machine(agent: Any, ask: Any) -> None:
    told = (await ask(agent.address, "GET", "/v1/agent/host")).json
    assert told["Memory"]["total"] > 1 << 20 and told["Host"]["hostname"] and told["Errors"] is None


async def test_what_there_is_nothing_to_do_for(agent: Any, ask: Any) -> None:
    assert (await ask(agent.address, "PUT", "/v1/agent/reload")).status == 200
    nobody = await ask(agent.address, "PUT", "/v1/agent/force-leave/x")
    assert (nobody.status, nobody.text) == (500, "agent: No node found with name 'x'")
