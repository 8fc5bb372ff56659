"""Calls of a class's operations by gRPC, as bytes of JSON, over the channel to a service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any

import grpc.aio

from muster.grpc.attempting import Terms
from muster.grpc.channel import Channel
from muster.grpc.hedged import unary_call
from muster.grpc.kinds import StreamStreamCall, StreamUnaryCall, UnaryStreamCall
from muster.grpc.method import Kind, Method
from muster.model.errors import Fault, MusterError
from muster.rpc.contract import Operation
from muster.rpc.description import GRPC_PATH

_KINDS = {
    (False, False): Kind.UNARY_UNARY,
    (False, True): Kind.UNARY_STREAM,
    (True, False): Kind.STREAM_UNARY,
    (True, True): Kind.STREAM_STREAM,
}

_DESCRIBE = Operation("Schema", "-describe", None, bytes, idempotent=True)
"""Asks for the document. No method of a class has this name."""

_Key = tuple[str, str, bool, bool, bool]
"""What a method on the wire depends on; several classes may be called by one way."""

Metadata = tuple[tuple[str, str], ...]


class GRPCWay:
    """How the service `name` is called by gRPC. For one event loop."""

    def __init__(self, name: str, channel: Channel, timeout: float | None, metadata: Metadata) -> None:
        """`timeout`: seconds for a call; None: the client's own for one reply, no end for streams."""
        self._name = name
        self._channel = channel
        self._timeout = timeout
        self._metadata = metadata or None
        self._methods: dict[_Key, _Declared] = {}

    async def once(self, operation: Operation, sent: bytes | AsyncIterable[bytes]) -> bytes:
        """The reply. Raises Fault, NoInstances, RegistryUnavailable and Overloaded."""
        call = self._begin(operation, sent)
        try:
            reply: bytes = await call
        except grpc.aio.AioRpcError as error:
            raise _fault(error) from error
        return reply

    async def many(self, operation: Operation, sent: bytes | AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """The replies. Raises as `once`. Leaving it cancels the call."""
        call = self._begin(operation, sent)
        try:
            async for reply in call:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise _fault(error) from error
        finally:
            call.cancel()

    async def describe(self) -> bytes:
        """The document of the service's handlers. Raises as `once`."""
        return await self.once(_DESCRIBE, b"")

    def _begin(self, operation: Operation, sent: Any) -> Any:
        key = operation.kind, operation.attribute, operation.idempotent, operation.takes_stream, operation.gives_stream
        method = self._methods.get(key) or self._method(key, operation)
        timeout = method.default_timeout if self._timeout is None else self._timeout
        terms = Terms(timeout, self._metadata, None, None, None)
        return method.begin(method, terms, sent)

    def _method(self, key: _Key, operation: Operation) -> _Declared:
        path = GRPC_PATH if operation is _DESCRIBE else operation.path(self._name)
        method = self._methods[key] = _Declared(self._channel, operation, path)
        return method


class _Declared(Method):
    """A method of which the class says whether it is idempotent. `begin(method, terms, sent)` begins a call of it."""

    def __init__(self, channel: Channel, operation: Operation, path: str) -> None:
        kind = _KINDS[operation.takes_stream, operation.gives_stream]
        super().__init__(channel._pool, channel._calling, kind, path, (None, None, False))
        self.idempotent = self.idempotent or operation.idempotent
        self.hedged = self.idempotent and channel._calling.hedger is not None and kind is Kind.UNARY_UNARY
        self.begin: Callable[..., Any] = _BEGIN[kind]


_BEGIN: dict[Kind, Callable[..., Any]] = {
    Kind.UNARY_UNARY: unary_call,
    Kind.UNARY_STREAM: lambda *call: UnaryStreamCall(*call).begin(),
    Kind.STREAM_UNARY: lambda *call: StreamUnaryCall(*call).begin(),
    Kind.STREAM_STREAM: lambda *call: StreamStreamCall(*call).begin(),
}


def _fault(error: grpc.aio.AioRpcError) -> MusterError:
    if isinstance(error.__cause__, MusterError):
        return error.__cause__
    return Fault(error.code().name, error.details() or "")
