"""What was acknowledged is there after SIGKILL, at any moment; what was not is there whole or not at all.

MUSTER_KILLS says how often the agent is killed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from tests.agent.store.agents import Agents, agents

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("MUSTER_KILLS", "40"))


@dataclass
class Known:
    """What a writer knows: the number that was acknowledged last, and the one that it wrote last."""

    acknowledged: int = 0
    written: int = 0

    def agrees(self, number: int) -> bool:
        return self.acknowledged <= number <= self.written


@dataclass
class Client:
    """Writes numbers that only grow, each writer in a place of its own, until the agent is gone."""

    http: aiohttp.ClientSession
    known: dict[str, Known]
    numbers: Iterator[int]

    async def put(self, path: str, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.put(path, data=data) as response:
            assert response.status == 200, await response.text()
            return await response.json(content_type=None)

    async def get(self, path: str) -> Any:
        async with self.http.get(path) as response:
            return await response.json(content_type=None)

    async def keep_writing(self, name: str, write: Callable[[Client, int], Awaitable[object]]) -> None:
        known = self.known.setdefault(name, Known())
        try:
            while True:
                known.written = next(self.numbers)
                await write(self, known.written)
                known.acknowledged = known.written
        except aiohttp.ClientError:
            """Killed."""


async def write_key(client: Client, number: int) -> None:
    await client.put("/v1/kv/key", b"%d" % number)


async def write_large_key(client: Client, number: int) -> None:
    await client.put("/v1/kv/large", b"%d" % number + b" " * 100_000)


async def write_two_keys(client: Client, number: int) -> None:
    operations = [{"KV": {"Verb": "set", "Key": key, "Value": "", "Flags": number}} for key in ("two/a", "two/b")]
    await client.put("/v1/txn", operations)


async def register(client: Client, number: int) -> None:
    check = {"TTL": "1h", "Status": "passing"}
    await client.put("/v1/agent/service/register", {"Name": "web", "Port": number, "Check": check})


async def take_turns(client: Client, number: int) -> None:
    """Another instance each time; the one before goes."""
    await client.put("/v1/agent/service/register", {"Name": "turns", "ID": f"turn-{number}", "Port": number})
    for service_id in await client.get("/v1/agent/services"):
        if service_id.startswith("turn-") and service_id != f"turn-{number}":
            await client.put(f"/v1/agent/service/deregister/{service_id}", b"")


async def lock(client: Client, number: int) -> None:
    session = (await client.put("/v1/session/create", {"Name": "s"}))["ID"]
    assert await client.put(f"/v1/kv/lock/{number}?acquire={session}", b"%d" % number)


WRITERS = {
    "key": write_key,
    "large": write_large_key,
    "two": write_two_keys,
    "web": register,
    "turns": take_turns,
    "lock": lock,
}


async def found(client: Client) -> dict[str, int]:
    """The number that each writer's place has now. Asserts that nothing is there by half."""
    pairs = {pair["Key"]: pair for pair in await client.get("/v1/kv/?recurse") or []}
    services = await client.get("/v1/agent/services")
    turns = sorted(service["Port"] for service in services.values() if service["Service"] == "turns")
    locks = sorted(int(key.removeprefix("lock/")) for key in pairs if key.startswith("lock/"))
    sessions = {session["ID"] for session in await client.get("/v1/session/list")}
    assert {pairs[f"lock/{number}"]["Session"] for number in locks} <= sessions
    both = [pairs[key]["Flags"] for key in ("two/a", "two/b") if key in pairs]
    assert len(set(both)) <= 1 and len(both) in (0, 2)
    await _catalog_agrees(client, services)
    values = {key: pairs[key]["Value"] for key in ("key", "large") if key in pairs}
    numbers = {key: int(base64.b64decode(value)) for key, value in values.items()}
    return numbers | {
        "two": both[0] if both else 0,
        "web": services["web"]["Port"] if "web" in services else 0,
        "turns": turns[-1] if turns else 0,
        "lock": locks[-1] if locks else 0,
    }


async def _catalog_agrees(client: Client, services: dict[str, Any]) -> None:
    """What the agent looks after is in the catalog, with its checks, and nothing else is."""
    (entries, web) = [await client.get(f"/v1/health/service/{name}") for name in ("turns", "web")]
    in_catalog = {entry["Service"]["ID"]: entry["Service"]["Port"] for entry in (*entries, *web)}
    assert in_catalog == {service_id: service["Port"] for service_id, service in services.items()}
    for entry in web:
        assert [check["Status"] for check in entry["Checks"] if check["ServiceID"]] == ["passing"]


async def write_until_killed(starter: Agents, directory: Path, known: dict[str, Known], seconds: float) -> int:
    """One life of an agent. Returns the index that it began with."""
    agent = starter.start(directory)
    async with aiohttp.ClientSession(f"http://{agent.address}") as http:
        client = Client(http, known, count(max((one.written for one in known.values()), default=0) + 1))
        there = await found(client)
        for name, one in known.items():
            assert one.agrees(there.get(name, 0)), f"{name} is at {there.get(name, 0)}, should be {one}"
            one.acknowledged = there.get(name, 0)
        async with http.get("/v1/catalog/nodes") as response:
            index = int(response.headers["x-consul-index"])
        async with asyncio.TaskGroup() as tasks:
            for name, write in WRITERS.items():
                tasks.create_task(client.keep_writing(name, write))
            await asyncio.sleep(seconds)
            agent.kill()
    return index


async def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    rng, known, indexes = Random(4), dict[str, Known](), []
    lost_in_flight = 0
    with agents() as starter:
        for _ in range(KILLS + 1):
            indexes.append(await write_until_killed(starter, tmp_path / "data", known, rng.random() * 0.1))
            lost_in_flight += sum(one.written > one.acknowledged for one in known.values())
    assert indexes == sorted(set(indexes)), "an index was given twice"
    assert known.keys() == WRITERS.keys()
    assert lost_in_flight > KILLS, "it was killed while nothing was under way"
    assert min(one.acknowledged for one in known.values()) > KILLS, "next to nothing was written"
