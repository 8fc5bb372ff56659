"""Asking a server what it offers: gRPC server reflection.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. The messages of v1 and v1alpha are the same on the
wire; grpcio's servers have v1alpha only, so that is asked first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
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

    `metadata` goes with the request, for servers that want to know who asks. Raises Fault: UNIMPLEMENTED where there is
    no reflection, RESOURCE_EXHAUSTED for a description over the limits, else the code that the call ended with.
    """
    for version in VERSIONS:
        try:
            async with _conversation(channel, version, timeout, metadata) as conversation:
                return await _read(conversation)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise _fault(error.code(), error.details()) from error
    raise Fault(
        "UNIMPLEMENTED",
        "the server has no reflection, so its methods cannot be called by name: switch reflection on "
        "(in Python grpc_reflection.v1alpha.reflection.enable_server_reflection), or call it with a generated stub",
    )


class _Conversation:
    """One stream of questions and answers, and how much was answered."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._bytes = 0

    async def ask(self, question: ServerReflectionRequest) -> ServerReflectionResponse:
        with suppress(asyncio.InvalidStateError):  # the server has ended the call: reading raises why
            await self._call.write(question)
        answer = await self._call.read()
        if not isinstance(answer, ServerReflectionResponse):  # grpc.aio.EOF
            raise Fault("INTERNAL", "the server ended reflection before it had answered")
        self._bytes += answer.ByteSize()
        if self._bytes > MAX_BYTES:
            raise Fault("RESOURCE_EXHAUSTED", f"the server's reflection answers with more than {MAX_BYTES} bytes")
        return answer


@asynccontextmanager
async def _conversation(
    channel: grpc.aio.Channel, version: str, timeout: float, metadata: Metadata
) -> AsyncIterator[_Conversation]:
    multicallable = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    call = multicallable(timeout=timeout, metadata=tuple(metadata) or None)
    try:
        yield _Conversation(call)
    finally:
        call.cancel()


async def _read(conversation: _Conversation) -> Description:
    answer = await conversation.ask(ServerReflectionRequest(list_services="*"))
    listed = [service.name for service in answer.list_services_response.service]
    services: list[str] = []
    files: dict[str, FileDescriptorProto] = {}
    for name in sorted(listed):
        if name.startswith(HIDDEN):
            continue
        found = await _files(conversation, ServerReflectionRequest(file_containing_symbol=name))
        if found:
            services.append(name)
            await _complete(conversation, files, found)
    return Description(tuple(services), files)


async def _complete(
    conversation: _Conversation, files: dict[str, FileDescriptorProto], found: list[FileDescriptorProto]
) -> None:
    """Adds what was found and all that it imports. Servers may leave imports out, or send files again."""
    unread = _add(files, found)
    while unread:
        for name in unread.pop().dependency:
            if name in files or is_well_known(name):
                continue
            found = await _files(conversation, ServerReflectionRequest(file_by_filename=name))
            if not found:
                raise Fault("INTERNAL", f"the server's reflection does not know {name!r}, which its own files import")
            unread += _add(files, found)


def _add(files: dict[str, FileDescriptorProto], found: list[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Adds those that are new, and returns them."""
    new = {file.name: file for file in found if file.name not in files}
    files.update(new)
    if len(files) > MAX_FILES:
        raise Fault("RESOURCE_EXHAUSTED", f"the server's reflection has more than {MAX_FILES} files")
    return list(new.values())


async def _files(conversation: _Conversation, question: ServerReflectionRequest) -> list[FileDescriptorProto]:
    answer = await conversation.ask(question)
    try:
        return [FileDescriptorProto.FromString(file) for file in answer.file_descriptor_response.file_descriptor_proto]
    except DecodeError as error:
        raise Fault("INTERNAL", f"the server's reflection answers with what is no file descriptor: {error}") from error


def _fault(code: grpc.StatusCode, details: str | None) -> Fault:
    return Fault(code.name, f"while asking the server for its methods: {details or 'no details'}")
