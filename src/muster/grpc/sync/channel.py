"""The channel that ordinary generated stubs take: a name instead of an address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from muster.client.background import Background, Opened
from muster.grpc.attempting import Terms
from muster.grpc.method import Kind, Method
from muster.grpc.sync.direct import answer
from muster.grpc.sync.handles import Answers, Handle
from muster.grpc.sync.hedged import Hedged
from muster.grpc.sync.requests import Requests
from muster.grpc.sync.running import Running
from muster.grpc.sync.threaded import CLOSED
from muster.grpc.sync.work import Ask, Direct, Work, future, itself, with_call

W = TypeVar("W", bound=Work)

log = logging.getLogger("muster.grpc")


@dataclass(frozen=True)
class Service:
    """What a channel is made of in one process: a `muster.grpc.channel.Channel` on the loop."""

    opened: Opened[Any]
    channel: Any

    def method(self, kind: Kind, path: str, codec: tuple[Any, Any]) -> Method:
        method: Method = self.channel.method(kind, path, (*codec, False))
        return method


class Channel(grpc.Channel):  # type: ignore[misc]
    """A grpc.Channel to a service by its name: each call goes to one of its instances. For any number of threads.

    What differs from a channel to an address is said of `muster.grpc.channel.Channel`; errors are grpc.RpcError. It
    may be made before a fork: a child finds and connects to the instances by itself, with its first call. Shared by
    everybody who asks a client for the same name: leave it open, the client closes it.
    """

    def __init__(self, find: Callable[[], Service]) -> None:
        """`find` gives what the channel is made of in the present process, opened if it has to be."""
        self.closed = False
        self._find = find
        self._subscribers: dict[Callable[[Any], None], Callable[[], object]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take no more calls, and cancel those under way. May be called again."""
        if not self.closed:
            service = self._find()
            self.closed = True
            service.opened.run(service.channel.close())

    def subscribe(
        self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool | None = False
    ) -> None:
        """Have `callback` called with the state, now and whenever it has changed; READY while an instance is."""
        service = self._service()
        telling = service.opened.background.start(_tell(service, callback))
        self._subscribers[callback] = telling.cancel

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        end = self._subscribers.pop(callback, None)
        if end is not None:
            end()

    def _service(self) -> Service:
        if self.closed:
            raise ValueError(CLOSED)
        return self._find()

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return _UnaryUnary(self._service, Kind.UNARY_UNARY, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return _UnaryStream(self._service, Kind.UNARY_STREAM, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return _StreamUnary(self._service, Kind.STREAM_UNARY, method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return _StreamStream(self._service, Kind.STREAM_STREAM, method, request_serializer, response_deserializer)


class _MultiCallable:
    """A method, and what it is made of in this process."""

    def __init__(self, find: Callable[[], Service], kind: Kind, path: str, serializer: Any, deserializer: Any) -> None:
        self._find = find
        self._kind = kind
        self._path = path
        self._codec = (serializer, deserializer)
        self._bound: tuple[Background, Method] | None = None

    def _bind(self) -> tuple[Background, Method]:
        service = self._find()
        bound = self._bound = service.opened.background, service.method(self._kind, self._path, self._codec)
        return bound

    def _work(self, kind: type[W], ask: Ask, request: Any, timeout: float | None, *terms: Any) -> W:
        bound = self._bound
        background, method = bound if bound is not None and not bound[0].abandoned else self._bind()
        terms_ = Terms(method.default_timeout if timeout is None else timeout, *terms)
        return kind(background, method, terms_, ask, request)

    def _begin(self, *asked: Any) -> tuple[Background, Running | Hedged]:
        """Begin a call that goes on by itself."""
        work = self._work(Work, *asked)
        if work.method.hedged:
            return work.background, Hedged.begun(work)
        with work.background.inside:
            return work.background, Running(work).begin()


class _UnaryUnary(_MultiCallable, grpc.UnaryUnaryMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        work = self._work(Direct, itself, request, timeout, metadata, credentials, wait_for_ready, compression)
        return answer(work, request)

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        work = self._work(Direct, with_call, request, timeout, metadata, credentials, wait_for_ready, compression)
        return answer(work, request)

    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        return Handle(*self._begin(future, request, timeout, metadata, credentials, wait_for_ready, compression))


class _UnaryStream(_MultiCallable, grpc.UnaryStreamMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        return Answers(*self._begin(itself, request, timeout, metadata, credentials, wait_for_ready, compression))


class _StreamUnary(_MultiCallable, grpc.StreamUnaryMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request_iterator: Iterable[Any],
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        requests = Requests(request_iterator)
        work = self._work(Direct, itself, requests, timeout, metadata, credentials, wait_for_ready, compression)
        return answer(work, requests.read())

    def with_call(
        self,
        request_iterator: Iterable[Any],
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        requests = Requests(request_iterator)
        work = self._work(Direct, with_call, requests, timeout, metadata, credentials, wait_for_ready, compression)
        return answer(work, requests.read())

    def future(
        self,
        request_iterator: Iterable[Any],
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        return Handle(
            *self._begin(
                future, Requests(request_iterator), timeout, metadata, credentials, wait_for_ready, compression
            )
        )


class _StreamStream(_MultiCallable, grpc.StreamStreamMultiCallable):  # type: ignore[misc]
    def __call__(
        self,
        request_iterator: Iterable[Any],
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        return Answers(
            *self._begin(
                itself, Requests(request_iterator), timeout, metadata, credentials, wait_for_ready, compression
            )
        )


async def _tell(service: Service, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
    """Tells every state, until cancelled or closed. A callback that raises harms nobody, and is told of."""
    state = None
    while state is not grpc.ChannelConnectivity.SHUTDOWN:
        while (now := service.channel.get_state()) is state:
            await service.channel.wait_for_state_change(now)
        state = now
        await service.opened.background.aside(partial(_call_back, callback, state))


def _call_back(callback: Callable[[grpc.ChannelConnectivity], None], state: grpc.ChannelConnectivity) -> None:
    try:
        callback(state)
    except Exception:
        log.exception("%r, which hears of a channel's state, raised", callback)
