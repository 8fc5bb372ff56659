"""muster.grpc.reflect: what it reads from real servers, and what it makes of those that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2 as pb

from muster.grpc import reflect
from muster.grpc.reflect import Description, describe
from muster.grpc.schema import Schema
from muster.model.endpoint import Endpoint
from muster.model.errors import Fault
from muster.testing.protos import compiled, offering

pytestmark = pytest.mark.anyio

SHARED = """
syntax = "proto3";
package shared;
import "google/protobuf/timestamp.proto";
message Note { string text = 1; google.protobuf.Timestamp at = 2; }
"""

NOTES = """
syntax = "proto3";
package notes.v1;
import "shared.proto";
import "google/protobuf/empty.proto";
service Notes {
  rpc Add(shared.Note) returns (google.protobuf.Empty);
  rpc Follow(google.protobuf.Empty) returns (stream shared.Note);
  rpc Pour(stream shared.Note) returns (google.protobuf.Empty);
}
service Other { rpc Add(shared.Note) returns (shared.Note); }
"""

ENDPOINTS = (
    Endpoint("/notes.v1.Notes/Add", "shared.Note", "google.protobuf.Empty"),
    Endpoint("/notes.v1.Notes/Follow", "google.protobuf.Empty", "shared.Note", server_streaming=True),
    Endpoint("/notes.v1.Notes/Pour", "shared.Note", "google.protobuf.Empty", client_streaming=True),
    Endpoint("/notes.v1.Other/Add", "shared.Note", "shared.Note"),
)

Answer = Callable[[pb.ServerReflectionRequest], Any]


@pytest.fixture(scope="module")
def pool() -> DescriptorPool:
    return compiled(shared=SHARED, notes=NOTES)


async def silent(request: Any, context: Any) -> Any:
    await context.abort(grpc.StatusCode.INTERNAL, "not to be called")


HANDLERS = {"notes.v1.Notes.Add": silent, "notes.v1.Other.Add": silent}


async def read(address: str, timeout: float = 5.0, **options: Any) -> Description:
    async with grpc.aio.insecure_channel(address) as channel:
        return await describe(channel, timeout=timeout, **options)


@asynccontextmanager
async def answering(*answers: Answer, version: str = "v1alpha") -> AsyncIterator[str]:
    """A server whose reflection answers each question with the next of `answers`, the last one over and over."""

    left = list(answers)

    async def talk(requests: AsyncIterator[pb.ServerReflectionRequest], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            answer = left[0](request)
            if len(left) > 1:
                del left[0]
            yield await answer if isawaitable(answer) else answer

    handler = grpc.stream_stream_rpc_method_handler(
        talk,
        request_deserializer=pb.ServerReflectionRequest.FromString,
        response_serializer=pb.ServerReflectionResponse.SerializeToString,
    )
    name = f"grpc.reflection.{version}.ServerReflection"
    generic = grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
    async with offering(DescriptorPool(), {}, reflect=False, add=[generic]) as address:
        yield address


def listed(*names: str) -> Answer:
    services = [pb.ServiceResponse(name=name) for name in names]
    return lambda _: pb.ServerReflectionResponse(list_services_response=pb.ListServiceResponse(service=services))


def files(*contents: bytes) -> Answer:
    answer = pb.FileDescriptorResponse(file_descriptor_proto=list(contents))
    return lambda _: pb.ServerReflectionResponse(file_descriptor_response=answer)


def not_found(_: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
    return pb.ServerReflectionResponse(error_response=pb.ErrorResponse(error_code=5, error_message="not found"))


async def forever(_: pb.ServerReflectionRequest) -> None:
    await asyncio.Event().wait()


async def test_reads_every_service_but_those_about_the_server_itself(pool: DescriptorPool) -> None:
    async with offering(pool, HANDLERS) as address:
        description = await read(address)
    assert description.services == ("notes.v1.Notes", "notes.v1.Other")
    assert Schema(description).endpoints == ENDPOINTS


async def test_the_greeter_example_as_generated_code_serves_it() -> None:
    import greeter_pb2_grpc
    from grpc_reflection.v1alpha.reflection import enable_server_reflection

    server = grpc.aio.server()
    greeter_pb2_grpc.add_SayServicer_to_server(greeter_pb2_grpc.SayServicer(), server)
    enable_server_reflection(["greeter.Say", "grpc.health.v1.Health"], server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        schema = Schema(await read(f"127.0.0.1:{port}"))
    finally:
        await server.stop(None)
    shorts = [endpoint.short for endpoint in schema.endpoints]
    assert shorts == ["Say.Hello", "Say.ListHellos", "Say.CollectNames", "Say.Chat"]


async def test_imports_that_the_server_leaves_out_are_asked_for(pool: DescriptorPool) -> None:
    by_name = {name: pool.FindFileByName(name).serialized_pb for name in ("notes.proto", "shared.proto")}
    asked: list[str] = []

    def sparing(request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
        name = request.file_by_filename or "notes.proto"
        asked.append(name)
        return files(by_name[name])(request)

    async with answering(listed("notes.v1.Notes", "notes.v1.Other"), sparing) as address:
        schema = Schema(await read(address))
    assert schema.endpoints == ENDPOINTS
    assert asked == ["notes.proto", "shared.proto"]


async def test_v1_is_asked_where_v1alpha_is_not_there() -> None:
    async with answering(listed(), version="v1") as address:
        assert (await read(address)).services == ()


async def test_a_service_without_a_description_is_left_out(pool: DescriptorPool) -> None:
    content = [pool.FindFileByName(name).serialized_pb for name in ("notes.proto", "shared.proto")]
    async with answering(listed("a.Bare", "notes.v1.Notes"), not_found, files(*content)) as address:
        assert (await read(address)).services == ("notes.v1.Notes",)


async def test_a_server_without_reflection_is_told_what_to_do(pool: DescriptorPool) -> None:
    async with offering(pool, HANDLERS, reflect=False) as address:
        with pytest.raises(Fault, match=r"no reflection.*switch reflection on") as caught:
            await read(address)
    assert caught.value.code == "UNIMPLEMENTED"


async def test_nobody_there() -> None:
    with pytest.raises(Fault) as caught:
        await read("127.0.0.1:1")
    assert caught.value.code == "UNAVAILABLE"


async def test_a_server_that_never_answers() -> None:
    async with answering(forever) as address:
        with pytest.raises(Fault) as caught:
            await read(address, timeout=0.1)
    assert caught.value.code == "DEADLINE_EXCEEDED"


async def test_a_server_whose_reflection_raises() -> None:
    def refusing(request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
        raise AssertionError

    async with answering(refusing) as address:
        with pytest.raises(Fault) as caught:
            await read(address)
    assert caught.value.code == "UNKNOWN"


async def test_metadata_goes_with_the_question() -> None:
    seen: list[Any] = []

    async def talk(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        seen.append(dict(context.invocation_metadata()))
        async for request in requests:
            yield listed()(request)

    handler = grpc.stream_stream_rpc_method_handler(
        talk,
        request_deserializer=pb.ServerReflectionRequest.FromString,
        response_serializer=pb.ServerReflectionResponse.SerializeToString,
    )
    name = "grpc.reflection.v1alpha.ServerReflection"
    generic = grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
    async with offering(DescriptorPool(), {}, reflect=False, add=[generic]) as address:
        await read(address, metadata=[("authorization", "Bearer x")])
    assert seen[0]["authorization"] == "Bearer x"


async def test_no_descriptor_at_all() -> None:
    async with answering(listed("a.B"), files(b"\xff\xff")) as address:
        with pytest.raises(Fault, match="no file descriptor") as caught:
            await read(address)
    assert caught.value.code == "INTERNAL"


async def test_an_import_that_the_server_does_not_know() -> None:
    file = FileDescriptorProto(name="a.proto", dependency=["lost.proto"]).SerializeToString()
    async with answering(listed("a.B"), files(file), not_found) as address:
        with pytest.raises(Fault, match=r"does not know 'lost\.proto'"):
            await read(address)


async def test_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect, "MAX_BYTES", 100)
    file = FileDescriptorProto(name="a" * 200).SerializeToString()
    async with answering(listed("a.B"), files(file)) as address:
        with pytest.raises(Fault, match="describes more than 2000 files or 100 bytes") as caught:
            await read(address)
    assert caught.value.code == "RESOURCE_EXHAUSTED"


async def test_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect, "MAX_FILES", 2)
    content = [FileDescriptorProto(name=name).SerializeToString() for name in "abc"]
    async with answering(listed("a.B"), files(*content)) as address:
        with pytest.raises(Fault, match="describes more than 2 files"):
            await read(address)


def described(*contents: FileDescriptorProto, services: tuple[str, ...] = ()) -> Description:
    return Description(services, {file.name: file for file in contents})


@pytest.mark.parametrize(
    ("description", "text"),
    [
        (described(FileDescriptorProto(name="a", dependency=["a"])), "a imports itself"),
        (
            described(
                FileDescriptorProto(name="a", dependency=["b"]),
                FileDescriptorProto(name="b", dependency=["a"]),
            ),
            "a imports itself",
        ),
        (described(FileDescriptorProto(name="a", dependency=["b"])), "b is missing"),
        (described(FileDescriptorProto(name="a"), services=("x.Y",)), "x.Y"),
        (described(FileDescriptorProto(name="a", syntax="proto9")), "contradicts itself"),
    ],
)
def test_descriptions_that_contradict_themselves(description: Description, text: str) -> None:
    with pytest.raises(Fault, match=text) as caught:
        Schema(description)
    assert caught.value.code == "INTERNAL"


def test_a_long_chain_of_imports_is_no_problem() -> None:
    chain = [FileDescriptorProto(name=str(n), dependency=[str(n + 1)]) for n in range(1500)]
    assert Schema(described(*chain, FileDescriptorProto(name="1500"))).endpoints == ()
