"""Snapshots: each server takes its own. The files differ, all around them is alike."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

SNAPSHOT = "/v1/snapshot"
_OF_THE_BODY = ("date", "content-length", "transfer-encoding", "x-consul-index")


def framed(reply: Any) -> tuple[int, dict[str, str]]:
    return reply.status, {name: value.lower() for name, value in reply.headers.items() if name not in _OF_THE_BODY}


async def test_what_is_said_beside_the_file(both: Any) -> None:
    for path in (SNAPSHOT, f"{SNAPSHOT}?stale", f"{SNAPSHOT}?dc=dc1"):
        real, ours = await both.each("GET", path)
        assert framed(ours) == framed(real)
        assert ours.index and ours.body[:2] == real.body[:2] == b"\x1f\x8b"
    await both.ask("GET", f"{SNAPSHOT}?dc=nowhere")
    await both.ask("PUT", f"{SNAPSHOT}?dc=nowhere", b"")
    await both.ask("POST", SNAPSHOT, b"")


async def test_each_restores_its_own_and_refuses_what_is_none(both: Any) -> None:
    for body in (b"", b"garbage", b"\x1f\x8b"):
        real, ours = await both.each("PUT", SNAPSHOT, body)
        assert framed(ours) == framed(real)
    for address in (both.real, both.agent):
        await both.send(address, "PUT", "/v1/kv/snapshot", b"1")
        saved = await both.send(address, "GET", SNAPSHOT)
        await both.send(address, "PUT", "/v1/kv/snapshot", b"2")
        restored = await both.send(address, "PUT", SNAPSHOT, saved.body)
        assert (restored.status, restored.body) == (200, b"")
        assert (await both.send(address, "GET", "/v1/kv/snapshot?raw")).body == b"1"
    await both.each("DELETE", "/v1/kv/snapshot")


async def test_a_restore_answers_who_waits_for_a_key_that_is_older_again(both: Any) -> None:
    """Consul answers with what was there before, the agent with what is there now: a client asks again in any case."""
    for address in (both.real, both.agent):
        await both.send(address, "PUT", "/v1/kv/restored", b"1")
        saved = await both.send(address, "GET", SNAPSHOT)
        await both.send(address, "DELETE", "/v1/kv/restored")
        known = (await both.send(address, "GET", "/v1/kv/restored")).index
        done: set[asyncio.Task[Any]] = set()
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(both.send(address, "GET", f"/v1/kv/restored?index={known}&wait=20s"))
            while not done:  # again and again: nothing tells when it has begun to wait
                await both.send(address, "PUT", SNAPSHOT, saved.body)
                done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert waiting.result().index <= known
    assert waiting.result().json[0]["Value"] == "MQ=="
    await both.each("DELETE", "/v1/kv/restored")
