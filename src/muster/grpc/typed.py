"""Handlers of a class, served by gRPC: JSON on the wire (`application/grpc+json`), no generated code.

gRPC tells a server no more of the content type than that it is gRPC's, so the path decides: all messages of these
methods are JSON, whatever the caller calls them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from muster.grpc.guard import guard
from muster.grpc.slots import Slots
from muster.rpc.answering import Answering
from muster.rpc.description import GRPC_PATH

_MAKE = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""By whether a method takes and gives a stream."""


class TypedHandlers:
    """What the handlers of one run answer, and the document that describes it."""

    def __init__(self, answering: Iterable[Answering], document: bytes) -> None:
        self._answering = tuple(answering)
        self._document = document

    @property
    def services(self) -> frozenset[str]:
        """Their full names, as in `greeter.Say`."""
        return frozenset(each.path[1:].rpartition("/")[0] for each in self._answering)

    def install(self, server: grpc.aio.Server, slots: Slots) -> None:
        """Give every handler, guarded, to a server that has not been started."""
        if not self._answering:
            return
        handlers = {each.path: guard(_handler(each), each.path, slots) for each in self._answering}
        handlers[GRPC_PATH] = grpc.unary_unary_rpc_method_handler(self._describe)
        server.add_generic_rpc_handlers((_ByPath(handlers),))

    async def _describe(self, _: bytes, __: Any) -> bytes:
        return self._document


NOTHING = TypedHandlers((), b"")


class _ByPath(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds handlers by their path. Clients that know the service by another name write that name before the class's:
    as long as it is the only class of that name, they are understood."""

    def __init__(self, handlers: dict[str, grpc.RpcMethodHandler]) -> None:
        self._handlers = handlers
        self._by_end = {_end(path): handler for path, handler in handlers.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        path: str = handler_call_details.method
        return self._handlers.get(path) or self._by_end.get(_end(path))


def _end(path: str) -> str:
    """`Say/Hello` of `/greeter.Say/Hello`."""
    kind, _, method = path[1:].rpartition("/")
    return f"{kind.rpartition('.')[2]}/{method}"


def _handler(answering: Answering) -> grpc.RpcMethodHandler:
    operation = answering.operation
    make: Callable[..., grpc.RpcMethodHandler] = _MAKE[operation.takes_stream, operation.gives_stream]
    return make(_many(answering) if operation.gives_stream else _once(answering))


def _once(answering: Answering) -> Callable[..., Any]:
    async def once(sent: Any, _: Any) -> bytes:
        return await answering.once(answering.argument(sent))

    return once


def _many(answering: Answering) -> Callable[..., Any]:
    async def many(sent: Any, _: Any) -> AsyncIterator[bytes]:
        async with aclosing(answering.many(answering.argument(sent))) as replies:
            async for reply in replies:
                yield reply

    return many
