"""A service on the embedded agent and on a real Consul: registered, forgotten, checked, taken for a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import grpc.aio
import pytest
import trustme
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server

import muster
from muster.agent import Agent
from muster.model.check import CheckState, Health
from muster.model.errors import BadConfiguration
from muster.model.events import RegistrationChanged, RegistrationState
from muster.model.instance import Instance, split_host_port
from muster.model.snapshot import Absent, Answer, Known, instances_of
from muster.registry.url import open_registry
from muster.serve.entry import Label, compose
from muster.serve.reach import by_grpc
from muster.serve.settings import TLS, Timing
from muster.testing.servers import ConsulServer

pytestmark = pytest.mark.anyio

QUICK = Timing(beat=0.3, reach=1.0, drain=0.0, stop=2.0)


@pytest.fixture(params=["agent", "consul"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of each of the two."""
    if request.param == "consul":
        yield request.getfixturevalue("consul_server")
        return
    async with Agent(http="127.0.0.1:0") as agent:
        yield agent.url


@pytest.fixture
def name() -> str:
    """Of this test alone: the real Consul is shared."""
    return f"greeter-{uuid4().hex[:8]}"


class Say(SayServicer):
    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        return HelloReply(message=f"Hello, {request.name}!")


def greeter(name: str, registry: Any, **options: Any) -> muster.Service:
    options.setdefault("timing", QUICK)
    service = muster.Service(name, "1.2.0", registry=registry, **options)
    service.add(add_SayServicer_to_server, Say())
    return service


async def until(url: str, name: str, condition: Callable[[Answer], bool], *, seconds: float = 20) -> Answer:
    """The first answer about `name` that fulfils `condition`."""
    async with asyncio.timeout(seconds), open_registry(url) as registry:
        async for answer in registry.watch(name):  # type: ignore[attr-defined]
            if condition(answer):
                return answer  # type: ignore[no-any-return]
    raise AssertionError("a watch never ends by itself")


async def only(url: str, name: str) -> Instance:
    """The one instance that is registered now."""
    (instance,) = instances_of(await until(url, name, lambda _: True))
    return instance


async def output_of(url: str, check: str) -> str:
    """What the registry says of a check that it makes itself, once it has made it."""
    address = url.removeprefix("consul://")
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://{address}/v1/agent/checks") as response:
                said = (await response.json())[check]["Output"]
            if said:
                return str(said)
            await asyncio.sleep(0.02)


def healths(answer: Answer) -> dict[str, tuple[Health, list[str]]]:
    """By id: the health, and the checks that are at fault."""
    return {i.id: (i.health, [check.name for check in i.failing]) for i in instances_of(answer)}


async def test_what_is_registered_is_what_was_said(registry: str, name: str) -> None:
    labels: dict[str, Any] = {"tags": ("a", "b"), "metadata": {"team": "x"}, "weight": 3, "zone": "z1"}
    async with greeter(name, registry, **labels).running() as service:
        assert service.readiness.ready
        assert await only(registry, name) == service.instance
    assert await until(registry, name, lambda _: True) == Absent(name)


async def test_the_registry_reaches_it_by_its_id(registry: str, name: str) -> None:
    async with greeter(name, registry).running() as service:
        said = await output_of(registry, f"{service.id}:reach")
        assert said == f"gRPC check {service.address}/{service.id}: success"
        assert (await only(registry, name)).health is Health.PASSING


