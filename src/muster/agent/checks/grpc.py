"""One look at a gRPC server through its standard health service.

grpc is imported when the first gRPC check is registered, so that an agent without any starts fast.
Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

from muster.agent.checks.definition import CheckDefinition
from muster.agent.checks.state import Result
from muster.agent.checks.target import split_target, timeout_of
from muster.model.check import Health

if TYPE_CHECKING:
    import grpc.aio

_METHOD = "/grpc.health.v1.Health/Check"
_CHANNEL_OPTIONS = (("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


async def look(definition: CheckDefinition) -> Result:
    """One call of Health/Check over a connection of its own, so that each look also finds out whether the server takes
    connections. Never raises but for cancellation: failure is a result."""
    import grpc

    address, _, service = definition.target.partition("/")
    _, _, problem = split_target(address)
    if problem:
        return Result(Health.CRITICAL, f"rpc error: code = Unavailable desc = {problem}")
    try:
        async with await _channel(address, definition) as channel:
            status = await _ask(channel, service, timeout_of(definition))
    except grpc.RpcError as error:
        return Result(Health.CRITICAL, _failure(error))
    except (OSError, TimeoutError) as error:
        return Result(Health.CRITICAL, f"rpc error: code = Unavailable desc = {error or 'deadline exceeded'}")
    if status == "SERVING":
        return Result(Health.PASSING, f"gRPC check {definition.target}: success")
    return Result(Health.CRITICAL, "gRPC application didn't report service healthy")


async def _ask(channel: grpc.aio.Channel, service: str, timeout: float) -> str:
    from grpc_health.v1 import health_pb2

    call: Any = channel.unary_unary(
        _METHOD,
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    reply = await call(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


async def _channel(address: str, definition: CheckDefinition) -> grpc.aio.Channel:
    import grpc.aio

    if not definition.tls:
        return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
    pem, name = None, definition.tls_server_name
    if definition.tls_skip_verify:
        pem, name = await _shown_certificate(address, timeout_of(definition))
    options = (*_CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", name)) if name else _CHANNEL_OPTIONS
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(pem), options=options)


class _Certificate(NamedTuple):
    pem: bytes
    name: str


async def _shown_certificate(address: str, timeout: float) -> _Certificate:
    """The certificate that the server shows, and a name that it is valid for.

    grpcio cannot skip verification. Trusting exactly what is shown, under a name that it has, comes to the same, but
    for an expired certificate. Two handshakes: Python tells the names only of a certificate that it has verified.
    """
    host, port, _ = split_target(address)
    async with asyncio.timeout(timeout):
        der = await _peer_certificate(host, port, _unverifying(), binary=True)
        pem = ssl.DER_cert_to_PEM_cert(der)
        context = _unverifying()
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=pem)
        decoded = await _peer_certificate(host, port, context, binary=False)
    names = [value for kind, value in decoded.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    return _Certificate(pem.encode(), names[0] if names else host)


def _unverifying() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


async def _peer_certificate(host: str, port: int, context: ssl.SSLContext, *, binary: bool) -> Any:
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return session.getpeercert(binary_form=binary)
    finally:
        writer.transport.abort()


def _failure(error: Any) -> str:
    code = "".join(word.title() for word in error.code().name.split("_"))
    return f"rpc error: code = {code} desc = {error.details()}"
