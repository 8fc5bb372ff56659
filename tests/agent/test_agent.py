"""The agent's life, its limits, and what it does as time goes by; on real sockets."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

import pytest
from tests.asking import waiting_at

from muster.agent import Agent, Timing
from muster.agent.api.app import API
from muster.agent.identity import identify
from muster.agent.settings import InForce, Limits
from muster.agent.state import State, living_state
from muster.http.server import serving
from muster.model.errors import BadConfiguration

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"
SOON = 30.0
QUICK = Timing(shortest_interval=0.01, shortest_deregister_after=0.1, reap_every=0.02, publish_output_after=0.05)


@asynccontextmanager
async def api(most_waiting: int = 1000) -> AsyncIterator[tuple[State, str]]:
    """The API on a port, and the state behind it, which an Agent keeps to itself."""
    identity = identify("127.0.0.1", 1, "n", "dc1")
    async with living_state("n", 1, QUICK, InForce(Limits(max_blocked_queries=most_waiting))) as begin:
        state = begin(identity)
        async with serving(API(state), "127.0.0.1:0", grace=SOON) as bound:
            yield state, bound.address
            state.waiters.close()


async def until(condition: Callable[[], bool]) -> None:
    """Returns when `condition` holds; the test's own timeout is the deadline."""
    while not condition():
        await asyncio.sleep(0.001)


async def test_it_answers_while_the_context_lasts(ask: Any) -> None:
    agent = Agent(http="127.0.0.1:0")
    with pytest.raises(RuntimeError, match="async with"):
        assert agent.url
    async with agent:
        assert agent.url == f"consul://{agent.address}"
        assert (await ask(agent.address, "GET", "/v1/status/leader")).json == agent.address
    with pytest.raises(ConnectionRefusedError):
        await ask(agent.address, "GET", "/v1/status/leader")


async def test_node_and_datacenter_are_as_told(ask: Any) -> None:
    async with Agent(http="127.0.0.1:0", node="n1", datacenter="east") as agent:
        (node,) = (await ask(agent.address, "GET", "/v1/catalog/nodes?dc=east")).json
        assert (node["Node"], node["Datacenter"], node["Address"]) == ("n1", "east", "127.0.0.1")


async def test_an_error_in_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Agent(http="127.0.0.1:0"):
            raise ZeroDivisionError
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), Agent(http="127.0.0.1:0"):
            await asyncio.Event().wait()


async def test_a_taken_port_says_what_to_do(agent: Agent) -> None:
    with pytest.raises(BadConfiguration, match=f"{agent.address}.*choose another port"):
        async with Agent(http=agent.address):
            pass


@pytest.mark.parametrize("http", ["127.0.0.1", "127.0.0.1:x", "nope.invalid:0", ":8500", "192.0.2.1:0"])
async def test_an_address_that_cannot_be_is_refused(http: str) -> None:
    with pytest.raises(BadConfiguration):
        async with Agent(http=http):
            pass


async def test_ipv6_and_names(ask: Any) -> None:
    async with Agent(http="[::1]:0") as agent:
        assert agent.address.startswith("[::1]:")
    async with Agent(http="localhost:0") as agent:
        (node,) = (await ask(agent.address, "GET", "/v1/catalog/nodes")).json
        assert node["Address"] == "127.0.0.1"


async def test_beyond_loopback_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "muster.agent"):
        async with Agent(http="127.0.0.1:0"):
            assert not caplog.records
        async with Agent(http="0.0.0.0:0") as agent:
            assert agent.address.startswith("127.0.0.1:")
    assert "no access control" in caplog.text


async def test_a_waiting_client_is_answered_when_the_agent_ends(ask: Any) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        async with Agent(http="127.0.0.1:0") as agent:
            index = (await ask(agent.address, "GET", "/v1/catalog/services")).index
            waiting = group.create_task(ask(agent.address, "GET", f"/v1/catalog/services?index={index}&wait=60s"))
            await waiting_at(ask, agent.address)
        assert (await waiting).status == 200


