"""The proxy on real sockets: shared watches, what is passed on, tokens, and an agent's bad days."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from muster.agent import Agent
from muster.agent.proxy import Proxy
from muster.model.errors import BadConfiguration, Denied, RegistryUnavailable
from muster.model.service import Registration
from muster.model.snapshot import Absent, Known, instances_of
from muster.registry.consul import from_url
from muster.testing.conformance import RULES, Rule, instance, registered
from muster.testing.scripted import HANG, REFUSE, Received, Scripted, Step, answer
from muster.testing.servers import ConsulServer, free_ports
from muster.testing.watching import watching

pytestmark = pytest.mark.anyio

WEB = json.dumps([{"Node": {"Node": "n", "Address": "10.0.0.1"}, "Service": {"ID": "web-1", "Port": 80}}])


@asynccontextmanager
async def before(upstream: str, linger: float = 60.0) -> AsyncIterator[Proxy]:
    async with Proxy(upstream, "127.0.0.1:0", linger=linger, environ={}) as proxy:
        yield proxy


async def ask(
    proxy: Proxy, path: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers, with names in lower case."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{proxy.address}{path}", json=body, headers=headers) as response,
    ):
        text = (await response.read()).decode()
        return response.status, text, {name.lower(): value for name, value in response.headers.items()}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_a_registry_behind_a_proxy_keeps_every_rule(rule: Rule, agent: Agent) -> None:
    async with before(agent.url) as proxy:
        await rule(lambda: from_url(proxy.url, {}))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_a_real_consul_behind_a_proxy_keeps_every_rule(rule: Rule, consul_server: str) -> None:
    async with before(consul_server) as proxy:
        await rule(lambda: from_url(proxy.url, {}))


async def test_many_watch_and_the_agent_sees_one(own_consul: ConsulServer) -> None:
    async def see_it_come(url: str) -> None:
        async with from_url(url, {}) as registry, watching(registry, "web") as watch:
            await watch.until(lambda found: isinstance(found, Absent))
            absent.release()
            await watch.until(lambda found: bool(instances_of(found)))

    absent = asyncio.Semaphore(0)
    async with before(own_consul.url) as proxy, asyncio.TaskGroup() as group:
        watches = [group.create_task(see_it_come(proxy.url)) for _ in range(20)]
        for _ in watches:
            await absent.acquire()
        assert proxy.followed == 1
        async with from_url(own_consul.url, {}) as direct, registered(direct, instance("web")):
            await asyncio.gather(*watches)


async def test_one_blocking_query_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(received: Received) -> Step:
        return HANG if "index" in received.params else answer(WEB, index=5, headers={"X-Consul-Knownleader": "true"})

    async with Scripted(step) as server, before(f"consul://{server.address}") as proxy, asyncio.TaskGroup() as group:
        waiting = [group.create_task(ask(proxy, "/v1/health/service/web?stale&index=5&wait=200ms")) for _ in range(50)]
        status, text, headers = await ask(proxy, "/v1/health/service/web?stale")
        assert (status, text, headers["x-consul-index"], headers["x-consul-knownleader"]) == (200, WEB, "5", "true")
        assert {(await each)[0] for each in waiting} == {200}
        assert [each.params.get("index") for each in server.requests] == [None, "5"]


async def test_a_plain_read_is_passed_on_and_sees_what_was_written() -> None:
    index = 4

    def step(received: Received) -> Step:
        nonlocal index
        index += 1
        return answer(f"[{index}]", index=index)

    async with Scripted(step) as server, before(f"consul://{server.address}") as proxy:
        assert [(await ask(proxy, "/v1/health/service/web?dc=x%20y"))[1] for _ in range(3)] == ["[5]", "[6]", "[7]"]
        assert server.requests[0].params == {"dc": "x%20y"}
        assert proxy.followed == 0


async def test_writes_and_their_refusals_are_passed_on(own_consul: ConsulServer) -> None:
    async with before(own_consul.url) as proxy:
        assert (await ask(proxy, "/v1/agent/service/register", "PUT", {"Name": "web", "Port": 80}))[0] == 200
        assert "web" in own_consul.ask("/v1/agent/services")
        status, text, _ = await ask(proxy, "/v1/agent/service/register", "PUT", {"Port": 80})
        assert (status, text) == (400, "Missing service name")
        assert (await ask(proxy, "/v1/kv/a%2Fb?flags=3", "PUT", 1))[1].strip() == "true"
        assert json.loads((await ask(proxy, "/v1/kv/a/b"))[1])[0]["Flags"] == 3
        assert (await ask(proxy, "/v1/kv/nothing?stale"))[0] == 404
        assert (await ask(proxy, "/v1/nowhere"))[0] == 404
        assert (await ask(proxy, "/v1/health/service/web?index=x"))[:2] == (400, "Invalid index")


async def test_a_body_over_the_limit(agent: Agent) -> None:
    async with before(agent.url) as proxy, aiohttp.ClientSession() as session:
        large = io.BytesIO(bytes((1 << 20) + 1))
        async with session.put(f"http://{proxy.address}/v1/kv/a", data=large) as response:
            assert (response.status, await response.text()) == (
                413,
                "Request body too large: 1048576 bytes are allowed",
            )


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"*", 400),
        (b"@127.0.0.1:1/v1/agent/self", 400),
        (b".evil.invalid/v1/agent/self", 400),
        (b"http://elsewhere.invalid/v1/status/leader", 200),
        (b"/v1/health/service/%zz?stale", 400),
        (b"/v1/health/service/../status/leader", 301),
        (b"/v1/health/service/%ff?stale", 200),
        (b"/v1/health/service/a\xc3\xa9", 400),
    ],
)
async def test_an_odd_target_leads_nowhere_else(agent: Agent, target: bytes, status: int) -> None:
    async with before(agent.url) as proxy:
        reader, writer = await asyncio.open_connection(*proxy.address.split(":"))
        writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
        assert (await reader.readline()).split()[1] == b"%d" % status
        writer.close()


async def test_a_token_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with (
        Scripted([answer("[]", index=5)]) as server,
        before(f"consul://{server.address}?token_file={file}") as proxy,
    ):
        for path in ("/v1/health/service/web?stale", "/v1/agent/self"):
            status, text, _ = await ask(proxy, path)
            assert (status, "No such file" in text) == (500, True)
        file.write_text("t")
        await until_told(proxy, somebody=False)


async def test_a_failing_agent_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    state: dict[str, Step] = {"step": REFUSE}
    async with Scripted(lambda _: state["step"]) as server, before(f"consul://{server.address}") as proxy:
        for _ in range(3):
            assert (await ask(proxy, "/v1/health/service/web?stale"))[0] == 500
        await server.until(lambda server: len(server.requests) > 2)
        state["step"] = answer("[]", index=5)
        with caplog.at_level("INFO", "muster.agent.proxy"):
            await until_told(proxy, somebody=False)
    told = [record.getMessage() for record in caplog.records if record.name == "muster.agent.proxy"]
    assert len([text for text in told if "does not answer" in text]) == 1
    assert told[-1] == "the agent answers again"


async def test_another_token_gets_another_answer() -> None:
    def step(received: Received) -> Step:
        if received.headers.get("x-consul-token") != "good":
            return answer("Permission denied", status=403)
        return HANG if "index" in received.params else answer(WEB, index=5)

    async with Scripted(step) as server, before(f"consul://{server.address}") as proxy:
        assert (await ask(proxy, "/v1/health/service/web?stale", **{"X-Consul-Token": "good"}))[:2] == (200, WEB)
        assert (await ask(proxy, "/v1/health/service/web?stale", **{"X-Consul-Token": "bad"}))[0] == 403
        assert (await ask(proxy, "/v1/health/service/web?stale"))[0] == 403
        async with from_url(f"{proxy.url}?token=bad", {}) as registry:
            with pytest.raises(Denied):
                async with watching(registry, "web") as watch:
                    await watch.next()


async def test_a_token_of_its_own_is_for_those_who_bring_none() -> None:
    def step(received: Received) -> Step:
        return answer(json.dumps(received.headers.get("x-consul-token")))

    async with Scripted(step) as server, before(f"consul://{server.address}?token=own") as proxy:
        assert (await ask(proxy, "/v1/agent/self"))[1] == '"own"'
        assert (await ask(proxy, "/v1/agent/self", **{"X-Consul-Token": "mine"}))[1] == '"mine"'


async def test_an_agent_that_goes_is_told_at_once_and_one_that_comes_back_is_found() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    async with before(f"consul://{address}") as proxy, from_url(proxy.url, {}) as registry:
        with pytest.raises(RegistryUnavailable, match=r"muster proxy: Consul at .*connection refused"):
            async with watching(registry, "web") as watch:
                await watch.next()
        async with Agent(http=address) as agent, from_url(agent.url, {}) as direct:
            await direct.register(Registration(instance("web")))
            await until_told(proxy, somebody=True)
            async with watching(registry, "web") as watch:
                assert isinstance(await watch.next(), Known)
                await agent.__aexit__(None, None, None)
                with pytest.raises(RegistryUnavailable):
                    await watch.until(lambda found: False)
        async with Agent(http=address):
            await until_told(proxy, somebody=False)


async def until_told(proxy: Proxy, *, somebody: bool) -> None:
    async with asyncio.timeout(30):
        while True:
            status, text, _ = await ask(proxy, "/v1/health/service/web?stale")
            if status == 200 and (text != "[]") == somebody:
                return
            await asyncio.sleep(0.05)


async def test_an_index_that_went_backwards_ends_a_wait() -> None:
    """A restored server: who waits for the old index to come would wait in vain."""
    state = {"index": 100}

    def step(received: Received) -> Step:
        return answer(WEB, index=state["index"])

    async with Scripted(step) as server, before(f"consul://{server.address}") as proxy, asyncio.TaskGroup() as group:
        await ask(proxy, "/v1/health/service/web?stale")
        waiting = group.create_task(ask(proxy, "/v1/health/service/web?stale&index=100&wait=60s"))
        await server.until(lambda server: len(server.requests) >= 3)
        state["index"] = 3
        async with asyncio.timeout(30):
            assert (await waiting)[2]["x-consul-index"] == "3"
            assert (await ask(proxy, "/v1/health/service/web?stale&index=100"))[2]["x-consul-index"] == "3"


@pytest.mark.parametrize(
    ("step", "status", "text"),
    [
        (answer("busy", status=429, headers={"Retry-After": "2"}), 429, "busy"),
        (answer("No cluster leader", status=500), 500, "No cluster leader"),
        (answer("<html>"), 500, "no X-Consul-Index"),
        (REFUSE, 500, "closed the connection without an answer"),
        (HANG, 500, "no answer within 0.2 s"),
    ],
)
async def test_an_agents_bad_days_are_told(step: Step, status: int, text: str) -> None:
    async with Scripted([step]) as server, before(f"consul://{server.address}?timeout=200ms") as proxy:
        found = await ask(proxy, "/v1/health/service/web?stale")
        assert found[0] == status
        assert text in found[1]
        assert found[2].get("retry-after") == ("2" if status == 429 else None)


async def test_heartbeats_do_not_wait_behind_reads() -> None:
    def step(received: Received) -> Step:
        return answer() if received.method == "PUT" else HANG

    async with Scripted(step) as server, before(f"consul://{server.address}") as proxy, asyncio.TaskGroup() as group:
        reads = [group.create_task(ask(proxy, f"/v1/agent/service/{number}")) for number in range(50)]
        await server.until(lambda server: len(server.requests) == 32)
        async with asyncio.timeout(5):
            assert (await ask(proxy, "/v1/agent/check/update/a", "PUT", {}))[0] == 200
        for read in reads:
            read.cancel()


async def test_what_nobody_asks_any_more_is_not_followed() -> None:
    def step(received: Received) -> Step:
        return HANG if "index" in received.params else answer(WEB, index=5)

    async with Scripted(step) as server, before(f"consul://{server.address}", linger=0.05) as proxy:
        await ask(proxy, "/v1/health/service/web?stale")
        await until(lambda: proxy.followed == 0)
        await server.until(lambda server: server.gone == 1)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(ask(proxy, "/v1/health/service/web?stale&index=5"))
            await until(lambda: proxy.followed == 1)
            waiting.cancel()
        await until(lambda: proxy.followed == 0)


async def test_leaving_answers_those_who_wait() -> None:
    def step(received: Received) -> Step:
        return HANG if "index" in received.params else answer(WEB, index=5)

    async with Scripted(step) as server, asyncio.TaskGroup() as group:
        async with before(f"consul://{server.address}", linger=0.05) as proxy:
            await ask(proxy, "/v1/health/service/web?stale")
            await until(lambda: proxy.followed == 0)
            known = len(server.requests)
            waiting = group.create_task(ask(proxy, "/v1/health/service/web?stale&index=5"))
            await server.until(lambda server: len(server.requests) == known + 2)
        assert (await waiting)[0] == 200


async def test_what_a_proxy_cannot_stand_before() -> None:
    with pytest.raises(BadConfiguration, match="a proxy stands before one agent"):
        async with before("consul://a,b"):
            pass
    with pytest.raises(BadConfiguration, match="unknown scheme"):
        Proxy("memory://x", environ={})
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(BadConfiguration, match="is the proxy itself"):
        async with Proxy(f"consul://{address}", address, environ={}):
            pass
