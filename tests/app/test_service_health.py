"""What a service finds out about itself, as the registry, orchestrators and clients are told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

import muster
from muster.agent import Agent
from muster.model.check import CheckState, Health
from muster.model.errors import BadConfiguration, Rejected
from muster.model.events import Event, RegistrationChanged
from muster.model.instance import Instance
from muster.model.snapshot import Answer, instances_of
from muster.registry.url import open_registry
from muster.serve.settings import Timing

pytestmark = pytest.mark.anyio

SLOW = Timing(beat=60.0, reach=60.0, drain=0.0, stop=2.0)
"""Heartbeats so rare that what is told is told for another reason."""


class Fault:
    """Something that can be out of order. Checks look at it on the loop, or on a thread."""

    def __init__(self) -> None:
        self.why = ""

    def check(self) -> None:
        if self.why:
            raise OSError(self.why)


async def until(url: str, name: str, condition: Callable[[tuple[Instance, ...]], bool]) -> tuple[Instance, ...]:
    """The first instances of `name` that fulfil `condition`."""
    async with asyncio.timeout(30), open_registry(url) as registry:
        async for answer in registry.watch(name):  # type: ignore[attr-defined]
            found: Answer = answer
            if condition(instances_of(found)):
                return instances_of(found)
    raise AssertionError("a watch never ends by itself")


def told(*failing: CheckState) -> Callable[[tuple[Instance, ...]], bool]:
    return lambda instances: [instance.failing for instance in instances] == [failing]


async def asked(address: str, instance_id: str) -> Any:
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=instance_id))
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def test_a_check_is_told_at_once_in_the_registry_and_to_clients(agent: Agent) -> None:
    fault = Fault()
    service = muster.Service("greeter", registry=agent.url, timing=SLOW)

    @service.check(every=0.05)
    async def database() -> None:
        fault.check()

    async with service.running():
        await until(agent.url, "greeter", told())
        assert await asked(service.address, service.id) == "SERVING"
        fault.why = "refused"
        (instance,) = await until(agent.url, "greeter", lambda them: bool(them and them[0].failing))
        assert instance.failing == (CheckState("self", Health.CRITICAL, "database: OSError: refused"),)
        assert await asked(service.address, service.id) == "NOT_SERVING"
        assert service.readiness.why == "database: OSError: refused"
        fault.why = ""
        await until(agent.url, "greeter", told())
        assert service.readiness.ready


async def test_a_warning_leaves_it_in_service(agent: Agent) -> None:
    service = muster.Service("greeter", registry=agent.url, timing=SLOW)

    @service.check(every=0.05, level="warning")
    def disk() -> bool:
        return False

    async with service.running():
        await until(agent.url, "greeter", told(CheckState("self", Health.WARNING, "disk: it returned False")))
        assert service.readiness.ready
        assert await asked(service.address, service.id) == "SERVING"


async def test_the_health_path_shows_the_checks(agent: Agent) -> None:
    fault = Fault()
    service = muster.Service("greeter", registry=agent.url, timing=SLOW, protocols=["http"])
    service.check(every=0.02)(_named("database", fault.check))
    service.check(every=0.02)(_named("disk", lambda: None))

    async with service.running(), aiohttp.ClientSession(f"http://{service.address}") as session, asyncio.timeout(30):
        fault.why = "refused"
        while (answer := await session.get("/health")).status == 200:
            await asyncio.sleep(0.02)
        body = await answer.json()
        assert (answer.status, body["status"], body["why"]) == (503, "NOT_SERVING", "database: OSError: refused")
        since = [check.pop("since") for check in body["checks"]]
        assert body["checks"] == [
            {"name": "database", "status": "critical", "output": "OSError: refused"},
            {"name": "disk", "status": "passing", "output": ""},
        ]
        assert all(each.endswith("Z") and each > "2020" for each in since)
        by_id = await session.get(f"/health/{service.id}")
        assert (by_id.status, len((await by_id.json())["checks"])) == (503, 2)
        stranger = await session.get("/health/greeter-stranger")
        assert (stranger.status, "checks" in await stranger.json()) == (404, False)


async def test_it_registers_once_its_critical_checks_have_passed(agent: Agent) -> None:
    fault = Fault()
    fault.why = "not yet"
    service = muster.Service("greeter", registry=agent.url, timing=SLOW)
    service.check(every=0.05)(_named("database", fault.check))

    async with service.running():
        assert service.readiness.why == "register check: database: OSError: not yet"
        fault.why = ""
        (instance,) = await until(agent.url, "greeter", bool)
        assert instance.health is Health.PASSING


async def test_a_register_check_that_fails_later_withdraws_it_and_restores_it(agent: Agent) -> None:
    fault, events, threads = Fault(), list[Event](), set[threading.Thread]()
    quick = Timing(beat=0.1, reach=60.0, drain=0.0, stop=2.0)
    service = muster.Service("greeter", registry=agent.url, timing=quick, observe=events.append)

    @service.register_check
    def license_server() -> None:
        threads.add(threading.current_thread())
        fault.check()

    async with service.running():
        await until(agent.url, "greeter", bool)
        fault.why = "no license"
        await until(agent.url, "greeter", lambda them: not them)
        assert service.readiness.why == "register check: no license"
        assert await asked(service.address, service.id) == "NOT_SERVING"
        fault.why = ""
        await until(agent.url, "greeter", bool)
    states = [str(event.state) for event in events if isinstance(event, RegistrationChanged)]
    assert list(dict.fromkeys(states)) == ["waiting", "registered", "deregistered"]
    assert states.count("waiting") >= 2
    assert threads == {threading.main_thread()}


async def test_an_object_keeps_its_heartbeats_on_the_loop_that_it_belongs_to(agent: Agent) -> None:
    async with open_registry(agent.url) as registry:
        service = muster.Service("greeter", registry=registry, timing=SLOW)  # type: ignore[arg-type]
        service.check(every=0.05, level="warning")(_named("disk", lambda: False))
        async with service.running():
            await until(agent.url, "greeter", told(CheckState("self", Health.WARNING, "disk: it returned False")))


async def test_services_of_a_process_share_their_connections(agent: Agent) -> None:
    services = [muster.Service(f"greeter-{number}", registry=agent.url, timing=SLOW) for number in range(3)]
    async with services[0].running(), services[1].running():
        async with services[2].running():
            await until(agent.url, "greeter-2", bool)
        await until(agent.url, "greeter-2", lambda them: not them)
        await until(agent.url, "greeter-1", bool)


async def test_what_cannot_be_a_check() -> None:
    service = muster.Service("greeter", registry="memory://checks")
    with pytest.raises(BadConfiguration, match="'critical' or 'warning'"):
        service.check(level="fatal")(_named("database", lambda: None))
    with pytest.raises(BadConfiguration, match="check 'database': every and timeout must be above 0"):
        service.check(every=0)(_named("database", lambda: None))
    service.check()(_named("database", lambda: None))
    with pytest.raises(Rejected, match="there is a check 'database' already"):
        service.check()(_named("database", lambda: None))


def _named(name: str, function: Callable[[], object]) -> Callable[[], object]:
    def check() -> object:
        return function()

    check.__name__ = name
    return check
