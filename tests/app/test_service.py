"""Service, as its author sees it, on the registry in memory."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import uuid4

import grpc.aio
import pytest
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server

import muster
from muster.model.check import CheckState, Health
from muster.model.events import CheckChanged, Event, RegistrationChanged, RegistrationState
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Answer, Known
from muster.registry.memory import Memory
from muster.registry.static import Static
from muster.serve.settings import Limits, Timing

pytestmark = pytest.mark.anyio

QUICK = Timing(drain=0.0, stop=1.0)


class Say(SayServicer):
    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        return HelloReply(message=f"Hello, {request.name}!")


@pytest.fixture
def registry() -> Memory:
    return Memory(f"test-{uuid4()}")


@pytest.fixture
def service(registry: Memory) -> muster.Service:
    return greeter(registry=registry)


def greeter(**options: Any) -> muster.Service:
    options.setdefault("timing", QUICK)
    service = muster.Service("greeter", "1.2.0", **options)
    service.add(add_SayServicer_to_server, Say())
    return service


async def registered(registry: Memory, name: str = "greeter") -> Answer:
    async for answer in registry.watch(name):
        return answer
    raise AssertionError("a watch never ends by itself")


async def instance_in(registry: Memory) -> Instance:
    answer = await registered(registry)
    assert isinstance(answer, Known)
    return answer.instances[0]


async def test_a_service_is_registered_called_and_gone(service: muster.Service, registry: Memory) -> None:
    async with service.running() as running:
        assert running is service
        assert await instance_in(registry) == service.instance
        assert service.instance.address == service.address == f"127.0.0.1:{service.port}"
        assert service.id == service.instance.id
        assert service.readiness.ready
        async with grpc.aio.insecure_channel(service.address) as channel:
            assert (await SayStub(channel).Hello(HelloRequest(name="b"))).message == "Hello, b!"
    assert await registered(registry) == Absent("greeter")


async def test_what_is_said_of_it_arrives_in_the_registry(registry: Memory) -> None:
    labels: dict[str, Any] = {"tags": ["a"], "metadata": {"team": "x"}, "weight": 3, "zone": "z1"}
    async with greeter(registry=registry, **labels).running():
        instance = await instance_in(registry)
    assert (instance.version, instance.protocol, instance.verifiable) == ("1.2.0", "grpc", True)
    assert (instance.tags, instance.metadata, instance.weight, instance.zone) == (("a",), {"team": "x"}, 3, "z1")
    assert len(instance.endpoints) == 12


async def test_every_run_is_another_instance(service: muster.Service) -> None:
    ids = []
    for _ in range(2):
        async with service.running():
            ids.append(service.id)
            async with grpc.aio.insecure_channel(service.address) as channel:
                await SayStub(channel).Hello(HelloRequest())
    assert ids[0] != ids[1]


async def test_it_runs_once_at_a_time(service: muster.Service) -> None:
    async with service.running():
        with pytest.raises(muster.Rejected, match="running already"):
            await service.serve()
        with pytest.raises(muster.Rejected, match="is running: add"):
            service.add(add_SayServicer_to_server, Say())
        assert service.readiness.ready


async def test_nothing_is_known_of_it_while_it_does_not_run(service: muster.Service) -> None:
    for attribute in ("address", "port", "id", "instance", "readiness"):
        with pytest.raises(muster.Rejected, match="'greeter' is not running"):
            getattr(service, attribute)
    assert service.name == "greeter"


async def test_serve_drains_when_it_is_cancelled(service: muster.Service, registry: Memory) -> None:
    started = asyncio.Event()
    service.after_start(started.set)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(service.serve())
        await started.wait()
        task.cancel()
    assert task.cancelled()
    assert await registered(registry) == Absent("greeter")


async def test_hooks_are_decorators_and_see_the_service(service: muster.Service, registry: Memory) -> None:
    seen: list[str] = []

    @service.before_start
    def before_start() -> None:
        seen.append("before_start")

    @service.register_check
    async def register_check() -> bool:
        seen.append(f"register_check at {service.address}")
        return True

    @service.after_start
    async def after_start() -> None:
        seen.append(f"after_start {type(await registered(registry)).__name__}")

    @service.before_stop
    async def before_stop() -> None:
        seen.append(f"before_stop {type(await registered(registry)).__name__}")

    @service.after_stop
    async def after_stop() -> None:
        seen.append(f"after_stop {type(await registered(registry)).__name__}")

    assert callable(before_start)
    assert callable(register_check)
    async with service.running():
        address = service.address
    assert seen == [
        "before_start",
        f"register_check at {address}",
        "after_start Known",
        "before_stop Known",
        "after_stop Absent",
    ]


async def test_a_service_that_fails_to_start_can_be_started_again(service: muster.Service, registry: Memory) -> None:
    failures = [OSError("no database")]

    @service.after_start
    def connect() -> None:
        if failures:
            raise failures.pop()

    with pytest.raises(OSError, match="no database"):
        await service.serve()
    assert await registered(registry) == Absent("greeter")
    async with service.running():
        assert service.readiness.ready


async def test_a_register_check_that_fails_keeps_it_out_of_the_registry(
    service: muster.Service, registry: Memory
) -> None:
    @service.register_check
    def database() -> bool:
        return False

    async with service.running():
        assert not service.readiness.ready
        assert "database returned False" in service.readiness.why
        assert await registered(registry) == Absent("greeter")


async def test_the_observer_is_told_where_the_registration_stands(registry: Memory) -> None:
    events: list[Event] = []
    service = greeter(registry=registry, observe=events.append)
    async with service.running():
        instance_id = service.id
    assert events == [
        RegistrationChanged("greeter", instance_id, state)
        for state in (RegistrationState.WAITING, RegistrationState.REGISTERED, RegistrationState.DEREGISTERED)
    ]


async def test_without_an_observer_log_lines_tell(service: muster.Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "muster.events"):
        async with service.running():
            instance_id = service.id
    assert f"{instance_id} is registered" in caplog.text


@pytest.mark.parametrize("mode", ["external", "off"])
async def test_where_nothing_is_registered(registry: Memory, mode: str) -> None:
    """Not even a loopback address beside a remote registry matters then."""
    async with greeter(registry="consul://192.0.2.1:8500", register=mode).running() as service:
        assert service.readiness.ready
        async with grpc.aio.insecure_channel(service.address) as channel:
            await SayStub(channel).Hello(HelloRequest())


async def test_what_is_not_said_is_read_from_the_environment(
    service: muster.Service, registry: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_ZONE", "z2")
    monkeypatch.setenv("MUSTER_ADVERTISE", "203.0.113.5:31000")
    async with service.running():
        assert (await instance_in(registry)).address == service.address == "203.0.113.5:31000"
        assert service.instance.zone == "z2"
    monkeypatch.setenv("MUSTER_REGISTER", "off")
    async with service.running():
        assert await registered(registry) == Absent("greeter")


async def test_what_is_said_counts_more_than_the_environment(registry: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ZONE": "z2", "ADVERTISE": "203.0.113.5:31000", "REGISTER": "off"}.items():
        monkeypatch.setenv(f"MUSTER_{name}", value)
    options = {"zone": "z1", "advertise": "203.0.113.6:1", "register": "self"}
    async with greeter(registry=registry, **options).running():
        instance = await instance_in(registry)
    assert (instance.zone, instance.address) == ("z1", "203.0.113.6:1")


async def test_the_registry_is_opened_by_its_url(registry: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    async with greeter(registry=str(registry)).running():
        assert isinstance(await registered(registry), Known)
    monkeypatch.setenv("MUSTER_REGISTRY", str(registry))
    async with greeter().running():
        assert isinstance(await registered(registry), Known)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"registry": "zookeeper://localhost"}, "unknown registry scheme 'zookeeper'"),
        ({"registry": "static://?greeter=127.0.0.1:1"}, "can only be read"),
        ({"registry": Static({})}, "can only be read"),
        ({"registry": "consul://192.0.2.1:8500"}, "only this machine can connect to"),
        ({"register": "nomad"}, "it can be 'self', 'external', 'off'"),
        ({"advertise": "0.0.0.0:80"}, "no address that others can connect to"),
        ({"host": "192.0.2.1"}, "cannot listen on 192.0.2.1:0"),
        ({"interceptors": [object()]}, r"no grpc\.aio\.ServerInterceptor"),
    ],
)
async def test_settings_that_cannot_be_used(registry: Memory, options: dict[str, Any], says: str) -> None:
    ran: list[str] = []
    service = greeter(**{"registry": registry, **options})
    service.before_stop(lambda: ran.append("before_stop"))
    with pytest.raises(muster.BadConfiguration, match=says):
        await service.serve()
    assert ran == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("", {}),
        ("a b", {}),
        ("x", {"weight": 0}),
        ("x", {"metadata": {"k": "v" * 600}}),
        ("x", {"metadata": {"": "v"}}),
        ("x", {"tags": "blue"}),
    ],
)
def test_what_no_registry_takes_is_refused_at_once(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(muster.Rejected):
        muster.Service(name, **options)


async def test_a_port_that_another_service_has(service: muster.Service, registry: Memory) -> None:
    async with service.running():
        other = greeter(registry=registry, port=service.port)
        with pytest.raises(muster.BadConfiguration, match=f"127.0.0.1:{service.port}: the port is taken"):
            await other.serve()
        assert await instance_in(registry) == service.instance


async def test_bound_to_every_interface(registry: Memory) -> None:
    async with greeter(registry=registry, host="0.0.0.0").running() as service:
        assert (await instance_in(registry)).address == service.address == f"127.0.0.1:{service.port}"


async def test_ipv6(registry: Memory) -> None:
    async with greeter(registry=registry, host="::1").running() as service:
        assert service.address == f"[::1]:{service.port}"
        async with grpc.aio.insecure_channel(service.address) as channel:
            await SayStub(channel).Hello(HelloRequest())


async def test_limits_reach_the_server(registry: Memory) -> None:
    service = greeter(registry=registry, limits=Limits(received=100))
    async with service.running(), grpc.aio.insecure_channel(service.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await SayStub(channel).Hello(HelloRequest(name="x" * 200))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


class Counting(Memory):
    """Tells when the tenth heartbeat has arrived."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.beats = 0
        self.tenth = asyncio.Event()

    async def beat(self, instance_id: str, state: CheckState) -> None:
        await super().beat(instance_id, state)
        self.beats += 1
        if self.beats == 10:
            self.tenth.set()