async def test_the_registry_reaches_it_by_tls(registry: str, name: str, tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "c.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "k.pem"))
    async with greeter(name, registry, tls=TLS(tmp_path / "c.pem", tmp_path / "k.pem")).running() as service:
        assert (await output_of(registry, f"{service.id}:reach")).endswith("success")
        assert (await only(registry, name)).health is Health.PASSING


async def test_a_stranger_on_a_dead_instances_port_is_found_out(registry: str, name: str) -> None:
    """An instance died without a word and another took its port: the open port does not keep the dead one alive."""
    async with greeter(name, registry).running() as stranger, open_registry(registry) as other:
        timing = Timing(beat=60, reach=1.0)
        dead = compose(Label(name), f"{name}-dead", ("127.0.0.1", stranger.port), (), timing, by_grpc(None))
        await other.register(dead)  # type: ignore[attr-defined]
        answer = await until(registry, name, lambda answer: healths(answer)[f"{name}-dead"][0] is Health.CRITICAL)
        assert healths(answer) == {
            f"{name}-dead": (Health.CRITICAL, ["reach"]),
            stranger.id: (Health.PASSING, []),
        }
        await other.deregister(f"{name}-dead")  # type: ignore[attr-defined]


class Counting:
    """A registry of the test's own, which tells when the tenth heartbeat has arrived."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self.register, self.deregister = registry.register, registry.deregister
        self.beats = 0
        self.tenth = asyncio.Event()

    def __str__(self) -> str:
        return str(self._registry)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        await self._registry.beat(instance_id, state)
        self.beats += 1
        if self.beats == 10:
            self.tenth.set()


async def test_heartbeats_keep_it_alive(registry: str, name: str) -> None:
    """The registry takes it for dead after three beats of silence."""
    async with open_registry(registry) as opened:
        counting = Counting(opened)
        async with greeter(name, counting, timing=Timing(beat=0.2, drain=0, stop=1)).running():
            async with asyncio.timeout(30):
                await counting.tenth.wait()
            assert (await only(registry, name)).health is Health.PASSING


async def test_registered_anew_when_somebody_removed_it(registry: str, name: str) -> None:
    async with greeter(name, registry).running() as service:
        async with open_registry(registry) as other:
            await other.deregister(service.id)  # type: ignore[attr-defined]
        await until(registry, name, lambda answer: service.id in healths(answer))


async def test_registered_anew_after_a_real_consul_lost_its_state(own_consul: ConsulServer, name: str) -> None:
    states: list[RegistrationState] = []
    service = greeter(name, own_consul.url, observe=_record(states))
    async with service.running():
        await asyncio.to_thread(own_consul.kill)
        await _until(lambda: states[-1] is RegistrationState.FAILING)
        assert service.readiness.ready
        assert "heartbeat" in service.readiness.why
        await asyncio.to_thread(own_consul.start)
        await until(own_consul.url, name, lambda answer: service.id in healths(answer))
    assert states[0] is RegistrationState.WAITING
    assert states[-1] is RegistrationState.DEREGISTERED


async def test_registered_anew_after_the_agent_lost_its_state(name: str) -> None:
    async with Agent(http="127.0.0.1:0") as agent:
        url = agent.url
        states: list[RegistrationState] = []
        service = greeter(name, url, observe=_record(states))
        running = service.running()
        await running.__aenter__()
    try:
        await _until(lambda: states[-1] is RegistrationState.FAILING)
        async with Agent(http=url.removeprefix("consul://")):
            await until(url, name, lambda answer: service.id in healths(answer))
    finally:
        await running.__aexit__(None, None, None)


async def test_started_before_its_registry(name: str) -> None:
    async with Agent(http="127.0.0.1:0") as agent:
        url = agent.url
    async with greeter(name, url).running() as service:
        assert not service.readiness.ready
        assert "not registered yet: register: " in service.readiness.why
        async with Agent(http=url.removeprefix("consul://")):
            await until(url, name, lambda answer: service.id in healths(answer))
            await _until(lambda: service.readiness.ready)


async def test_stopped_while_its_registry_is_away(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Agent(http="127.0.0.1:0") as agent:
        running = greeter(name, agent.url).running()
        await running.__aenter__()
    async with asyncio.timeout(QUICK.stop + 1):
        await running.__aexit__(None, None, None)
    assert "is left in the registry" in caplog.text


async def test_an_id_that_another_service_holds(registry: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot happen by chance; the state says what is wrong, and nothing of the other's is touched."""
    monkeypatch.setattr("muster.app.part.new_id", lambda _: f"{name}-1")
    async with greeter(name, registry).running():
        async with greeter(f"{name}-other", registry).running() as other:
            assert not other.readiness.ready
            assert f"{name}-1" in other.readiness.why
        assert isinstance(await until(registry, name, lambda _: True), Known)


async def test_a_token_without_rights_is_a_state(consul_binary: str, name: str) -> None:
    acl = 'acl { enabled = true default_policy = "deny" }'
    server = ConsulServer(consul_binary, "-hcl", acl)
    await asyncio.to_thread(server.start)
    try:
        async with greeter(name, server.url).running() as service:
            assert service.readiness.ready is False
            assert f'service "{name}"' in service.readiness.why
            assert "write" in service.readiness.why
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 17\r\n\r\nPermission denied", 'policy = "write"'),
        (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", "429"),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9\r\n\r\nNo leader", "No leader"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\ngarbage", "register: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "register: "),
        (b"\x00\x01\x02", "register: "),
    ],
    ids=["403", "429", "500", "garbage", "half", "no HTTP"],
)
async def test_a_registry_that_answers_badly_is_a_state(name: str, answer: bytes, says: str) -> None:
    """The service starts, serves, says what is wrong, and stops in time."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server, asyncio.timeout(15):
        port = server.sockets[0].getsockname()[1]
        async with greeter(name, f"consul://127.0.0.1:{port}").running() as service:
            assert not service.readiness.ready
            assert says in service.readiness.why
            async with grpc.aio.insecure_channel(service.address) as channel:
                assert (await SayStub(channel).Hello(HelloRequest(name="b"))).message == "Hello, b!"


async def test_an_address_that_leads_nowhere_is_seen_in_the_registry(registry: str, name: str) -> None:
    """The service cannot know; the registry's own look at it tells everybody, and why."""
    async with greeter(name, registry, advertise="127.0.0.1:1").running() as service:
        answer = await until(registry, name, lambda answer: healths(answer)[service.id][0] is Health.CRITICAL)
        (instance,) = instances_of(answer)
        assert [check.name for check in instance.failing] == ["reach"]
        assert "connection refused" in instance.failing[0].output.lower()


async def test_ipv6(registry: str, name: str) -> None:
    async with greeter(name, registry, host="::1").running() as service:
        assert (await only(registry, name)).address == f"[::1]:{service.port}"
        assert (await output_of(registry, f"{service.id}:reach")).endswith("success")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_bound_to_every_interface_the_node_gives_the_address(registry: str, name: str, host: str) -> None:
    async with greeter(name, registry, host=host).running() as service:
        assert service.instance.host == ""
        instance = await only(registry, name)
        assert instance.host == "127.0.0.1"
        assert split_host_port(service.address) == (instance.host, instance.port)


async def test_a_port_that_is_taken_leaves_nothing_in_the_registry(registry: str, name: str) -> None:
    async with greeter(f"{name}-first", registry).running() as first:
        with pytest.raises(BadConfiguration, match="the port is taken"):
            await greeter(name, registry, port=first.port).serve()
    assert await until(registry, name, lambda _: True) == Absent(name)


def _record(states: list[RegistrationState]) -> Any:
    def observe(event: Any) -> None:
        assert isinstance(event, RegistrationChanged)
        states.append(event.state)

    return observe


async def _until(condition: Callable[[], bool]) -> None:
    """For what a registry and a service do in their own time."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)
