"""The channel that generated stubs take: a name instead of an address."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from muster.client.pool import Pool
from muster.grpc.attempting import Terms
from muster.grpc.hedged import unary_call
from muster.grpc.kinds import StreamStreamCall, StreamUnaryCall, UnaryStreamCall
from muster.grpc.link import Link
from muster.grpc.method import Calling, Kind, Method

State = grpc.ChannelConnectivity


class _MultiCallable:
    def __init__(self, method: Method) -> None:
        self._method = method


class _UnaryUnary(_MultiCallable, grpc.aio.UnaryUnaryMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        if timeout is None:
            timeout = self._method.default_timeout
        terms = Terms(timeout, metadata, credentials, wait_for_ready, compression)
        return unary_call(self._method, terms, request)


class _UnaryStream(_MultiCallable, grpc.aio.UnaryStreamMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        terms = Terms(timeout, metadata, credentials, wait_for_ready, compression)
        return UnaryStreamCall(self._method, terms, request).begin()


class _StreamUnary(_MultiCallable, grpc.aio.StreamUnaryMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request_iterator: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        terms = Terms(timeout, metadata, credentials, wait_for_ready, compression)
        return StreamUnaryCall(self._method, terms, request_iterator).begin()


class _StreamStream(_MultiCallable, grpc.aio.StreamStreamMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request_iterator: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        terms = Terms(timeout, metadata, credentials, wait_for_ready, compression)
        return StreamStreamCall(self._method, terms, request_iterator).begin()


class Channel(grpc.aio.Channel):  # type: ignore[misc]
    """A grpc.aio.Channel to a service by its name: each call goes to one of its instances.

    What differs from a channel to an address:

    - unary calls without `timeout=` get the client's default, and a timeout is for the call over all of its attempts;
    - `wait_for_ready` waits for an instance, also for one that is not registered yet; without it a call waits only
      while the first answer of the registry or the first connection is due;
    - errors of the transport name the instance; UNAVAILABLE with the text of NoInstances (which is the error's
      `__cause__`) says that there was nobody to call;
    - interceptors see each attempt.

    Shared by everybody who asks a client for the same name: leave it open, the client closes it.
    """

    def __init__(self, pool: Pool[Link], calling: Calling, close: Callable[[float | None], Any]) -> None:
        self._pool = pool
        self._calling = calling
        self._close = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Take no more calls; cancel those under way, after `grace` seconds if given.

        Channels to the same name share connections. While another of them is open, calls that are under way on this
        one may finish.
        """
        await self._close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """READY while an instance is; it connects by itself, so that `try_to_connect` changes nothing."""
        if self._pool.closed:
            return State.SHUTDOWN
        if self._pool.ready:
            return State.READY
        return State.CONNECTING if self._pool.undecided else State.TRANSIENT_FAILURE

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        while self.get_state() is last_observed_state:
            await self._pool.changed()

    async def channel_ready(self) -> None:
        """Returns when an instance can be called."""
        while self.get_state() is not State.READY:
            if self._pool.closed:
                raise grpc.aio.UsageError("Channel is closed.")
            await self._pool.changed()

    def method(self, kind: Kind, path: str, arguments: tuple[Any, ...]) -> Method:
        """What the calls of one method through this channel have in common. `arguments`: those of grpc.aio's own
        multicallables after the path."""
        return Method(self._pool, self._calling, kind, path, arguments)

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        arguments = (request_serializer, response_deserializer, _registered_method)
        return _UnaryUnary(self.method(Kind.UNARY_UNARY, method, arguments))

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        arguments = (request_serializer, response_deserializer, _registered_method)
        return _UnaryStream(self.method(Kind.UNARY_STREAM, method, arguments))

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        arguments = (request_serializer, response_deserializer, _registered_method)
        return _StreamUnary(self.method(Kind.STREAM_UNARY, method, arguments))

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        arguments = (request_serializer, response_deserializer, _registered_method)
        return _StreamStream(self.method(Kind.STREAM_STREAM, method, arguments))
