"""An agent that keeps its data in a directory: over restarts, and while the disk is full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent.store.agents import AgentProcess, Agents, agents
from tests.asking import Reply
from tests.asking import ask as ask

from muster.agent import Agent
from muster.model.errors import BadConfiguration

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[Reply]]
TTL = {"Name": "web", "Port": 80, "Tags": ["a"], "Check": {"TTL": "1h"}}


@pytest.fixture
def starter() -> Iterator[Agents]:
    with agents() as starter:
        yield starter


def running(directory: Path, **kwargs: Any) -> Agent:
    return Agent(http="127.0.0.1:0", node="n", data_dir=directory, **kwargs)


async def everything(agent: Agent, ask: Ask) -> list[Any]:
    """What a client can see that has no index of its own, and of which nothing may change in a restart."""
    paths = (
        "/v1/agent/services",
        "/v1/agent/checks",
        "/v1/health/service/web",
        "/v1/catalog/node/elsewhere",
        "/v1/health/node/elsewhere",
        "/v1/kv/?recurse",
        "/v1/session/list",
    )
    return [(await ask(agent.address, "GET", path)).json for path in paths]


async def fill(agent: Agent, ask: Ask) -> str:
    """Returns a session that holds the key `lock`."""
    for path, body in (
        ("/v1/agent/service/register", TTL),
        ("/v1/agent/check/register", {"Name": "disk", "TTL": "1h", "Notes": "n"}),
        ("/v1/agent/check/warn/disk?note=old", b""),
        ("/v1/agent/check/pass/service:web?note=well", b""),
        ("/v1/agent/maintenance?enable=true&reason=r", b""),
        (
            "/v1/catalog/register",
            {"Node": "elsewhere", "Address": "::1", "Service": {"Service": "db", "Meta": {"a": "b"}}},
        ),
        ("/v1/catalog/register", {"Node": "gone", "Address": "::1"}),
        ("/v1/catalog/deregister", {"Node": "gone"}),
        ("/v1/kv/a%2Fb?flags=7", b"\x00\xff"),
    ):
        assert (await ask(agent.address, "PUT", path, body)).status == 200
    session = (await ask(agent.address, "PUT", "/v1/session/create", {"TTL": "1h", "NodeChecks": []})).json["ID"]
    assert (await ask(agent.address, "PUT", f"/v1/kv/lock?acquire={session}", b"")).json is True
    return str(session)


async def test_a_restart_changes_nothing_but_the_address(tmp_path: Path, ask: Ask) -> None:
    async with running(tmp_path) as agent:
        session = await fill(agent, ask)
        before = await everything(agent, ask)
        # the note alone is no change of state, and is kept all the same
        await ask(agent.address, "PUT", "/v1/agent/check/warn/disk?note=new", b"")
        last = (await ask(agent.address, "GET", "/v1/kv/lock")).index
    before[1]["disk"]["Output"] = "new"
    async with running(tmp_path) as agent:
        after = await everything(agent, ask)
        assert after == before
        assert {check["Status"] for check in after[1].values()} == {"passing", "warning", "critical"}
        assert (await ask(agent.address, "PUT", f"/v1/kv/lock?release={session}", b"")).json is True
        assert (await ask(agent.address, "GET", "/v1/kv/lock")).index > last
        assert (await ask(agent.address, "GET", "/v1/catalog/nodes")).index > last


async def test_who_waited_before_a_restart_is_answered_after_it(tmp_path: Path, ask: Ask) -> None:
    paths = (
        "/v1/health/service/web",
        "/v1/catalog/services",
        "/v1/catalog/node/n",
        "/v1/kv/a?recurse",
        "/v1/session/list",
    )
    async with running(tmp_path) as agent:
        await fill(agent, ask)
        indexes = [(await ask(agent.address, "GET", path)).index for path in paths]
    async with running(tmp_path) as agent:
        for path, index in zip(paths, indexes, strict=True):
            reply = await ask(agent.address, "GET", f"{path}{'&' if '?' in path else '?'}index={index}&wait=60s")
            assert reply.index > index


async def test_a_ttl_check_that_nobody_renewed_meanwhile_is_critical(tmp_path: Path, ask: Ask) -> None:
    async with running(tmp_path) as agent:
        for name, ttl in (("short", "50ms"), ("long", "1h")):
            await ask(agent.address, "PUT", "/v1/agent/check/register", {"Name": name, "TTL": ttl})
            await ask(agent.address, "PUT", f"/v1/agent/check/pass/{name}?note=hi")
        up = time.time() + 0.05
    while time.time() < up:
        await asyncio.sleep(0.01)
    async with running(tmp_path) as agent:
        checks = (await ask(agent.address, "GET", "/v1/agent/checks")).json
        assert (checks["short"]["Status"], checks["long"]["Status"]) == ("critical", "passing")
        assert checks["short"]["Output"] == "TTL expired (last output before timeout follows): hi"


async def test_checks_run_again_and_sessions_end_with_them(tmp_path: Path, ask: Ask) -> None:
    async with running(tmp_path) as agent:
        server = agent.address
        check = {"Name": "up", "TCP": server, "Interval": "1s", "Status": "passing"}
        await ask(agent.address, "PUT", "/v1/agent/check/register", check)
        await ask(agent.address, "PUT", "/v1/session/create", {"Checks": ["up"]})
    async with running(tmp_path) as agent, asyncio.timeout(30):
        while (await ask(agent.address, "GET", "/v1/session/list")).json:
            await asyncio.sleep(0.02)
        assert (await ask(agent.address, "GET", "/v1/agent/checks")).json["up"]["Status"] == "critical"


async def test_a_node_keeps_its_id_and_may_change_its_name(tmp_path: Path, ask: Ask) -> None:
    async with running(tmp_path) as agent:
        await ask(agent.address, "PUT", "/v1/agent/service/register", TTL)
        node_id = (await ask(agent.address, "GET", "/v1/agent/self")).json["Config"]["NodeID"]
    async with Agent(http="127.0.0.1:0", node="renamed", data_dir=tmp_path) as agent:
        (node,) = (await ask(agent.address, "GET", "/v1/catalog/nodes")).json
        assert (node["Node"], node["ID"]) == ("renamed", node_id)
        (entry,) = (await ask(agent.address, "GET", "/v1/health/service/web")).json
        assert {check["Node"] for check in entry["Checks"]} == {"renamed"}


async def test_one_directory_is_for_one_agent(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(BadConfiguration, match="in use by another agent"):
            await running(tmp_path).__aenter__()
    async with running(tmp_path):
        """Free again."""


async def test_requests_on_each_others_heels_are_each_done_once(tmp_path: Path, ask: Ask) -> None:
    """The answer to the first is still held while the next is read."""
    request = b"PUT /v1/session/create HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    async with running(tmp_path) as agent:
        host, _, port = agent.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request * 5)
        async with asyncio.timeout(30):
            created = [(await reader.readuntil(b"}")).partition(b'"ID":"')[2][:36].decode() for _ in range(5)]
        writer.close()
        there = {session["ID"] for session in (await ask(agent.address, "GET", "/v1/session/list")).json}
    assert there == set(created)
    assert len(there) == 5


async def full(agent: AgentProcess, ask: Ask) -> None:
    """Returns once nothing more can be written."""
    agent.limit_files(1)
    async with asyncio.timeout(30):
        while (await ask(agent.address, "PUT", "/v1/kv/filling", b"x" * 10_000)).status == 200:
            pass


async def test_a_full_disk_loses_nothing_and_is_got_over(tmp_path: Path, ask: Ask, starter: Agents) -> None:
    agent = starter.start(tmp_path)
    await ask(agent.address, "PUT", "/v1/kv/kept", b"1")
    await ask(agent.address, "PUT", "/v1/agent/service/register", TTL)
    await full(agent, ask)
    refused = await ask(agent.address, "PUT", "/v1/kv/kept", b"2")
    assert refused.status == 500
    assert refused.text.startswith("The agent's data directory cannot be written (")
    assert refused.text.endswith("): nothing was changed")
    assert (await ask(agent.address, "PUT", "/v1/agent/service/register", {"Name": "new"})).status == 500
    assert (await ask(agent.address, "GET", "/v1/kv/kept?raw")).text == "1"
    assert (await ask(agent.address, "GET", "/v1/catalog/service/new")).json == []
    # a state that is news cannot be kept, but is shown; a heartbeat that is none is taken
    news = await ask(agent.address, "PUT", "/v1/agent/check/pass/service:web", b"")
    assert news.status == 500 and "in effect" in news.text
    assert (await ask(agent.address, "PUT", "/v1/agent/check/pass/service:web", b"")).status == 200
    assert len((await ask(agent.address, "GET", "/v1/health/service/web?passing")).json) == 1
    agent.limit_files(1 << 30)
    async with asyncio.timeout(30):
        while (await ask(agent.address, "PUT", "/v1/kv/kept", b"3")).status != 200:
            await asyncio.sleep(0.05)
    agent.kill()
    agent = starter.start(tmp_path)
    assert (await ask(agent.address, "GET", "/v1/kv/kept?raw")).text == "3"
    assert len((await ask(agent.address, "GET", "/v1/health/service/web?passing")).json) == 1


async def test_a_crash_while_the_disk_is_full_leaves_what_was_acknowledged(
    tmp_path: Path, ask: Ask, starter: Agents
) -> None:
    agent = starter.start(tmp_path)
    await ask(agent.address, "PUT", "/v1/kv/kept", b"1")
    await full(agent, ask)
    agent.kill()
    agent = starter.start(tmp_path)
    assert (await ask(agent.address, "GET", "/v1/kv/kept?raw")).text == "1"


async def test_without_a_directory_nothing_is_written(
    tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with Agent(http="127.0.0.1:0") as agent:
        await fill(agent, ask)
    assert list(tmp_path.iterdir()) == []
