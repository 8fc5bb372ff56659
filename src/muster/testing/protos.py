"""gRPC servers made from the text of a .proto file and plain functions, with reflection. Needs grpcio-tools."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection import enable_server_reflection

Handler = Callable[[Any, Any], Any]
"""What grpc.aio takes: `async def handler(request, context) -> reply`, or a generator for streams."""


def compiled(**files: str) -> DescriptorPool:
    """The types of some .proto files, given as texts by name without `.proto`; they may import one another."""
    protoc = import_module("grpc_tools.protoc")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, f"{name}.proto").write_text(text)
        result = Path(folder, "set")
        include = Path(str(protoc.__file__)).with_name("_proto")
        sources = [f"{name}.proto" for name in files]
        if protoc.main(["", f"-I{folder}", f"-I{include}", "--include_imports", f"-o{result}", *sources]):
            raise ValueError("protoc refused the text; it says why on standard error")
        return _pool(FileDescriptorSet.FromString(result.read_bytes()))


def _pool(descriptors: FileDescriptorSet) -> DescriptorPool:
    pool = DescriptorPool()
    for file in descriptors.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@asynccontextmanager
async def offering(
    pool: DescriptorPool,
    handlers: Mapping[str, Handler],
    *,
    reflect: bool = True,
    instance: str = "",
    add: Iterable[grpc.GenericRpcHandler] = (),
) -> AsyncIterator[str]:
    """Serves `handlers`, by full method name (`pkg.Service.Method`), on a port of its own; yields `host:port`.

    Its health service answers to the id `instance`; its reflection can be left out.
    """
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    services = sorted({name.rpartition(".")[0] for name in handlers})
    server.add_generic_rpc_handlers([_handler(pool.FindServiceByName(name), handlers) for name in services])
    server.add_generic_rpc_handlers(tuple(add))
    checks = import_module("grpc_health.v1.health").aio.HealthServicer()
    await checks.set(instance, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if reflect:
        enable_server_reflection([*services, "grpc.reflection.v1alpha.ServerReflection"], server, pool=pool)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def _handler(service: ServiceDescriptor, handlers: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
    methods = {
        method.name: _method(method, handlers[method.full_name])
        for method in service.methods
        if method.full_name in handlers
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _method(method: MethodDescriptor, behaviour: Handler) -> Any:
    kind = f"{_kind(method.client_streaming)}_{_kind(method.server_streaming)}_rpc_method_handler"
    reply = GetMessageClass(method.output_type)
    return getattr(grpc, kind)(
        behaviour,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=reply.SerializeToString,
    )


def _kind(streaming: bool) -> str:
    return "stream" if streaming else "unary"
