"""The author's interceptors, kept off health checks, and kept from telling callers about the inside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc
import grpc.aio

from muster.grpc.guard import verdict
from muster.grpc.health import SERVICE as HEALTH
from muster.model.errors import BadConfiguration

Handler = Any
"""A grpc.RpcMethodHandler, or None where there is no such method."""

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]


def intercepting(interceptors: Iterable[object]) -> tuple[grpc.aio.ServerInterceptor, ...]:
    """The interceptors to give to a server, in the same order. Raises BadConfiguration for what is none."""
    return tuple(_Intercepting(_checked(interceptor)) for interceptor in interceptors)


class _Intercepting(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """One that asks every caller for a token would else turn the registry away, and the instance critical."""

    def __init__(self, inner: grpc.aio.ServerInterceptor) -> None:
        self._inner = inner

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        method = handler_call_details.method
        if method.startswith(f"/{HEALTH}/"):
            return await continuation(handler_call_details)
        try:
            return await self._inner.intercept_service(continuation, handler_call_details)
        except Exception as error:
            return _refusal(*verdict(error, method, None, None))


def _checked(interceptor: object) -> grpc.aio.ServerInterceptor:
    if not isinstance(interceptor, grpc.aio.ServerInterceptor):
        raise BadConfiguration(f"{interceptor!r} is no grpc.aio.ServerInterceptor")
    return interceptor


def _refusal(code: grpc.StatusCode, detail: str) -> grpc.RpcMethodHandler:
    """A handler that answers any call, also a streaming one, with an error."""

    async def refuse(request: Any, context: Any) -> None:
        await context.abort(code, detail)

    return grpc.stream_stream_rpc_method_handler(refuse)
