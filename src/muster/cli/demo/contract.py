"""What the greeter offers: `muster.demo.Say`, with one method, which is declared free of side effects.

Written out instead of generated: generated code is bound to the versions of protobuf and grpcio that generated it, and
the demo runs with whatever is installed. A service of your own has a .proto file.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, MethodOptions

PACKAGE = "muster.demo"
SERVICE = f"{PACKAGE}.Say"
HELLO = f"/{SERVICE}/Hello"


def _file() -> FileDescriptorProto:
    """The same as this .proto file:

    message HelloRequest { string name = 1; }
    message HelloReply { string message = 1; string instance = 2; }
    service Say { rpc Hello(HelloRequest) returns (HelloReply) { option idempotency_level = NO_SIDE_EFFECTS; } }
    """
    file = FileDescriptorProto(name="muster/demo/greeter.proto", package=PACKAGE, syntax="proto3")
    _add_message(file, "HelloRequest", "name")
    _add_message(file, "HelloReply", "message", "instance")
    method = file.service.add(name="Say").method.add(name="Hello")
    method.input_type = f".{PACKAGE}.HelloRequest"
    method.output_type = f".{PACKAGE}.HelloReply"
    method.options.idempotency_level = MethodOptions.NO_SIDE_EFFECTS
    return file


def _add_message(file: FileDescriptorProto, name: str, *strings: str) -> None:
    message = file.message_type.add(name=name)
    for number, field in enumerate(strings, start=1):
        message.field.add(
            name=field,
            number=number,
            type=FieldDescriptorProto.TYPE_STRING,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
        )


def _message_class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


_pool = descriptor_pool.Default()
_pool.Add(_file())

HelloRequest = _message_class("HelloRequest")
HelloReply = _message_class("HelloReply")


class SayStub:
    """As the generated one would be."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.Hello = channel.unary_unary(
            HELLO, request_serializer=HelloRequest.SerializeToString, response_deserializer=HelloReply.FromString
        )


def add_SayServicer_to_server(servicer: Any, server: grpc.aio.Server) -> None:  # noqa: N802
    """As the generated one would be."""
    hello = grpc.unary_unary_rpc_method_handler(
        servicer.Hello, request_deserializer=HelloRequest.FromString, response_serializer=HelloReply.SerializeToString
    )
    handler = grpc.method_handlers_generic_handler(SERVICE, {"Hello": hello})
    server.add_generic_rpc_handlers((handler,))
