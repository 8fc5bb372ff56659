"""Health and reflection, as clients and registries ask for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from greeter_pb2_grpc import SayServicer, add_SayServicer_to_server
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2

from muster.grpc.offered import Offered
from muster.grpc.server import GRPCServer
from muster.model.events import RegistrationState
from muster.serve.health import HealthState
from muster.serve.lifecycle import Phase
from muster.serve.settings import Limits
from muster.serve.standing import Standing

pytestmark = pytest.mark.anyio

WAITING = Standing(RegistrationState.WAITING, "register: refusé\nby the registry", checked=True)
REGISTERED = Standing(RegistrationState.REGISTERED, checked=True, registered_once=True)
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Turned(grpc.aio.ServerInterceptor):
    """Turns everybody away."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        raise PermissionError("no token")


@asynccontextmanager
async def serving(
    health: HealthState, *, limits: Limits = Limits(), interceptors: Any = ()
) -> AsyncIterator[tuple[GRPCServer, grpc.aio.Channel]]:
    offered = Offered()
    offered.add(add_SayServicer_to_server, SayServicer())
    server = GRPCServer(offered, health, limits, None, interceptors)
    port = await server.listen("127.0.0.1", 0)
    try:
        await server.serve()
        health.enter(Phase.SERVING)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield server, channel
    finally:
        await server.stop(0)


def health_of(standing: Standing) -> HealthState:
    return HealthState({"greeter", "greeter-1"}, standing)


async def check(channel: grpc.aio.Channel, name: str) -> Any:
    return (await HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))).status


def watch(channel: grpc.aio.Channel, name: str) -> Any:
    return HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=name))


async def test_check() -> None:
    health = health_of(WAITING)
    async with serving(health) as (_, channel):
        assert [await check(channel, name) for name in ("", "greeter", "greeter-1")] == [NOT_SERVING, SERVING, SERVING]
        health.registration(REGISTERED)
        assert [await check(channel, name) for name in ("", "greeter", "greeter-1")] == [SERVING] * 3
        health.enter(Phase.DRAINING)
        assert [await check(channel, name) for name in ("", "greeter", "greeter-1")] == [NOT_SERVING] * 3


async def test_check_of_another_instance() -> None:
    async with serving(health_of(REGISTERED)) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await check(channel, "greeter-2")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_check_says_why_in_what_metadata_may_hold() -> None:
    health = health_of(WAITING)
    async with serving(health) as (_, channel):
        call = HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        trailing = dict(await call.trailing_metadata())
        assert trailing["muster-readiness"] == "not registered yet: register: refus??by the registry"
        health.registration(REGISTERED)
        call = HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert "muster-readiness" not in dict(await call.trailing_metadata())


async def test_watch_tells_changes_and_changes_only() -> None:
    health = health_of(WAITING)
    async with serving(health) as (_, channel):
        overall, own, other = (watch(channel, name) for name in ("", "greeter-1", "greeter-2"))
        assert [(await each.read()).status for each in (overall, own, other)] == [NOT_SERVING, SERVING, UNKNOWN]
        health.registration(REGISTERED)
        assert (await overall.read()).status == SERVING
        health.enter(Phase.DRAINING)
        assert [(await each.read()).status for each in (overall, own)] == [NOT_SERVING] * 2


async def test_watchers_are_sent_away_at_the_end_and_do_not_hold_it_up() -> None:
    health = health_of(REGISTERED)
    async with serving(health) as (server, channel):
        watching = watch(channel, "greeter-1")
        assert (await watching.read()).status == SERVING
        health.enter(Phase.DRAINING)
        assert (await watching.read()).status == NOT_SERVING
        health.enter(Phase.CLOSING)
        async with asyncio.timeout(30):
            await server.stop(60)
        assert await watching.code() is grpc.StatusCode.UNAVAILABLE


async def test_watchers_that_left_are_forgotten() -> None:
    health = health_of(REGISTERED)
    async with serving(health) as (_, channel):
        listeners = health.reports._listeners  # nothing else tells how many there are
        watching = watch(channel, "greeter-1")
        await watching.read()
        assert len(listeners) == 1
        watching.cancel()
        async with asyncio.timeout(30):
            while listeners:
                await asyncio.sleep(0.005)


async def test_neither_limits_nor_interceptors_keep_a_registry_from_asking() -> None:
    async with serving(health_of(REGISTERED), limits=Limits(calls=1), interceptors=[Turned()]) as (_, channel):
        watching = [watch(channel, "greeter-1") for _ in range(3)]
        assert [(await each.read()).status for each in watching] == [SERVING] * 3
        assert await check(channel, "greeter-1") == SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection(version: str) -> None:
    request = reflection_pb2.ServerReflectionRequest
    async with serving(health_of(REGISTERED)) as (_, channel):
        ask = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=request.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        answers = [
            answer
            async for answer in ask(iter([request(list_services=""), request(file_containing_symbol="greeter.Say")]))
        ]
    listed = {service.name for service in answers[0].list_services_response.service}
    assert listed >= {"greeter.Say", "grpc.health.v1.Health", f"grpc.reflection.{version}.ServerReflection"}
    assert b"greeter.proto" in answers[1].file_descriptor_response.file_descriptor_proto[0]
