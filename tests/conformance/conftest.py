"""A real Consul and the agent, asked the same, have to answer the same.

Compared are status, headers (which ones, and their values where they do not tell the time or count), and bodies with
the indexes, ids and ports of the two servers masked. Where the agent differs on purpose, test_deviations.py says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import pytest
from tests.asking import ask as ask

from muster.agent import Agent

_TRANSPORT = {"date", "content-length", "transfer-encoding", "connection", "age"}
_MASKED = {"CreateIndex", "ModifyIndex", "ContentHash"}


class Both:
    """A real Consul and the agent, asked the same."""

    def __init__(self, real: str, agent: str, ask: Any) -> None:
        self.real, self.agent, self.send = real, agent, ask

    @staticmethod
    def comparable(reply: Any) -> tuple[int, dict[str, str], Any]:
        """What of an answer the two must have in common."""
        return comparable(reply)

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Asserts that both answer alike; returns what the agent answered, comparably."""
        real = comparable(await self.send(self.real, method, path, body, headers))
        ours = comparable(await self.send(self.agent, method, path, body, headers))
        assert ours == real, f"{method} {path} {body!r}"
        return ours

    async def each(self, method: str, path: str, body: Any = None) -> tuple[Any, Any]:
        """Both answers as they are: the real one, and the agent's."""
        return await self.send(self.real, method, path, body), await self.send(self.agent, method, path, body)

    async def settled(self, path: str, done: Callable[[Any], bool]) -> None:
        """Returns once `done` holds for the body of both."""
        async with asyncio.timeout(30):
            while not all(done(reply.json) for reply in await self.each("GET", path)):
                await asyncio.sleep(0.02)


def comparable(reply: Any) -> tuple[int, dict[str, str], Any]:
    headers = {name: value for name, value in reply.headers.items() if name not in _TRANSPORT}
    for name, value in headers.items():
        if name in ("x-consul-index", "x-consul-contenthash", "x-cache") and value != "1":
            headers[name] = "*"
    if headers.get("content-type") == "application/json":
        return reply.status, headers, in_order(masked(reply.json))
    return reply.status, headers, masked(reply.text)


def in_order(value: Any) -> Any:
    """Lists of instances by id: Consul, filtering by health, moves the last into the place of what it leaves out."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and "Service" in value[0]:
        return sorted(value, key=lambda entry: str(entry["Service"].get("ID")))
    return value


def masked(value: Any) -> Any:
    """The same without what the two servers cannot have in common."""
    if isinstance(value, dict):
        return {key: bool(inner) if key in _MASKED else masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", value)
    return value


@pytest.fixture
async def both(consul_server: str, agent: Agent, ask: Any) -> AsyncIterator[Both]:
    """Both have had keys, sessions and config entries: one never written has another index than an empty one.

    What a test registers is removed from the real one, which others share.
    """
    both = Both(consul_server.removeprefix("consul://"), agent.address, ask)
    for method in ("PUT", "DELETE"):
        await both.each(method, "/v1/kv/like-consul-first", "x")
    await both.each("PUT", "/v1/config", {"Kind": "service-defaults", "Name": "like-consul-first"})
    await both.each("DELETE", "/v1/config/service-defaults/like-consul-first")
    for address in (both.real, both.agent):
        created = await ask(address, "PUT", "/v1/session/create")
        await ask(address, "PUT", f"/v1/session/destroy/{created.json['ID']}")
    yield both
    await tidy(both.real, ask)


async def tidy(consul: str, ask: Any) -> None:
    """Remove whatever is registered with a Consul, and every node but its own."""
    for what in ("service", "check"):
        for name in (await ask(consul, "GET", f"/v1/agent/{what}s")).json:
            await ask(consul, "PUT", f"/v1/agent/{what}/deregister/{quote(name, safe='')}")
    own = (await ask(consul, "GET", "/v1/agent/self")).json["Config"]["NodeName"]
    for node in (await ask(consul, "GET", "/v1/catalog/nodes")).json:
        if node["Node"] != own:
            await ask(consul, "PUT", "/v1/catalog/deregister", {"Node": node["Node"]})
