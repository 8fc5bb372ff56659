"""A snapshot: what is in one, what is taken for none, and what a restored one does."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.agent.store.test_durable import Ask, everything, fill, running
from tests.asking import ask as ask
from tests.asking import waiting_at

from muster.agent import Agent
from muster.agent.store.coding import Coded
from muster.agent.store.snapshot import BadSnapshot, Snapshot, packed, unpacked

pytestmark = pytest.mark.anyio

SNAPSHOT = Snapshot(7, [Coded("pairs", b"key", b"\x00row"), Coded("nodes", b"", b"")])
TABLES = (
    "/v1/catalog/node/elsewhere",
    "/v1/kv/?recurse",
    "/v1/session/list",
    "/v1/catalog/nodes",
    "/v1/catalog/services",
)


def test_what_was_packed_is_unpacked() -> None:
    assert unpacked(packed(SNAPSHOT)) == SNAPSHOT


def test_every_file_that_differs_in_a_byte_or_ends_early_is_refused() -> None:
    data = packed(SNAPSHOT)
    for at in range(len(data)):
        with pytest.raises(BadSnapshot):
            unpacked(data[:at])
    content = gzip.decompress(data)
    for at in range(len(content)):
        with pytest.raises(BadSnapshot):
            unpacked(gzip.compress(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off"),
        (b"garbage", "failed to decompress it"),
        (gzip.compress(b"meta.json", mtime=0), "no snapshot of muster"),
        (packed(SNAPSHOT) + b"more", "something behind it"),
    ],
    ids=["empty", "no gzip", "another's", "too long"],
)
def test_what_is_no_snapshot_says_why(data: bytes, why: str) -> None:
    with pytest.raises(BadSnapshot, match=why):
        unpacked(data)


async def seen(agent: Agent, ask: Ask) -> list[Any]:
    return [(await ask(agent.address, "GET", path)).json for path in TABLES]


async def test_a_restored_snapshot_is_what_there_was_and_is_kept(tmp_path: Path, ask: Ask) -> None:
    async with running(tmp_path) as agent:
        await fill(agent, ask)
        before = await seen(agent, ask)
        saved = await ask(agent.address, "GET", "/v1/snapshot")
        assert (saved.status, saved.headers["content-type"]) == (200, "application/x-gzip")
        await ask(agent.address, "DELETE", "/v1/kv/?recurse")
        await ask(agent.address, "PUT", "/v1/kv/later", b"x")
        await ask(agent.address, "PUT", "/v1/catalog/deregister", {"Node": "elsewhere"})
        await ask(agent.address, "PUT", "/v1/agent/service/register", {"Name": "later"})
        restored = await ask(agent.address, "PUT", "/v1/snapshot", saved.body)
        assert (restored.status, restored.body) == (200, b"")
        after = await seen(agent, ask)
        assert after[:4] == before[:4]
        # what is registered with the agent stays so, whatever a snapshot has
        assert after[4] == before[4] | {"later": []}
        now = await everything(agent, ask)
    async with running(tmp_path) as agent:
        assert await everything(agent, ask) == now


async def test_another_agent_takes_it_as_its_own(ask: Ask) -> None:
    async with Agent(http="127.0.0.1:0", node="n") as one, Agent(http="127.0.0.1:0", node="n") as other:
        await fill(one, ask)
        saved = await ask(one.address, "GET", "/v1/snapshot")
        own = (await ask(other.address, "GET", "/v1/agent/self")).json["Config"]["NodeID"]
        assert (await ask(other.address, "PUT", "/v1/snapshot", saved.body)).status == 200
        assert (await ask(other.address, "GET", "/v1/kv/?recurse")).json == (
            await ask(one.address, "GET", "/v1/kv/?recurse")
        ).json
        nodes = (await ask(other.address, "GET", "/v1/catalog/nodes")).json
        assert {node["Node"]: node["ID"] for node in nodes} == {"n": own, "elsewhere": ""}


async def test_a_restore_wakes_who_waits(agent: Agent, ask: Ask) -> None:
    paths = ("/v1/kv/a?recurse", "/v1/health/service/none?x", "/v1/catalog/services?x", "/v1/session/list?x")
    await ask(agent.address, "PUT", "/v1/kv/a", b"1")
    saved = await ask(agent.address, "GET", "/v1/snapshot")
    indexes = [(await ask(agent.address, "GET", path)).index for path in paths]
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        waiting = [
            tasks.create_task(ask(agent.address, "GET", f"{path}{'&' if '?' in path else '?'}index={index}&wait=60s"))
            for path, index in zip(paths, indexes, strict=True)
        ]
        await waiting_at(ask, agent.address, 4)
        await ask(agent.address, "PUT", "/v1/snapshot", saved.body)
        for reply, index in zip(await asyncio.gather(*waiting), indexes, strict=True):
            assert reply.index > index


async def test_a_bad_file_changes_nothing(agent: Agent, ask: Ask) -> None:
    await ask(agent.address, "PUT", "/v1/kv/a", b"1")
    saved = (await ask(agent.address, "GET", "/v1/snapshot")).body
    before = await everything(agent, ask)
    foreign = packed(Snapshot(1, [Coded("stones", b"\xa1a", b"\x80")]))
    for body in (b"", b"garbage", saved[:-1], gzip.compress(b"x" * 10), foreign):
        refused = await ask(agent.address, "PUT", "/v1/snapshot", body)
        assert refused.status == 500
        assert refused.text.startswith("failed to read snapshot file: ")
    assert await everything(agent, ask) == before


async def test_a_snapshot_may_be_larger_than_other_requests(agent: Agent, ask: Ask) -> None:
    for number in range(12):
        await ask(agent.address, "PUT", f"/v1/kv/{number}", Random(number).randbytes(500_000))
    saved = (await ask(agent.address, "GET", "/v1/snapshot")).body
    assert len(saved) > 5 << 20
    await ask(agent.address, "DELETE", "/v1/kv/?recurse")
    assert (await ask(agent.address, "PUT", "/v1/snapshot", saved)).status == 200
    assert len((await ask(agent.address, "GET", "/v1/kv/?keys")).json) == 12