async def test_heartbeats_keep_it_alive() -> None:
    """The registry takes it for dead after three beats of silence."""
    registry = Counting(f"test-{uuid4()}")
    async with greeter(registry=registry, timing=Timing(beat=0.05, drain=0, stop=1)).running():
        async with asyncio.timeout(30):
            await registry.tenth.wait()
        assert (await instance_in(registry)).health is muster.Health.PASSING


async def test_run_needs_the_main_thread(service: muster.Service) -> None:
    with pytest.raises(muster.Rejected, match="main thread"):
        await asyncio.to_thread(service.run)


async def test_the_environment_says_how_long_clients_are_waited_for(
    registry: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUSTER_DRAIN is stronger than the program, which else would make its own tests wait."""
    monkeypatch.setenv("MUSTER_DRAIN", "0")
    service = greeter(registry=registry, timing=Timing(drain=600.0, stop=700.0))
    async with asyncio.timeout(30.0), service.running():
        assert service.registry == str(registry)
    monkeypatch.setenv("MUSTER_DRAIN", "soon")
    with pytest.raises(muster.BadConfiguration, match="MUSTER_DRAIN is 'soon'"):
        async with service.running():
            pass


async def test_a_check_that_fails_and_passes_again_is_told_to_the_observer(registry: Memory) -> None:
    events: list[Event] = []
    full, changed = False, asyncio.Event()

    def observe(event: Event) -> None:
        events.append(event)
        if isinstance(event, CheckChanged):
            changed.set()

    service = greeter(registry=registry, observe=observe)

    @service.check(every=0.01)
    async def disk() -> bool:
        return not full

    async with asyncio.timeout(30.0), service.running():
        full = True
        await changed.wait()
        changed.clear()
        full = False
        await changed.wait()
    told = [(event.check.name, event.check.health) for event in events if isinstance(event, CheckChanged)]
    assert told == [("disk", Health.CRITICAL), ("disk", Health.PASSING)]
