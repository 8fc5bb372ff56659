"""Looks at gRPC servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tests.agent.checks.listening import SOON

from muster.agent.checks import grpc as grpc_check
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def grpc_server(credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[str]:
    server = grpc.aio.server()
    servicer = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
    await servicer.set("up", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("down", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_grpc_asks_the_health_service() -> None:
    async with grpc_server() as address:
        up, down, unknown, overall = [
            await grpc_check.look(CheckDefinition(Kind.GRPC, target, timeout=SOON))
            for target in (f"{address}/up", f"{address}/down", f"{address}/unknown", address)
        ]
    assert up == Result(Health.PASSING, f"gRPC check {address}/up: success")
    assert down == Result(Health.CRITICAL, "gRPC application didn't report service healthy")
    assert unknown.health is Health.CRITICAL and "code = NotFound" in unknown.output
    assert overall.health is Health.PASSING


async def test_grpc_failures_are_results() -> None:
    refused = await grpc_check.look(CheckDefinition(Kind.GRPC, "127.0.0.1:1/x", timeout=SOON))
    assert refused.health is Health.CRITICAL and refused.output.startswith("rpc error: code = Unavailable desc = ")
    nonsense = await grpc_check.look(CheckDefinition(Kind.GRPC, "nonsense", timeout=SOON))
    assert "missing port" in nonsense.output


async def test_grpc_over_tls_can_go_unverified() -> None:
    certificate = trustme.CA().issue_cert("service.example")
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]
    )
    async with grpc_server(credentials) as address:
        verified = await grpc_check.look(CheckDefinition(Kind.GRPC, f"{address}/up", timeout=SOON, tls=True))
        unverified = await grpc_check.look(
            CheckDefinition(Kind.GRPC, f"{address}/up", timeout=SOON, tls=True, tls_skip_verify=True)
        )
    assert verified.health is Health.CRITICAL
    assert unverified.health is Health.PASSING
