"""User events, and what a cluster of one says of itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.asking import waiting_at

pytestmark = pytest.mark.anyio

FIRE = "/v1/event/fire/"


async def test_events_are_fired_alike(both: Any) -> None:
    for path, body in (
        ("", None),
        ("like", "payload"),
        ("like?node=a&service=b&tag=c", None),
        ("like?node=(", None),
        ("like?tag=x", None),
        ("like?dc=nowhere", None),
        ("big", "x" * 600),
    ):
        await both.ask("PUT", FIRE + path, body)
    await both.settled("/v1/event/list?name=like", lambda events: len(events) == 1)
    real, ours = await both.each("GET", "/v1/event/list?name=like")
    (theirs,), (event,) = real.json, ours.json
    assert theirs | {"ID": "", "LTime": 0} == event | {"ID": "", "LTime": 0}
    for reply in (real, ours):
        high, low = (int(half, 16) for half in split(reply.json[0]["ID"]))
        assert reply.index == high ^ low
    await both.ask("GET", "/v1/event/list?name=none")
    await both.ask("GET", "/v1/event/list?index=x")


def split(event_id: str) -> tuple[str, str]:
    digits = event_id.replace("-", "")
    return digits[:16], digits[16:]


async def test_a_new_event_ends_a_wait(agent: Any, ask: Any) -> None:
    index = (await ask(agent.address, "GET", "/v1/event/list?name=news")).index
    for payload in ("one", "two"):
        async with asyncio.TaskGroup() as group:
            path = f"/v1/event/list?name=news&index={index}&wait=20s"
            waiting = group.create_task(ask(agent.address, "GET", path))
            await waiting_at(ask, agent.address)
            await ask(agent.address, "PUT", f"{FIRE}other", "x")
            await ask(agent.address, "PUT", f"{FIRE}news", payload)
        assert waiting.result().index != index
        index = waiting.result().index


async def test_a_cluster_of_one(both: Any) -> None:
    await both.settled("/v1/operator/autopilot/health", lambda found: found["Servers"])
    for path in ("operator/raft/configuration", "operator/autopilot/configuration", "operator/autopilot/health"):
        real, ours = await both.each("GET", f"/v1/{path}")
        assert shape(ours.json) == shape(real.json)
        await both.ask("GET", f"/v1/{path}?dc=nowhere")
    for path in ("operator/raft/peer", "operator/raft/peer?address=1.1.1.1:1"):
        await both.ask("DELETE", f"/v1/{path}")
    for path in ("coordinate/datacenters", "coordinate/node/nowhere", "acl/tokens", "acl/bootstrap", "acl/policy/x"):
        await both.ask("GET", f"/v1/{path}")
    await both.ask("PUT", "/v1/agent/token/default", {})
    node = (await ours_of(both, "/v1/agent/self"))["Config"]["NodeName"]
    found = await ours_of(both, f"/v1/coordinate/node/{node}")
    assert found == await ours_of(both, "/v1/coordinate/nodes")
    assert found[0]["Node"] == node and found[0].keys() == {"Node", "Segment", "Coord"}


async def ours_of(both: Any, path: str) -> Any:
    return (await both.each("GET", path))[1].json


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items())}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__
