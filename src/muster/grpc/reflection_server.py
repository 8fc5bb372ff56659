"""Server reflection, so that methods can be called without a stub.

grpcio serves v1alpha. v1 has the same messages on the wire under another name, and newer tools ask for that first:
the same servicer answers to both (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md).
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME
from grpc_reflection.v1alpha.reflection import aio as reflection_aio

V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Describe `services` (full names) and reflection itself, as far as their protos are loaded."""
    servicer = reflection_aio.ReflectionServicer((*services, SERVICE_NAME, V1))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}) for name in (SERVICE_NAME, V1)
        )
    )