async def test_a_client_of_an_agent_that_started_again_sees_news_at_once(ask: Any) -> None:
    async with Agent(http="127.0.0.1:0") as first:
        for n in range(20):
            await ask(first.address, "PUT", REGISTER, {"Name": f"s{n}"})
        index = (await ask(first.address, "GET", "/v1/catalog/services")).index
    async with Agent(http=first.address) as second, asyncio.timeout(SOON):
        reply = await ask(second.address, "GET", f"/v1/catalog/services?index={index}&wait=60s")
        assert reply.index > index and list(reply.json) == ["consul"]


async def test_silence_is_critical_and_then_the_end(ask: Any) -> None:
    check = {"TTL": "50ms", "Status": "passing", "DeregisterCriticalServiceAfter": "1ms"}
    async with Agent(http="127.0.0.1:0", timing=QUICK) as agent, asyncio.timeout(SOON):
        await ask(agent.address, "PUT", REGISTER, {"Name": "a", "Check": check})
        passing, index = [], 0
        while True:
            reply = await ask(agent.address, "GET", f"/v1/health/service/a?index={index}")
            index = reply.index
            passing.append([entry["Checks"][-1]["Status"] for entry in reply.json])
            if not reply.json:
                break
    assert passing == [["passing"], ["critical"], []]


async def test_a_report_brings_a_silent_check_back(ask: Any) -> None:
    check = {"TTL": "50ms", "Status": "passing"}
    async with Agent(http="127.0.0.1:0", timing=QUICK) as agent, asyncio.timeout(SOON):
        await ask(agent.address, "PUT", REGISTER, {"Name": "a", "Check": check})
        index = (await ask(agent.address, "GET", "/v1/health/service/a")).index
        critical = await ask(agent.address, "GET", f"/v1/health/service/a?index={index}")
        assert critical.json[0]["Checks"][-1]["Output"] == "TTL expired"
        assert (await ask(agent.address, "GET", "/v1/health/service/a?passing")).json == []
        await ask(agent.address, "PUT", "/v1/agent/check/pass/service:a?note=back")
        back = await ask(agent.address, "GET", f"/v1/health/service/a?index={critical.index}")
        assert (back.json[0]["Checks"][-1]["Status"], back.json[0]["Checks"][-1]["Output"]) == ("passing", "back")


async def test_an_output_alone_is_published_later(ask: Any) -> None:
    check = {"TTL": "60s", "Status": "passing"}
    async with Agent(http="127.0.0.1:0", timing=QUICK) as agent, asyncio.timeout(SOON):
        await ask(agent.address, "PUT", REGISTER, {"Name": "a", "Check": check})
        before = await ask(agent.address, "GET", "/v1/health/service/a")
        await ask(agent.address, "PUT", "/v1/agent/check/pass/service:a?note=more")
        assert (await ask(agent.address, "GET", "/v1/agent/checks")).json["service:a"]["Output"] == "more"
        after = await ask(agent.address, "GET", f"/v1/health/service/a?index={before.index}")
        assert after.json[0]["Checks"][-1]["Output"] == "more"


async def test_a_check_that_looks_finds_an_instance_gone(ask: Any) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    check = {"TCP": f"127.0.0.1:{port}", "Interval": "10ms"}
    async with Agent(http="127.0.0.1:0", timing=QUICK) as agent, asyncio.timeout(SOON):
        async with server:
            await ask(agent.address, "PUT", REGISTER, {"Name": "a", "Check": check})
            index = await status_becomes("passing", agent, ask, 0)
        await status_becomes("critical", agent, ask, index)


async def status_becomes(status: str, agent: Agent, ask: Any, index: int) -> int:
    while True:
        found = await ask(agent.address, "GET", f"/v1/health/service/a?index={index}")
        if found.json[0]["Checks"][-1]["Status"] == status:
            return int(found.index)
        index = found.index


