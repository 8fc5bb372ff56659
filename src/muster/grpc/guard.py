"""Around every handler: what it raises stays inside, no more calls get in than the server wants, and what it calls in
turn knows until when the answer is wanted (`rpc.current`).

gRPC sends the text of an exception that a handler raises to whoever called ("Unexpected <class 'KeyError'>: ..."),
which tells strangers about the inside of the program. Here callers learn that the call failed and the log has the rest.

Handlers come in four shapes (async or not, one reply or a stream of them), and each is wrapped in its own, since gRPC
decides by the shape of the function how to run it.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from muster.grpc.plain_context import Aborted, PlainContext, PlainStreamContext
from muster.grpc.refusal import Trailing
from muster.grpc.slots import Slots, Verdict
from muster.model.errors import Fault
from muster.rpc.current import Served, serving
from muster.rpc.status import status_of

log = logging.getLogger("muster.grpc")


def guard(handler: grpc.RpcMethodHandler, method: str, slots: Slots) -> grpc.RpcMethodHandler:
    """The same handler, guarded. `method` is the full path, for the log and for callers."""
    behaviour, build = _parts(handler)
    guarded = _wrapper(handler, behaviour)(behaviour, method, slots)
    return build(guarded, handler.request_deserializer, handler.response_serializer)


class GuardedHandlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The same for handlers that are found only when a call comes in."""

    def __init__(self, handlers: grpc.GenericRpcHandler, slots: Slots) -> None:
        self._handlers = handlers
        self._slots = slots

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        handler = self._handlers.service(handler_call_details)
        return handler and guard(handler, handler_call_details.method, self._slots)


def verdict(error: Exception, method: str, code: Any, details: str | None) -> Verdict:
    """What to tell the caller of a handler that raised `error` after it had set `code` and `details` or not.

    A Fault and a code are meant for the caller; anything else is the program's own affair, and is logged.
    """
    if isinstance(error, Fault):
        return grpc.StatusCode[status_of(error.code).code], error.detail
    chosen = _chosen(code)
    if chosen is not None:
        return chosen, details or ""
    log.error("%s raised %s", method, type(error).__name__, exc_info=error)
    return grpc.StatusCode.UNKNOWN, f"{method} failed; the service's log says why"


def _chosen(code: Any) -> grpc.StatusCode | None:
    """The code that a handler has set, which gRPC keeps as a StatusCode or its number; 0 and None where it has not."""
    if isinstance(code, grpc.StatusCode):
        return None if code is grpc.StatusCode.OK else code
    return next((each for each in grpc.StatusCode if code and each.value[0] == code), None)


def _coroutine(behaviour: Callable[..., Any], method: str, slots: Slots) -> Callable[..., Any]:
    async def guarded(request: Any, context: Any) -> Any:
        if not slots.take():
            await context.abort(*slots.full)
        _serve(method, context)
        try:
            return await behaviour(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            return await context.abort(*verdict(error, method, context.code(), context.details()))
        finally:
            slots.give_back()

    return guarded


def _async_stream(behaviour: Callable[..., Any], method: str, slots: Slots) -> Callable[..., Any]:
    async def guarded(request: Any, context: Any) -> AsyncIterator[Any]:
        if not slots.take():
            await context.abort(*slots.full)
        _serve(method, context)
        try:
            async with aclosing(behaviour(request, context)) as replies:
                async for reply in replies:
                    yield reply
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await context.abort(*verdict(error, method, context.code(), context.details()))
        finally:
            slots.give_back()

    return guarded


def _plain(behaviour: Callable[..., Any], method: str, slots: Slots) -> Callable[..., Any]:
    def guarded(request: Any, context: Any) -> Any:
        context = PlainContext(context)
        if not slots.take():
            context.abort(*slots.full)
        _serve(method, context)
        try:
            return behaviour(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            return context.abort(*verdict(error, method, context.code(), context.details()))
        finally:
            serving.set(None)
            slots.give_back()

    return guarded


def _plain_stream(behaviour: Callable[..., Any], method: str, slots: Slots) -> Callable[..., Any]:
    def guarded(request: Any, context: Any) -> Iterator[Any]:
        context = PlainStreamContext(context)
        if not slots.take():
            _set(context, *slots.full)
            return
        _serve(method, context)
        try:
            yield from behaviour(request, context)
        except Aborted:
            return
        except Exception as error:
            _set(context, *verdict(error, method, context.code(), context.details()))
        finally:
            serving.set(None)
            slots.give_back()

    return guarded


def _serve(method: str, context: Any) -> None:
    """From here on the call is being served. It ends with the call's own task, or is ended where threads are used
    again."""
    left = context.time_remaining()
    deadline = None if left is None else time.monotonic() + left
    serving.set(Served(method, context.peer(), deadline, context.invocation_metadata))


def _set(context: Any, code: grpc.StatusCode, details: str, trailing: Trailing = ()) -> None:
    context.set_code(code)
    context.set_details(details)
    if trailing:
        context.set_trailing_metadata(trailing)


def _wrapper(handler: grpc.RpcMethodHandler, behaviour: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    """The wrapper of the handler's own shape. A coroutine may also serve a stream, writing the replies itself."""
    if _is(inspect.iscoroutinefunction, behaviour):
        return _coroutine
    if _is(inspect.isasyncgenfunction, behaviour):
        return _async_stream
    return _plain_stream if handler.response_streaming else _plain


def _is(kind: Callable[[object], bool], behaviour: Callable[..., Any]) -> bool:
    """Of an object that can be called, its class tells what kind of function it is."""
    return kind(behaviour) or kind(type(behaviour).__call__)


def _parts(handler: Any) -> tuple[Callable[..., Any], Callable[..., grpc.RpcMethodHandler]]:
    """The handler's function, and what makes a handler of the same kind."""
    if handler.request_streaming:
        if handler.response_streaming:
            return handler.stream_stream, grpc.stream_stream_rpc_method_handler
        return handler.stream_unary, grpc.stream_unary_rpc_method_handler
    if handler.response_streaming:
        return handler.unary_stream, grpc.unary_stream_rpc_method_handler
    return handler.unary_unary, grpc.unary_unary_rpc_method_handler
