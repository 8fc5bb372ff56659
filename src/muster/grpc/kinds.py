"""The four kinds of calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

import grpc.aio

from muster.grpc.attempting import Terms
from muster.grpc.call import Call
from muster.grpc.provisional import patient
from muster.grpc.requests import Requests

if TYPE_CHECKING:
    from muster.grpc.method import Method

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined, unused-ignore]  # pyright: ignore[reportAttributeAccessIssue]

log = logging.getLogger("muster.grpc")

_MIXED = "The iterator and read/write APIs may not be mixed on a single RPC."
_FINISHED = "RPC already finished."
_HALF_CLOSED = 'RPC is half closed after calling "done_writing".'


class _UnaryResponse(Call):
    def __await__(self) -> Generator[Any, None, Any]:
        try:
            while True:
                if self._aside is not None or self._error is not None:
                    yield from self._attempt().__await__()
                inner = self._inner
                try:
                    return (yield from inner.__await__())
                except Exception:
                    if not self._superseded(inner):
                        raise
        except asyncio.CancelledError:
            self._abandon()
            raise


class _StreamResponse(Call):
    def __init__(self, method: Method, terms: Terms) -> None:
        super().__init__(method, terms)
        self._messages: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._messages is None:
            self._messages = self._iterate()
        return self._messages

    async def _iterate(self) -> AsyncIterator[Any]:
        while (message := await self._following(self._next)) is not EOF:
            yield message

    async def read(self) -> Any:
        return await self._following(self._read)

    async def _next(self, inner: Any) -> Any:
        try:
            message = await anext(aiter(inner))
        except StopAsyncIteration:
            return EOF
        self._received(inner)
        return message

    async def _read(self, inner: Any) -> Any:
        message = await inner.read()
        if message is not EOF:
            self._received(inner)
        return message

    def _received(self, inner: Any) -> None:
        """Something of an answer, unless the attempt has been given up: if not, there will be no other."""
        if inner is self._inner and self._link is not None:
            self._receive()

    def _receive(self) -> None:
        self._committed = True


class _UnaryRequest(Call):
    def __init__(self, method: Method, terms: Terms, request: Any) -> None:
        super().__init__(method, terms)
        self._request = request

    def _start(self, stub: Callable[..., Any], timeout: float | None) -> Any:
        terms = self._terms
        return stub(
            self._request,
            timeout=timeout,
            metadata=terms.metadata,
            credentials=terms.credentials,
            compression=terms.compression,
        )


class _StreamRequest(Call):
    def __init__(self, method: Method, terms: Terms, source: Iterable[Any] | AsyncIterable[Any] | None) -> None:
        super().__init__(method, terms)
        self._requests: Requests[Any] = Requests()
        self._feeding = None if source is None else method.spawn(self._feed(source))

    def _start(self, stub: Callable[..., Any], timeout: float | None) -> Any:
        terms = self._terms
        call = stub(
            self._requests.read(),
            timeout=timeout,
            metadata=terms.metadata,
            credentials=terms.credentials,
            compression=terms.compression,
        )
        return patient(call, self._requests)

    def _repeatable(self) -> bool:
        return not self._committed and self._requests.repeatable

    def _receive(self) -> None:
        self._committed = True
        self._requests.commit()

    def _done(self) -> None:
        self._requests.stop()
        if self._feeding is not None:
            self._feeding.cancel()

    async def _feed(self, source: Iterable[Any] | AsyncIterable[Any]) -> None:
        """Write what the caller's iterator gives. Its failure cancels the call, as in grpc.aio."""
        try:
            if isinstance(source, AsyncIterable):
                async for request in source:
                    if not await self._requests.write(request):
                        return
            else:
                for request in source:
                    if not await self._requests.write(request):
                        return
        except Exception:
            log.exception("the iterator of requests of %s failed; the call is cancelled", self._method.path)
            self.cancel()
        else:
            self._requests.close()

    async def write(self, request: Any) -> None:
        self._only_writing()
        if self._over or self._requests.stopped:
            raise asyncio.InvalidStateError(_FINISHED)
        if self._requests.closed:
            raise asyncio.InvalidStateError(_HALF_CLOSED)
        if not await self._requests.write(request):
            raise asyncio.InvalidStateError(_FINISHED)

    async def done_writing(self) -> None:
        self._only_writing()
        self._requests.close()

    def _only_writing(self) -> None:
        if self._feeding is not None:
            raise grpc.aio.UsageError(_MIXED)


class UnaryUnaryCall(_UnaryRequest, _UnaryResponse, grpc.aio.UnaryUnaryCall):  # type: ignore[misc]
    """One request, one response."""


class UnaryStreamCall(_UnaryRequest, _StreamResponse, grpc.aio.UnaryStreamCall):  # type: ignore[misc]
    """One request, a stream of responses. Another instance may take over until the first of them has been read."""


class StreamUnaryCall(_StreamRequest, _UnaryResponse, grpc.aio.StreamUnaryCall):  # type: ignore[misc]
    """A stream of requests, one response. Another instance may take over while the requests are few enough to keep."""


class StreamStreamCall(_StreamRequest, _StreamResponse, grpc.aio.StreamStreamCall):  # type: ignore[misc]
    """Streams both ways. Another instance may take over until the first response, while the requests are few."""
