"""What one version of a service offers to who calls it by name: protobuf as its reflection has it, JSON as its handlers
have it, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc.aio
import msgspec

from muster.grpc.reflect import Metadata
from muster.grpc.schema import Schema
from muster.model.endpoint import Endpoint
from muster.model.errors import Fault
from muster.rpc.description import GRPC_PATH


class Encoded(Protocol):
    """A message on its way: one of protobuf's, or JSON."""

    def SerializeToString(self) -> bytes: ...  # noqa: N802

    def ByteSize(self) -> int: ...  # noqa: N802


class Offer(Protocol):
    """See Schema, which is one of these, for what each promises."""

    endpoints: tuple[Endpoint, ...]

    def request_type(self, endpoint: Endpoint) -> Any: ...

    def idempotent(self, endpoint: Endpoint) -> bool: ...

    def request(self, endpoint: Endpoint, value: Any) -> Encoded: ...

    def decode(self, endpoint: Endpoint, data: bytes) -> Any: ...

    def reply(self, message: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class JSONMessage:
    """JSON where protobuf has a message."""

    data: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802
        return self.data

    def ByteSize(self) -> int:  # noqa: N802
        return len(self.data)


@dataclass(frozen=True, slots=True)
class JSONType:
    """What a handler takes, by JSON Schema; `definitions` are what it refers to by `#/$defs/NAME`."""

    name: str
    schema: Mapping[str, Any]
    definitions: Mapping[str, Any]


class Typed:
    """What handlers offer, by the document that describes them. Raises Fault INTERNAL for one that makes no sense."""

    def __init__(self, document: bytes) -> None:
        try:
            described = msgspec.json.decode(document)
            self._definitions = dict(described["$defs"])
            self._by_path = {each["path"]: each for each in described["endpoints"]}
            self.endpoints = tuple(map(_endpoint, self._by_path.values()))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Fault("INTERNAL", f"the service's description of its handlers makes no sense: {error!r}") from error

    def request_type(self, endpoint: Endpoint) -> JSONType:
        return JSONType(endpoint.request, self._by_path[endpoint.path]["request"], self._definitions)

    def idempotent(self, endpoint: Endpoint) -> bool:
        return bool(self._by_path[endpoint.path].get("idempotent"))

    def request(self, endpoint: Endpoint, value: Any) -> JSONMessage:
        """The value as it is: whether it fits is the service's to say."""
        try:
            return JSONMessage(msgspec.json.encode(value))
        except (TypeError, ValueError, RecursionError) as error:
            raise Fault("INVALID_ARGUMENT", f"{endpoint.path}: the payload has no JSON form: {error}") from error

    def decode(self, endpoint: Endpoint, data: bytes) -> JSONMessage:
        return JSONMessage(data)

    def reply(self, message: JSONMessage) -> Any:
        try:
            return msgspec.json.decode(message.data)
        except (ValueError, RecursionError) as error:
            raise Fault("INTERNAL", f"the reply is no JSON: {error}") from error


class Joined:
    """Both kinds of one service."""

    def __init__(self, schema: Schema, typed: Typed) -> None:
        self._schema = schema
        self._typed = typed
        self._paths = {endpoint.path for endpoint in typed.endpoints}
        # A proto that the server has loaded, and does not serve, may describe a service of the same name.
        others = tuple(endpoint for endpoint in schema.endpoints if endpoint.path not in self._paths)
        self.endpoints = (*others, *typed.endpoints)

    def request_type(self, endpoint: Endpoint) -> Any:
        return self._of(endpoint).request_type(endpoint)

    def idempotent(self, endpoint: Endpoint) -> bool:
        return self._of(endpoint).idempotent(endpoint)

    def request(self, endpoint: Endpoint, value: Any) -> Encoded:
        return self._of(endpoint).request(endpoint, value)

    def decode(self, endpoint: Endpoint, data: bytes) -> Any:
        return self._of(endpoint).decode(endpoint, data)

    def reply(self, message: Any) -> Any:
        return self._typed.reply(message) if isinstance(message, JSONMessage) else self._schema.reply(message)

    def _of(self, endpoint: Endpoint) -> Offer:
        return self._typed if endpoint.path in self._paths else self._schema


async def described(channel: grpc.aio.Channel, *, timeout: float, metadata: Metadata = ()) -> bytes:
    """The document that describes the handlers of the server that `channel` leads to. Raises Fault."""
    ask = channel.unary_unary(GRPC_PATH)
    try:
        document: bytes = await ask(b"", timeout=timeout, metadata=tuple(metadata) or None)
    except grpc.aio.AioRpcError as error:
        raise Fault(error.code().name, f"while asking the server for its handlers: {error.details()}") from error
    return document


def _endpoint(each: Mapping[str, Any]) -> Endpoint:
    streams = bool(each["client_streaming"]), bool(each["server_streaming"])
    return Endpoint(each["path"], each["request_type"], each["reply_type"], *streams)