async def test_a_body_that_is_too_large_is_refused(agent: Agent, ask: Any) -> None:
    assert (await ask(agent.address, "PUT", REGISTER, b" " * (5 << 20))).status == 413
    assert (await ask(agent.address, "GET", "/v1/agent/services")).json == {}


async def test_a_head_that_is_too_large_is_refused(agent: Agent, ask: Any) -> None:
    assert (await ask(agent.address, "GET", "/v1/agent/services", None, {"X": "a" * (2 << 20)})).status == 431


async def test_a_long_query_is_taken(agent: Agent, ask: Any) -> None:
    assert (await ask(agent.address, "GET", f"/v1/agent/services?x={'a' * 60_000}")).status == 200


async def test_clients_that_leave_while_they_wait_cost_nothing_any_more() -> None:
    async with api() as (state, address), asyncio.timeout(SOON):
        host, port = address.split(":")
        writers = []
        for _ in range(50):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /v1/health/service/a?index={2**60} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            writers.append(writer)
        await until(lambda: state.waiters.count == 50)
        for writer in writers:
            writer.close()
        await until(lambda: state.waiters.count == 0)


async def test_one_connection_is_answered_again_and_again_without_pauses(agent: Agent) -> None:
    """An answer in two writes waits 40 ms for the client's delayed ACK, unless TCP_NODELAY is set."""
    host, port = agent.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    taken = []
    for _ in range(100):
        begun = time.monotonic()
        writer.write(b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(f'"{agent.address}"'.encode())
        taken.append(time.monotonic() - begun)
    writer.close()
    assert median(taken) < 0.03, "a pause is seen in each; a busy machine holds up a few"


async def test_beyond_the_limit_nobody_waits(ask: Any) -> None:
    async with api(most_waiting=1) as (state, address), asyncio.timeout(SOON):
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /v1/catalog/nodes?index={2**60} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until(lambda: state.waiters.count == 1)
        reply = await ask(address, "GET", f"/v1/catalog/nodes?index={2**60}")
        assert (reply.status, "blocking queries" in reply.text) == (503, True)
        assert (await ask(address, "GET", "/v1/catalog/nodes")).status == 200
        writer.close()


async def test_service_by_hash_waits_for_its_content(agent: Agent, ask: Any) -> None:
    await ask(agent.address, "PUT", REGISTER, {"Name": "a"})
    first = await ask(agent.address, "GET", "/v1/agent/service/a")
    known = first.headers["x-consul-contenthash"]
    assert first.json["ContentHash"] == known
    assert (await ask(agent.address, "GET", "/v1/agent/service/a?hash=other")).status == 200
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        waiting = group.create_task(ask(agent.address, "GET", f"/v1/agent/service/a?hash={known}"))
        await waiting_at(ask, agent.address)
        await ask(agent.address, "PUT", REGISTER, {"Name": "a", "Port": 1})
        second = await waiting
        assert second.json["Port"] == 1
        gone = group.create_task(
            ask(agent.address, "GET", f"/v1/agent/service/a?hash={second.headers['x-consul-contenthash']}")
        )
        await waiting_at(ask, agent.address)
        await ask(agent.address, "PUT", "/v1/agent/service/deregister/a")
        assert (await gone).status == 404


def test_a_process_answers_within_a_second_and_loads_only_what_it_needs() -> None:
    program = """
import asyncio, sys
from muster.agent import Agent

async def main():
    async with Agent(http="127.0.0.1:0") as agent:
        host, port = agent.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v1/agent/self HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        print((await reader.readline()).decode().strip())
        writer.close()
    print(*sorted({"grpc", "aiohttp", "typer"} & sys.modules.keys()))

asyncio.run(main())
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["HTTP/1.1 200 OK", ""]
    assert time.monotonic() - begun < 5.0, "the figure is 1 s; machines that run tests have other things to do"
