"""Asking a server what it offers: gRPC server reflection.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. The messages of v1 and v1alpha are the same on the
wire; grpcio's servers have v1alpha only, so that is asked first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from muster.grpc.wellknown import is_well_known
from muster.model.errors import Fault

VERSIONS = ("v1alpha", "v1")
MAX_BYTES = 8 << 20
"""Of all file descriptors of one server: a hundred times that of a large API."""
MAX_FILES = 2000
HIDDEN = ("grpc.health.", "grpc.reflection.", "grpc.channelz.")
"""Services about the server itself: no part of what it offers."""

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Description:
    """What a server says of itself: the full names of its services, and the files that describe them, by name.

    The files are complete but for those of `google/protobuf`, which are the same everywhere. A service that the
    server lists but cannot describe is left out.
    """

    services: tuple[str, ...]
    files: dict[str, FileDescriptorProto]


async def describe(channel: grpc.aio.Channel, *, timeout: float, metadata: Metadata = ()) -> Description:
    """Reads the whole description in at most `timeout` seconds. `channel` has to lead to one server only.

    `metadata` goes with the questions, for servers that want to know who asks. Raises Fault: UNIMPLEMENTED where there
    is no reflection, RESOURCE_EXHAUSTED for a description over the limits, else the code that a question ended with.
    """
    deadline = time.monotonic() + timeout
    for version in VERSIONS:
        try:
            return await _read(_Questions(channel, version, deadline, metadata))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise _fault(error) from error
    raise Fault(
        "UNIMPLEMENTED",
        "the server has no reflection, so its methods cannot be called by name: switch reflection on "
        "(in Python grpc_reflection.v1alpha.reflection.enable_server_reflection), or call it with a generated stub",
    )


class _Questions:
    """What is asked of one server.

    Every question is a stream of its own, opened as one with a single request. On a stream that is written to,
    grpc.aio loses the server's status when that comes before the message is away: it says INTERNAL, "Internal error
    from Core" (seen once in a hundred times with a server that has no reflection).
    """

    def __init__(self, channel: grpc.aio.Channel, version: str, deadline: float, metadata: Metadata) -> None:
        self._open: Callable[..., Any] = channel.unary_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )
        self._deadline = deadline
        self._metadata = tuple(metadata) or None

    async def services(self) -> list[str]:
        """The full names of the services that the server lists."""
        answer = await self._ask(ServerReflectionRequest(list_services="*"))
        return sorted(service.name for service in answer.list_services_response.service)

    async def defining(self, symbol: str) -> list[FileDescriptorProto]:
        """The file that defines `symbol`, and perhaps what it imports; none if the server does not know it."""
        return _files(await self._ask(ServerReflectionRequest(file_containing_symbol=symbol)))

    async def named(self, file: str) -> list[FileDescriptorProto]:
        """The file of that name, and perhaps what it imports; none if the server does not know it."""
        return _files(await self._ask(ServerReflectionRequest(file_by_filename=file)))

    async def _ask(self, question: ServerReflectionRequest) -> ServerReflectionResponse:
        stream = self._open(question, timeout=max(0.0, self._deadline - time.monotonic()), metadata=self._metadata)
        try:
            answer = await stream.read()
        finally:
            stream.cancel()
        if not isinstance(answer, ServerReflectionResponse):  # grpc.aio.EOF
            raise Fault("INTERNAL", "the server ended reflection before it had answered")
        return answer


class _Files(dict[str, FileDescriptorProto]):
    """Files by name, within the limits."""

    bytes = 0

    def add(self, found: Iterable[FileDescriptorProto]) -> list[FileDescriptorProto]:
        """Adds those that are new, and returns them."""
        new = {file.name: file for file in found if file.name not in self}
        self.update(new)
        self.bytes += sum(file.ByteSize() for file in new.values())
        if len(self) > MAX_FILES or self.bytes > MAX_BYTES:
            limits = f"{MAX_FILES} files or {MAX_BYTES} bytes"
            raise Fault("RESOURCE_EXHAUSTED", f"the server's reflection describes more than {limits}")
        return list(new.values())

    def define(self, service: str) -> bool:
        """Whether one of the files defines this service."""
        package, _, name = service.rpartition(".")
        return any(file.package == package and name in {each.name for each in file.service} for file in self.values())


async def _read(questions: _Questions) -> Description:
    files = _Files()
    services = [name for name in await questions.services() if not name.startswith(HIDDEN)]
    for name in services:
        if not files.define(name):
            await _complete(questions, files, await questions.defining(name))
    return Description(tuple(filter(files.define, services)), files)


async def _complete(questions: _Questions, files: _Files, found: list[FileDescriptorProto]) -> None:
    """Adds what was found and all that it imports. Servers may leave imports out, or send files again."""
    unread = files.add(found)
    while unread:
        for name in unread.pop().dependency:
            if name in files or is_well_known(name):
                continue
            found = await questions.named(name)
            if not found:
                raise Fault("INTERNAL", f"the server's reflection does not know {name!r}, which its own files import")
            unread += files.add(found)


def _files(answer: ServerReflectionResponse) -> list[FileDescriptorProto]:
    try:
        return [FileDescriptorProto.FromString(file) for file in answer.file_descriptor_response.file_descriptor_proto]
    except DecodeError as error:
        raise Fault("INTERNAL", f"the server's reflection answers with what is no file descriptor: {error}") from error


def _fault(error: grpc.aio.AioRpcError) -> Fault:
    return Fault(error.code().name, f"while asking the server for its methods: {error.details() or 'no details'}")
