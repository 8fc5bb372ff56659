"""What one version of a service offers, and its messages as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from muster.grpc.mismatch import MAX_DEPTH, explain
from muster.grpc.reflect import Description
from muster.grpc.wellknown import is_well_known, well_known_file
from muster.model.endpoint import Endpoint
from muster.model.errors import Fault


class Schema:
    """The endpoints of a service and their types, in a descriptor pool of their own.

    Immutable; may be used from several threads. Raises Fault INTERNAL for a description that contradicts itself.
    """

    def __init__(self, description: Description) -> None:
        self._pool = _pool(description.files)
        try:
            self.endpoints = tuple(
                endpoint for service in description.services for endpoint in _endpoints(self._pool, service)
            )
        except KeyError as error:
            raise _contradiction(error) from error

    def request_type(self, endpoint: Endpoint) -> Descriptor:
        """The descriptor of the message that `endpoint` takes."""
        return self._pool.FindMessageTypeByName(endpoint.request)

    def idempotent(self, endpoint: Endpoint) -> bool:
        """Whether the method's proto declares that it may be repeated, by its idempotency_level."""
        level = self._pool.FindMethodByName(endpoint.dotted).GetOptions().idempotency_level
        return level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)

    def request(self, endpoint: Endpoint, value: Any) -> Message:
        """The message that `value`, decoded JSON, stands for (https://protobuf.dev/programming-guides/json/).

        Raises Fault INVALID_ARGUMENT, which names the field at fault by its path, and what was expected there.
        """
        descriptor = self.request_type(endpoint)
        if fault := explain(descriptor, value):
            raise _misfit(descriptor, fault)
        message = GetMessageClass(descriptor)()
        try:
            json_format.ParseDict(value, message, descriptor_pool=self._pool, max_recursion_depth=MAX_DEPTH)
        except Exception as error:  # ParseError for most, but whatever the type of a value provokes for some
            raise _misfit(descriptor, error) from error
        return message

    def decode(self, endpoint: Endpoint, data: bytes) -> Message:
        """The message that `endpoint` answered with. Raises google.protobuf.message.DecodeError."""
        return GetMessageClass(self._pool.FindMessageTypeByName(endpoint.response)).FromString(data)

    def reply(self, message: Message) -> Any:
        """A message as JSON values. Fields that are not set are there with their defaults, unless they track presence.

        Names are lowerCamelCase, 64-bit integers and bytes are strings, as the JSON form of protobuf has it. Raises
        Fault INTERNAL for what has no JSON form, such as an Any of an unknown type.
        """
        try:
            return json_format.MessageToDict(
                message, always_print_fields_with_no_presence=True, descriptor_pool=self._pool
            )
        except Exception as error:  # SerializeToJsonError, TypeError, ValueError: whatever the value provokes
            raise Fault(
                "INTERNAL", f"the reply, a {message.DESCRIPTOR.full_name}, has no JSON form: {error}"
            ) from error


def _pool(files: dict[str, FileDescriptorProto]) -> DescriptorPool:
    pool = DescriptorPool()
    added: set[str] = set()
    for name in files:
        _add(pool, files, name, added)
    return pool


def _add(pool: DescriptorPool, files: dict[str, FileDescriptorProto], wanted: str, added: set[str]) -> None:
    """Adds a file after all that it imports, as the pool demands."""
    path = [(wanted, iter(_imports(files, wanted)))]
    while path:
        name, imports = path[-1]
        missing = next((each for each in imports if each not in added), None)
        if missing is None:
            path.pop()
            _add_one(pool, files, name, added)
        elif any(missing == other for other, _ in path):
            raise _contradiction(f"{missing} imports itself")
        else:
            path.append((missing, iter(_imports(files, missing))))


def _imports(files: dict[str, FileDescriptorProto], name: str) -> list[str]:
    if is_well_known(name):
        return [dependency.name for dependency in well_known_file(name).dependencies]
    if name not in files:
        raise _contradiction(f"{name} is missing")
    return list(files[name].dependency)


def _add_one(pool: DescriptorPool, files: dict[str, FileDescriptorProto], name: str, added: set[str]) -> None:
    if name in added:
        return
    added.add(name)
    serialized = well_known_file(name).serialized_pb if is_well_known(name) else files[name].SerializeToString()
    try:
        pool.AddSerializedFile(serialized)
    except TypeError as error:
        raise _contradiction(error) from error


def _endpoints(pool: DescriptorPool, service: str) -> Iterator[Endpoint]:
    for method in pool.FindServiceByName(service).methods:
        yield Endpoint(
            path=f"/{service}/{method.name}",
            request=method.input_type.full_name,
            response=method.output_type.full_name,
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
        )


def _contradiction(why: object) -> Fault:
    return Fault("INTERNAL", f"the server's reflection contradicts itself: {why}")


def _misfit(descriptor: Descriptor, why: object) -> Fault:
    return Fault("INVALID_ARGUMENT", f"{descriptor.full_name}: {why}")
